//! Word error rates, streamed and offline, and whether the two agree.

use super::streams::{self, Pace};
use crate::live::feed::{Run, Said};
use crate::recordings::SAMPLE_RATE;
use crate::spoken::Recording;
use crate::wer::Score;
use anyhow::{Result, ensure};
use voxlane::Engine;
use voxlane_models::decode::StreamStrategy;
use voxlane_models::families::emformer::Emformer;
use voxlane_models::heads::transducer::Heads;
use voxlane_models::model::Model;
use voxlane_models::offline::Transcriber;
use voxlane_models::tokenizers::vocabulary::Vocabulary;

/// What one strategy gave on one set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accuracy {
    /// Recordings.
    pub clips: usize,
    /// Errors of what the engine's streams said.
    pub streamed: Score,
    /// Errors of the network's parts on whole recordings.
    pub offline: Score,
    /// Finals of streams.
    pub finals: usize,
    /// Those that are not, token by token, what the parts say of the same samples.
    pub different: usize,
}

/// One network, decoded by one strategy: an engine, and the parts alone.
pub struct Recognizers<'a, S: StreamStrategy<Heads>> {
    engine: Engine,
    parts: Transcriber<Emformer<S>>,
    vocabulary: &'a dyn Vocabulary,
}

impl<'a, S: StreamStrategy<Heads>> Recognizers<'a, S> {
    /// The engine must run the same network, decoded in the same way.
    pub fn new(engine: Engine, network: &Emformer, vocabulary: &'a dyn Vocabulary) -> Self {
        Recognizers { engine, parts: Transcriber::new(&network.decoded_by::<S>()), vocabulary }
    }

    /// Both on all recordings.
    ///
    /// # Errors
    /// If a stream fails, or the parts flag a fault.
    pub fn measure(&mut self, recordings: &[Recording], pace: Pace) -> Result<Accuracy> {
        let runs = streams::run(&self.engine, recordings, pace)?;
        let mut sum = Accuracy { clips: recordings.len(), ..Accuracy::default() };
        for (recording, run) in recordings.iter().zip(&runs) {
            let whole = offline(&mut self.parts, &recording.samples)?;
            let add = |to: &mut Score, text: &str| {
                *to = [*to, Score::of(&recording.transcript, text)].into_iter().sum();
            };
            add(&mut sum.streamed, &text(run));
            add(&mut sum.offline, &self.vocabulary.text(&whole));
            for said in run.said.iter().filter(|said| said.is_final) {
                sum.finals += 1;
                let alone = offline(&mut self.parts, segment(said, &recording.samples))?;
                sum.different += usize::from(alone != said.tokens);
            }
        }
        Ok(sum)
    }
}

/// The tokens of `samples` by the network's parts alone.
fn offline<M: Model>(parts: &mut Transcriber<M>, samples: &[i16]) -> Result<Vec<u32>> {
    let (tokens, faults) = parts.transcribe(samples);
    ensure!(faults.is_none(), "the network flags {faults:?}");
    Ok(tokens.iter().map(|token| token.id).collect())
}

/// The samples that a final is of.
fn segment<'a>(said: &Said, samples: &'a [i16]) -> &'a [i16] {
    let at = |seconds: f64| ((seconds * f64::from(SAMPLE_RATE)).round() as usize).min(samples.len());
    &samples[at(said.start)..at(said.end)]
}

/// The text of a run's finals.
pub fn text(run: &Run) -> String {
    let finals = run.said.iter().filter(|said| said.is_final).map(|said| said.text.as_str());
    finals.collect::<Vec<_>>().join(" ")
}
