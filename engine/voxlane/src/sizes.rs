//! How large the parts of a lane are, computed before any of them is made.

use crate::audio::ENGINE_RATE_HZ;
use crate::config::{Config, LaneConfig, SegmentConfig};
use crate::cut::Cutter;
use crate::message::{MAX_MARKS, MESSAGE_SAMPLES, MESSAGE_TOKENS, RequestMessage, TokensMessage};
use voxlane_models::model::{Limits, Model, ModelInfo};
use voxlane_models::turn::TURN_SAMPLES;

/// Audio that a decision may reach back for: the longest lead and onset together.
const LOOK_BACK_SAMPLES: u64 = 4 * ENGINE_RATE_HZ as u64;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Streams at once.
    pub(crate) streams: usize,
    /// Sets of features, encoder and decoder: one for all streams, or one for each class.
    pub(crate) chains: usize,
    /// Places in each stream's ring of audio.
    pub(crate) audio_messages: usize,
    /// Places in each stream's ring of events.
    pub(crate) event_messages: usize,
    /// Samples of each stream that can still be looked at.
    pub(crate) history_samples: usize,
    /// Pooled buffers of each chain.
    pub(crate) spans: usize,
    /// Samples of each stream in the buffer of the stage that hears turns.
    pub(crate) turn_samples: usize,
    /// Segments are decoded once more behind those before them: features and decoder have a second state a slot.
    pub(crate) has_context: bool,
    /// Where segments are cut.
    pub(crate) cutter: Cutter,
}

impl Sizes {
    pub(crate) fn new<M: Model>(config: &Config, lane: &LaneConfig, model: &M) -> Self {
        let ModelInfo { limits, batch, follows, chunks, takes_hotwords, takes_prompt, .. } = model.info();
        let Limits { max_segment_samples, max_segment_tokens, sample_rate, .. } = limits;
        let streams = lane.slots;
        let samples = |seconds: f64| (seconds * f64::from(sample_rate)) as u64;
        let by = samples(config.segment.cut_by_s).min(max_segment_samples as u64);
        let from = samples(config.segment.cut_from_s).min(by - by / 60);
        // A stream's own rules may ask for turns too.
        let hears_turns = config.endpoint.turn.hears_audio();
        let look_back = if hears_turns { TURN_SAMPLES as u64 } else { 0 }.max(LOOK_BACK_SAMPLES);
        // A stream may be a recording, whatever the others are.
        let recordings = SegmentConfig::RECORDINGS.within(config.segment);
        let look_back = look_back.max(samples(recordings.length_s()));
        // What a stream asks of its decoder is asked of one state.
        let takes_options = takes_hotwords || takes_prompt;
        let has_context = follows && chunks.is_none() && !takes_options && config.endpoint.context_s > 0;
        let context = if has_context { samples(f64::from(config.endpoint.context_s)) } else { 0 };
        Sizes {
            turn_samples: if hears_turns { TURN_SAMPLES } else { 0 },
            has_context,
            streams,
            chains: if config.preempt_batch && batch == 1 { 2 } else { 1 },
            audio_messages: (lane.audio_ms as usize * 16).div_ceil(MESSAGE_SAMPLES),
            // A final's own messages and the markers that it answers come at once: no client can read them meanwhile.
            event_messages: lane.events + max_segment_tokens.div_ceil(MESSAGE_TOKENS) + MAX_MARKS,
            history_samples: ((by - from).max(look_back) + context) as usize + 2 * MESSAGE_SAMPLES,
            // One buffer a stream, one more so that features can go on while two stages hold one, one for warming.
            // A decoder that works in batches holds one for each pass.
            spans: streams.min(5 + batch) + 2,
            cutter: Cutter::new(from, by),
        }
    }

    /// States of each stage that computes: the last one is the dummy's.
    pub(crate) fn states(&self) -> usize {
        self.streams + 1
    }

    /// States of a network's parts: those, and behind them one a slot for passes behind the segment before.
    pub(crate) fn part_states(&self) -> usize {
        if self.has_context { 2 * self.states() } else { self.states() }
    }

    /// What the lane takes.
    pub(crate) fn memory<M: Model>(&self, model: &M) -> LaneMemory {
        let network = model.working_memory(self.part_states());
        let streams = self.streams as u64;
        let chains = self.chains as u64;
        LaneMemory {
            audio: streams * (self.audio_messages * size_of::<RequestMessage>()) as u64,
            events: streams * (self.event_messages * size_of::<TokensMessage>()) as u64,
            history: streams * ((self.history_samples + self.turn_samples) * size_of::<i16>()) as u64,
            network: network
                .map(|memory| chains * (memory.parts as u64 + self.spans as u64 * memory.span as u64)),
        }
    }
}

/// The memory of one lane in bytes, beside the weights, which lanes share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneMemory {
    /// Audio that waits: `slots` times `audio_ms`.
    pub audio: u64,
    /// Events that wait: `slots` times `events`.
    pub events: u64,
    /// Recent audio of each stream: `slots` times the range in which speech may be cut, what turns are heard by, and what a
    /// segment may be decoded with.
    pub history: u64,
    /// The network's states and scratch, once or, with `preempt_batch`, twice; none where they are on a device.
    pub network: Option<u64>,
}

impl LaneMemory {
    /// Returns the sum, in bytes.
    pub fn total(&self) -> u64 {
        self.audio + self.events + self.history + self.network.unwrap_or(0)
    }
}
