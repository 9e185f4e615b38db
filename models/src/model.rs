//! The contract between a network and the engine that runs it in stages.
//!
//! Every part keeps one state for each stream *slot* and is driven in *passes*: `begin`, then `step` until
//! it says [`Progress::Done`]. A step returns within its [`Budget`] so that audio is looked after even when
//! all stages share one thread. `begin` drops whatever pass was in flight in that part: that is how
//! warming and partials give way. After construction nothing allocates.
//!
//! What travels from part to part is a [`Model::Span`]: the features of a stretch of audio, which the
//! encoder replaces by hidden frames. On the CPU it is a buffer; on a GPU it names tensors on the device.

use crate::budget::{Budget, Progress};
use crate::decode::DecodeOptions;
use crate::fault::Faults;
use crate::hypothesis::Hypothesis;
pub use crate::request::{Goal, Request, Slot};
use crate::team::Team;
use std::sync::Arc;

/// What a model can take, in its own units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Samples per second of the audio it wants.
    pub sample_rate: u32,
    /// The fewest samples that give any text; shorter segments are empty.
    pub min_segment_samples: usize,
    /// The most samples a segment may have.
    pub max_segment_samples: usize,
    /// The most tokens a segment can give.
    pub max_segment_tokens: usize,
}

/// Bytes that a network needs beside its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkingMemory {
    /// The states and scratch of its three parts.
    pub parts: usize,
    /// One span.
    pub span: usize,
}

/// Where chunks are complete, in samples from the start of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// Samples until the first one is, with what the network hears after it.
    pub first: u64,
    /// Samples of a chunk: from one to the next.
    pub step: u64,
}

impl Chunks {
    /// How far behind the newest sample a chunk ends when it is complete.
    pub fn look_ahead(&self) -> u64 {
        self.first.saturating_sub(self.step)
    }
}

/// What a model is and can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// What it can take.
    pub limits: Limits,
    /// Where its chunks are complete, if it takes audio in chunks and never goes back: then a segment holds
    /// all the audio that has been pushed when its end is decided, and looks at it come of themselves.
    pub chunks: Option<Chunks>,
    /// The languages that can be asked for, as IETF tags; none where it has one that need not be said.
    pub languages: &'static [&'static str],
    /// Whether it can translate what is said into English.
    pub translates: bool,
    /// Whether it can be given what was said before.
    pub takes_prompt: bool,
    /// Whether its decoder listens for phrases.
    pub takes_hotwords: bool,
    /// Whether its decoder can go on from the text of audio in front of a segment; see [`Decoder::follow`].
    pub follows: bool,
    /// How many segments its encoder works on at the same time, at least one; see [`Encoder`].
    pub encoder_batch: usize,
    /// How many segments its decoder works on at the same time, at least one; see [`Decoder`].
    pub batch: usize,
}

impl ModelInfo {
    /// Of a model that takes whole segments, one at a time, in one language, and nothing beside.
    pub const fn new(limits: Limits) -> Self {
        ModelInfo {
            limits,
            chunks: None,
            languages: &[],
            translates: false,
            takes_prompt: false,
            takes_hotwords: false,
            follows: false,
            encoder_batch: 1,
            batch: 1,
        }
    }

    /// Whether it takes audio in chunks.
    pub const fn is_streaming(&self) -> bool {
        self.chunks.is_some()
    }
}

/// A network prepared for one backend, with its weights; shared by all lanes that run it.
pub trait Model: Send + Sync + 'static {
    /// What travels between the parts.
    type Span: Send + 'static;
    /// Samples → features.
    type FrontEnd: FrontEnd<Span = Self::Span>;
    /// Features → hidden frames.
    type Encoder: Encoder<Span = Self::Span>;
    /// Hidden frames → tokens.
    type Decoder: Decoder<Span = Self::Span>;

    /// What it is and can do; always the same.
    fn info(&self) -> ModelInfo;

    /// The working memory of a front end, an encoder and a decoder with `slots` states each, and of a span: at most so many
    /// bytes, without weights. Computed from sizes, so that nothing is taken. None where it is not known, or a device's.
    fn working_memory(&self, _slots: usize) -> Option<WorkingMemory> {
        None
    }

    /// An empty span with room for the longest segment.
    fn span(&self) -> Self::Span;

    /// A front end with `slots` states. Called on the thread that will run it.
    fn front_end(&self, slots: usize) -> Self::FrontEnd;

    /// An encoder with `slots` states, which may share its work with `team`. Called on the thread that will
    /// run it.
    fn encoder(&self, slots: usize, team: Team) -> Self::Encoder;

    /// A decoder with `slots` states. Called on the thread that will run it.
    fn decoder(&self, slots: usize) -> Self::Decoder;
}

