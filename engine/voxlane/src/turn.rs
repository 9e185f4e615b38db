//! Whether a speaker has finished, by the sound: the network at hand, and what goes to the stage that runs it.

use crate::config::TurnRule;
use crate::history::History;
use crate::message::{Header, TurnMessage};
use crate::protocol::AudioControl;
use crate::voice::VoiceError;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use voxlane_models::buffer::Buffer;
use voxlane_models::turn::{SmartTurn, TURN_SAMPLES};
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::Sender;

/// Loads the network if a rule asks for it, with its weights from the model manager's cache.
pub(crate) fn load(rule: TurnRule) -> Result<Option<Arc<SmartTurn>>, VoiceError> {
    rule.hears_audio().then(smart_turn).transpose()
}

#[cfg(feature = "fetch")]
fn smart_turn() -> Result<Arc<SmartTurn>, VoiceError> {
    use voxlane_models::families::smart_turn::load;
    use voxlane_models::manager::{Manager, Options};
    /// The network in its package.
    const FILE: &str = "smart-turn-v3.2-cpu.onnx";
    let files = Manager::new(Options::default())?.path(TurnRule::SMART_TURN_MODEL)?;
    let file = files.get(FILE).ok_or_else(|| format!("{}: has no {FILE}", TurnRule::SMART_TURN_MODEL))?;
    Ok(Arc::new(load(file)?))
}

#[cfg(not(feature = "fetch"))]
fn smart_turn() -> Result<Arc<SmartTurn>, VoiceError> {
    Err("this build has no model manager (feature `fetch`)".into())
}

/// The last seconds of a slot's turn.
pub(crate) struct TurnAudio {
    /// The question that they are for.
    question: u32,
    samples: Buffer<i16>,
    count: usize,
}

impl TurnAudio {
    /// Nothing, with room for all that the network hears.
    pub(crate) fn new() -> Self {
        TurnAudio { question: 0, samples: Buffer::zeros(TURN_SAMPLES), count: 0 }
    }

    /// The samples for a question; none if they have been replaced by those of a later one.
    pub(crate) fn of(&self, question: u32) -> Option<&[i16]> {
        (self.question == question).then(|| &self.samples[..self.count])
    }
}

/// How many questions wait for the stage that hears turns, or are with it.
#[derive(Debug, Default)]
pub(crate) struct TurnLoad(AtomicUsize);

impl TurnLoad {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Ingest's way to the stage that hears turns.
pub(crate) struct TurnAsker {
    pub(crate) output: Sender<TurnMessage>,
    /// A buffer for each slot.
    pub(crate) pool: Arc<Pool<TurnAudio>>,
    pub(crate) load: Arc<TurnLoad>,
}

impl TurnAsker {
    /// Asks `question` about the stream's samples in `turn`, of which the newest count. `false` if it must be asked
    /// again a little later: the stage is taking the slot's samples over right now, or has too many questions.
    pub(crate) fn ask(
        &mut self,
        header: Header<AudioControl>,
        question: u32,
        history: &History,
        turn: Range<u64>,
    ) -> bool {
        let slot = u32::from(header.slot);
        if self.output.vacant() == 0 {
            return false;
        }
        let Some(mut audio) = self.pool.take(slot) else { return false };
        let first = turn.start.max(turn.end.saturating_sub(TURN_SAMPLES as u64));
        (audio.question, audio.count) = (question, (turn.end - first) as usize);
        history.read(first, &mut audio.samples[..(turn.end - first) as usize]);
        self.pool.put(slot, audio);
        if let Some(mut place) = self.output.reserve() {
            place.header = header.with(());
            place.payload.question = question;
            self.load.add();
            place.publish();
        }
        true
    }
}
