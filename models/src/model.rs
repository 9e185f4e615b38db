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
use crate::decode::Hotwords;
use crate::fault::Faults;
use crate::hypothesis::Hypothesis;
use crate::team::Team;
use std::sync::Arc;

/// The index of a stream's state within a lane, below the `slots` a part was made with.
pub type Slot = usize;

/// Why features are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A look at an open segment; may be thrown away.
    Partial,
    /// The result for a whole segment; a pure function of its samples.
    Final,
}

/// What a decoder is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the result is for.
    pub goal: Goal,
    /// How many samples of the segment a voice detector heard as speech; 0 where that is not known.
    pub voiced_samples: usize,
}

impl From<Goal> for Request {
    /// Where nothing is known of the speech in the segment.
    fn from(goal: Goal) -> Self {
        Request { goal, voiced_samples: 0 }
    }
}

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

    /// What it can take.
    fn limits(&self) -> Limits;

    /// Where a network's chunks are complete, if it takes audio in chunks and never goes back: then a segment holds
    /// all the audio that has been pushed when its end is decided, and looks at it come of themselves.
    fn chunks(&self) -> Option<Chunks> {
        None
    }

    /// Whether it takes audio in chunks.
    fn is_streaming(&self) -> bool {
        self.chunks().is_some()
    }

    /// Whether its decoder listens for phrases: see [`Decoder::set_hotwords`].
    fn takes_hotwords(&self) -> bool {
        false
    }

    /// How many segments its decoder works on at the same time, at least one; see [`Decoder`].
    fn batch(&self) -> usize {
        1
    }

    /// How many segments its encoder works on at the same time, at least one; see [`Encoder`].
    fn encoder_batch(&self) -> usize {
        1
    }

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
/// Where [`Model::encoder_batch`] is more than one, so many passes may be in flight at the same time, at most one a
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
/// Where [`Model::batch`] is more than one, so many passes are in flight at the same time, at most one a slot:
/// `begin` drops no pass but the slot's own, and `step` goes on with the pass of its span, and on the way with the
/// others.
pub trait Decoder {
    /// See [`Model::Span`].
    type Span;

    /// Begins a pass over `span`. Where speech is known to be in it, a decoder may try again what gives no text.
    fn begin(&mut self, slot: Slot, span: &mut Self::Span, request: Request);

    /// Goes on with the pass; `span` is the same as in `begin`.
    fn step(&mut self, span: &mut Self::Span, budget: &Budget, faults: &mut Faults) -> Progress;

    /// Gives up the slot's pass, if one is in flight, and nothing else that is known of the slot. Where one pass is
    /// in flight at most there is nothing to do: the next `begin` drops it.
    fn cancel(&mut self, _slot: Slot) {}

    /// How many samples at the end of what was decoded the network found nothing in; none where it cannot tell.
    fn quiet_samples(&self, _slot: Slot) -> Option<usize> {
        None
    }

    /// Changes which phrases the slot listens for, from the next frame on, and gives back those it listened for so
    /// far, so that the caller frees them; they stay when the slot is reset. A decoder that cannot listen for phrases
    /// gives back what it is given.
    fn set_hotwords(&mut self, _slot: Slot, hotwords: Option<Arc<Hotwords>>) -> Option<Arc<Hotwords>> {
        hotwords
    }

    /// What the slot's segment says, valid after a step that was [`Progress::Done`].
    fn hypothesis(&self, slot: Slot) -> &Hypothesis;

    /// Forgets the slot's segment.
    fn reset(&mut self, slot: Slot);
}