/// Samples → features. Takes audio as it comes and does what can be done before the segment ends.
pub trait FrontEnd {
    /// See [`Model::Span`].
    type Span;

    /// Takes the next samples of the slot's open segment; at most 20 ms a call, so that it needs no budget.
    /// Samples past [`Limits::max_segment_samples`] are dropped and flagged [`Faults::TOO_LONG`].
    fn push(&mut self, slot: Slot, samples: &[i16], faults: &mut Faults);

    /// Whether a span should be sent now without being asked: streaming networks say so whenever a chunk is
    /// complete, whole-segment networks never.
    fn is_ready(&self, slot: Slot) -> bool;

    /// Begins a pass that writes the features of the slot's first `samples` samples (fewer than were pushed
    /// when the end of speech was seen late) into a span. The segment stays open.
    fn begin(&mut self, slot: Slot, samples: usize, goal: Goal);

    /// Goes on with the pass.
    fn step(&mut self, span: &mut Self::Span, budget: &Budget, faults: &mut Faults) -> Progress;

    /// Forgets the slot's audio: the next push opens a new segment.
    fn reset(&mut self, slot: Slot);
}

/// Features → hidden frames, in place.
///
/// Where [`ModelInfo::encoder_batch`] is more than one, so many passes may be in flight at the same time, at most one a
/// slot: `begin` drops no pass, and `step` goes on with the pass of its span, and in the same products with others.
/// So a lane first begins all passes that it has and then steps each of them until it is done: most find their work
/// done already.
pub trait Encoder {
    /// See [`Model::Span`].
    type Span;

    /// Begins a pass over `span`.
    fn begin(&mut self, slot: Slot, span: &mut Self::Span);

    /// Goes on with the pass; `span` is the same as in `begin`.
    fn step(&mut self, span: &mut Self::Span, budget: &Budget, faults: &mut Faults) -> Progress;

    /// Forgets what the slot carried over from earlier spans of its segment.
    fn reset(&mut self, slot: Slot);
}

/// Hidden frames → tokens.
///
/// Where [`ModelInfo::batch`] is more than one, so many passes are in flight at the same time, at most one a slot:
/// `begin` drops no pass but the slot's own, and `step` goes on with the pass of its span, and on the way with the
/// others.
pub trait Decoder {
    /// See [`Model::Span`].
    type Span;

    /// Begins a pass over `span`. Where speech is known to be in it, a decoder may try again what gives no text.
    fn begin(&mut self, slot: Slot, span: &mut Self::Span, request: Request);

    /// Goes on with the pass; `span` is the same as in `begin`.
    fn step(&mut self, span: &mut Self::Span, budget: &Budget, faults: &mut Faults) -> Progress;

    /// Has the slot's passes go on from `tokens`, until the slot is reset: their spans begin with `samples` samples of
    /// audio in front of the segment, whose text is `tokens`, without start and end token. These are run and not asked
    /// about; the hypothesis, and everything that judges or limits it, is of what comes after, with times from the
    /// segment's own start; so are the voiced samples of a [`Request`]. A token that the network hears in the earlier
    /// audio has its times cut to 0.
    ///
    /// Called between passes of the slot; replaces what was followed before. `false`, and nothing changes, where the
    /// decoder cannot, or not from so many tokens of so little audio.
    fn follow(&mut self, _slot: Slot, _tokens: &[u32], _samples: usize) -> bool {
        false
    }

    /// Gives up the slot's pass, if one is in flight, and nothing else that is known of the slot. Where one pass is
    /// in flight at most there is nothing to do: the next `begin` drops it.
    fn cancel(&mut self, _slot: Slot) {}

    /// How many samples at the end of what was decoded the network found nothing in; none where it does not know.
    fn quiet_samples(&self, _slot: Slot) -> Option<usize> {
        None
    }

    /// Changes what is asked of the slot, from the next frame or segment on, and gives back what was asked so far, so
    /// that the caller frees it; it stays when the slot is reset. None is as the model is by itself. Only what
    /// [`ModelInfo`] says can be asked for. A decoder of which nothing can be asked gives back what it is given.
    fn set_options(
        &mut self,
        _slot: Slot,
        options: Option<Arc<DecodeOptions>>,
    ) -> Option<Arc<DecodeOptions>> {
        options
    }

    /// What the slot's segment says, valid after a step that was [`Progress::Done`].
    fn hypothesis(&self, slot: Slot) -> &Hypothesis;

    /// Forgets the slot's segment.
    fn reset(&mut self, slot: Slot);
}
