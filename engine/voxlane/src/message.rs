//! What stages exchange: messages of fixed size, a cache line of header and a payload that depends on the edge.
//!
//! What they mean is in [`protocol`](crate::protocol). A message of audio or of tokens is 768 bytes: a stride that is a
//! multiple of 128 (two lines, so that the adjacent-line prefetcher of neighbors does not share them) and not of 4096 (so that
//! places do not fall into one cache set). Audio as i16 takes half the lines of f32.

use crate::protocol::{AudioControl, Request, SpanControl, TokensControl};
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Token;
use voxlane_runtime::message::Message;
pub use voxlane_runtime::message::{Header, STAMP_NANOS};

/// The most samples in a message: 20 ms at 16 kHz.
pub const MESSAGE_SAMPLES: usize = 320;

/// The most tokens in a message; longer results take several.
pub const MESSAGE_TOKENS: usize = 40;

/// The most markers of a stream that may be unanswered.
pub const MAX_MARKS: usize = 64;

/// The reason why a segment ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EndCause {
    /// The client asked for it, or finished the stream.
    #[default]
    Client,
    /// Nobody spoke for long enough.
    Silence,
    /// The speaker has finished, by the rules for that, and was silent for a short time.
    EndOfTurn,
    /// The segment reached its longest length; it was cut at its quietest point.
    LengthLimit,
    /// The network that takes audio in chunks found no token for long enough.
    TrailingBlanks,
}

/// A segment's place in its stream.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Extent {
    /// The stream's sample (16 kHz) that the segment starts with.
    pub start: u64,
    /// The segment's number within its stream.
    pub segment: u32,
    /// The number of its samples.
    pub samples: u32,
    /// The time from the segment's last speech to the decision of its end, in microseconds of audio capture.
    pub endpoint_wait_micros: u32,
    /// The same in samples of the stream's audio: the silence that decided it.
    pub silence_samples: u32,
    /// The number of them that the detector heard as speech; none where no detector listens.
    pub voiced: u32,
    /// Samples before the start that are decoded with it: those of the segment before, and of the pause.
    pub context: u32,
    /// The probability that the speaker has finished, where that was asked.
    pub turn: Option<f32>,
    /// The reason why it ended.
    pub cause: EndCause,
}

/// Decoder → features: a buffer that is free again.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReturnedBuffer {
    /// Its number.
    pub number: u32,
    /// The speculative pass in it gave a text that is in doubt: the segment is to be made once more behind the one before.
    pub is_doubtful: bool,
}

/// Client → ingest.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Samples(
    /// 16 kHz; the first [`Header::count`] are valid.
    pub [i16; MESSAGE_SAMPLES],
);

impl Default for Samples {
    fn default() -> Self {
        Samples([0; MESSAGE_SAMPLES])
    }
}

/// Ingest → features.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Audio {
    /// The segment.
    pub extent: Extent,
    /// 16 kHz; the first [`Header::count`] are valid.
    pub samples: [i16; MESSAGE_SAMPLES],
}

impl Default for Audio {
    fn default() -> Self {
        Audio { extent: Extent::default(), samples: [0; MESSAGE_SAMPLES] }
    }
}

/// Features → encoder → decoder: the bulk stays in a pooled buffer, only its number travels.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SpanPlace {
    /// The segment.
    pub extent: Extent,
    /// The pooled buffer that a pass works on; none if its result is there already, or for a control.
    pub buffer: Option<u32>,
}

/// Ingest → turn. The samples stay in the slot's buffer.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TurnQuestion {
    /// Its number within the slot.
    pub question: u32,
}

/// Decoder → emit → client.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Tokens {
    /// The segment.
    pub extent: Extent,
    /// How many tokens from the first of the result on are stable.
    pub stable: u32,
    /// From capture to hand-over, in units of [`STAMP_NANOS`]; filled in by emit.
    pub total: u32,
    /// The first [`Header::count`] are valid.
    pub tokens: [Token; MESSAGE_TOKENS],
}

impl Default for Tokens {
    fn default() -> Self {
        Tokens { extent: Extent::default(), stable: 0, total: 0, tokens: [Token::default(); MESSAGE_TOKENS] }
    }
}

/// See [`Samples`].
pub type RequestMessage = Message<Request, Samples>;
/// See [`Audio`].
pub type AudioMessage = Message<AudioControl, Audio>;
/// See [`SpanPlace`].
pub type SpanMessage = Message<SpanControl, SpanPlace>;
/// See [`TurnQuestion`].
pub type TurnMessage = Message<(), TurnQuestion>;
/// See [`Tokens`].
pub type TokensMessage = Message<TokensControl, Tokens>;

/// Notes in a header what went wrong.
#[inline]
pub(crate) fn add_faults<C>(header: &mut Header<C>, faults: Faults) {
    header.errors |= faults.bits();
}

/// What went wrong, by a header.
#[inline]
pub(crate) fn faults<C>(header: &Header<C>) -> Faults {
    Faults::from_bits(header.errors)
}

/// The state of a message's slot among `states`, of which the last is the dummy's.
#[inline]
pub(crate) fn state_of<C>(header: &Header<C>, states: usize) -> usize {
    usize::from(header.slot).min(states.saturating_sub(1))
}

const _: () = {
    assert!(size_of::<Header<AudioControl>>() == 64);
    assert!(size_of::<Header<SpanControl>>() == 64);
    assert!(size_of::<Header<TokensControl>>() == 64);
    assert!(size_of::<RequestMessage>() == 768);
    assert!(size_of::<AudioMessage>() == 768);
    assert!(size_of::<TokensMessage>() == 768);
    assert!(size_of::<SpanMessage>() == 128);
};
