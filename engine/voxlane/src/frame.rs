//! What stages exchange: cache-aligned frames of fixed size, written and read in place.
//!
//! A frame is one cache line of header and a payload that depends on the edge. Frames are plain data: no
//! pointers, nothing to drop. Every frame is 768 bytes: a stride that is a multiple of 128 (two lines, so
//! that the adjacent-line prefetcher of neighbours does not share them) and not of 4096 (so that slots do
//! not fall into one cache set). Audio as i16 takes half the lines of f32.

use crate::config::StreamRules;
pub use crate::stage_kind::StageKind;
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Token;
use voxlane_runtime::clock::Time;

/// The most samples in an audio frame: 20 ms at 16 kHz.
pub const FRAME_SAMPLES: usize = 320;

/// The most tokens in a token frame; longer results take several frames.
pub const FRAME_TOKENS: usize = 40;

/// The most markers of a stream that may be unanswered.
pub const MAX_MARKS: usize = 64;

/// The handle of no buffer.
pub const NO_BUFFER: u32 = u32::MAX;

/// The unit of time stamps in a frame.
pub const STAMP_NANOS: u64 = 16;

/// What a frame means. A set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Flags(u32);

impl Flags {
    /// Samples only.
    pub const NONE: Flags = Flags(0);
    /// The first frame of a stream's generation.
    pub const FIRST: Flags = Flags(1);
    /// A segment opens here.
    pub const SPEECH_START: Flags = Flags(1 << 1);
    /// The open segment ends; its extent is in the payload's [`Extent`].
    pub const SPEECH_END: Flags = Flags(1 << 2);
    /// Nothing follows in this generation.
    pub const LAST: Flags = Flags(1 << 3);
    /// A marker of the client, to be answered in order.
    pub const MARKER: Flags = Flags(1 << 4);
    /// Dummy work that keeps caches warm; never reaches a stream.
    pub const WARM: Flags = Flags(1 << 5);
    /// The generation is abandoned: forget what it left behind.
    pub const ABORT: Flags = Flags(1 << 6);
    /// A result that will not change.
    pub const FINAL: Flags = Flags(1 << 7);
    /// A look at an open segment.
    pub const PARTIAL: Flags = Flags(1 << 8);
    /// More frames of the same result follow.
    pub const CONTINUED: Flags = Flags(1 << 9);
    /// A look at an open segment as if it ended here: its final, should the endpoint be confirmed.
    pub const SPECULATIVE: Flags = Flags(1 << 10);
    /// A partial that does not give way: others count on it.
    pub const FIRM: Flags = Flags(1 << 11);
    /// A partial that gave way on its way; its buffer still has to go home.
    pub const DROPPED: Flags = Flags(1 << 12);
    /// Nothing but digital silence arrives.
    pub const NO_AUDIO: Flags = Flags(1 << 13);
    /// The audio is clipped.
    pub const CLIPPING: Flags = Flags(1 << 14);
    /// A partial that nobody waits for, of a network that takes audio in chunks: told where it says something
    /// new.
    pub const CHUNK: Flags = Flags(1 << 15);
    /// From here on the stream listens for other phrases, which wait for the decoder.
    pub const HOTWORDS: Flags = Flags(1 << 16);
    /// Ingest asks the decoder for how long the network has found nothing. Its number is [`Header::marker`].
    pub const QUESTION: Flags = Flags(1 << 17);

    /// Whether every bit of `other` is set here.
    #[inline]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set here.
    #[inline]
    pub const fn has_any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it is a partial that gives way to a final.
    #[inline]
    pub const fn gives_way(self) -> bool {
        self.has(Flags::PARTIAL) && !self.has(Flags::FIRM)
    }

    /// Both sets together.
    #[inline]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Only the bits that `other` has too.
    #[inline]
    pub const fn only(self, other: Flags) -> Flags {
        Flags(self.0 & other.0)
    }
}

/// The first cache line of every frame.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Header {
    /// The stream's place in its lane.
    pub slot: u16,
    /// How many samples or tokens the payload holds.
    pub count: u16,
    /// What the frame means.
    pub flags: Flags,
    /// Which of the slot's successive streams it belongs to.
    pub generation: u32,
    /// What went wrong on the way.
    pub faults: Faults,
    /// Counts the frames of a stream at its source.
    pub sequence: u64,
    /// Intended capture time of the newest sample that the frame reflects. Stamps count from it.
    pub capture: Time,
    /// The id of the marker or question, on frames with [`Flags::MARKER`] or [`Flags::QUESTION`].
    pub marker: u32,
    /// The segment's number within its stream.
    pub segment: u32,
    /// When each stage published it: units of [`STAMP_NANOS`] after `capture`, saturating after 68 s.
    pub(crate) stamps: [u32; 5],
    /// The time spent computing for it, in the same units.
    pub(crate) compute: u32,
}

impl Header {
    /// Notes that `stage` publishes the frame at `now`.
    #[inline]
    pub fn stamp(&mut self, stage: StageKind, now: Time) {
        self.stamps[stage as usize] = to_stamp(now.nanos_since(self.capture));
    }

    /// When `stage` published the frame.
    #[inline]
    pub fn stamped(&self, stage: StageKind) -> Time {
        Time::from_nanos(self.capture.nanos() + u64::from(self.stamps[stage as usize]) * STAMP_NANOS)
    }

    /// Adds `nanos` to the time spent computing.
    #[inline]
    pub fn add_compute(&mut self, nanos: u64) {
        self.compute = self.compute.saturating_add(to_stamp(nanos));
    }

    /// The time spent computing, in nanoseconds.
    pub fn compute_nanos(&self) -> u64 {
        u64::from(self.compute) * STAMP_NANOS
    }
}

fn to_stamp(nanos: u64) -> u32 {
    u32::try_from(nanos / STAMP_NANOS).unwrap_or(u32::MAX)
}

/// Why a segment ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EndCause {
    /// The client asked for it, or finished the stream.
    #[default]
    Client,
    /// Nobody spoke for long enough.
    Silence,
    /// The segment reached its longest length; it was cut at its quietest point.
    LengthLimit,
    /// The network that takes audio in chunks found nothing to say for long enough.
    TrailingBlanks,
}

/// A segment's place in its stream.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Extent {
    /// The stream's sample (16 kHz) that the segment starts with.
    pub start: u64,
    /// How many samples it has.
    pub samples: u32,
    /// How long after the segment's last speech its end was decided, in microseconds of audio capture.
    pub endpoint_wait_micros: u32,
    /// The same in samples of the stream's audio: the silence that decided it.
    pub silence_samples: u32,
    /// How many of them the detector heard as speech; none where no detector listens.
    pub voiced: u32,
    /// Why it ended.
    pub cause: EndCause,
}

/// Client → ingest → features.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Audio {
    /// The segment, on frames with [`Flags::SPEECH_START`], [`Flags::SPEECH_END`] or [`Flags::SPECULATIVE`].
    pub extent: Extent,
    /// How the stream is to be treated, on frames with [`Flags::FIRST`].
    pub rules: StreamRules,
    /// 16 kHz samples; the first [`Header::count`] are valid.
    pub samples: [i16; FRAME_SAMPLES],
}

impl Default for Audio {
    fn default() -> Self {
        Audio { extent: Extent::default(), rules: StreamRules::default(), samples: [0; FRAME_SAMPLES] }
    }
}

/// Features → encoder → decoder: the bulk stays in a pooled buffer, only its number travels.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Span {
    /// The segment.
    pub extent: Extent,
    /// The pooled buffer that holds the rows, on frames with [`Flags::FINAL`] or [`Flags::PARTIAL`];
    /// [`NO_BUFFER`] on a final that its slot's speculative pass has made already.
    pub handle: u32,
}

impl SpanFrame {
    /// Whether partials make way for it: a final of a stream, or what may become one.
    pub fn is_urgent(&self) -> bool {
        let flags = self.header.flags;
        flags.has_any(Flags::FINAL.with(Flags::SPECULATIVE)) && !flags.has(Flags::WARM)
    }
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
    pub tokens: [Token; FRAME_TOKENS],
}

impl Default for Tokens {
    fn default() -> Self {
        Tokens { extent: Extent::default(), stable: 0, total: 0, tokens: [Token::default(); FRAME_TOKENS] }
    }
}

/// A header and a payload.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(128))]
pub struct Frame<P> {
    /// What it is and where it belongs.
    pub header: Header,
    /// What it carries.
    pub payload: P,
}

/// See [`Audio`].
pub type AudioFrame = Frame<Audio>;
/// See [`Span`].
pub type SpanFrame = Frame<Span>;
/// See [`Tokens`].
pub type TokensFrame = Frame<Tokens>;

const _: () = {
    assert!(size_of::<Header>() == 64);
    assert!(size_of::<AudioFrame>() == 768);
    assert!(size_of::<TokensFrame>() == 768);
    assert!(size_of::<SpanFrame>() == 128);
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn stamps_count_from_capture_and_saturate() {
        let mut header = Header { capture: Time::from_nanos(1_000_000), ..Header::default() };
        header.stamp(StageKind::Encoder, header.capture.after(Duration::from_micros(160)));
        assert_eq!(header.stamped(StageKind::Encoder).nanos(), 1_160_000);
        header.stamp(StageKind::Emit, header.capture.after(Duration::from_secs(1000)));
        assert_eq!(header.stamped(StageKind::Emit).since(header.capture).as_secs(), 68);
        header.stamp(StageKind::Emit, Time::from_nanos(0));
        assert_eq!(header.stamped(StageKind::Emit), header.capture);
    }

    #[test]
    fn flags_are_a_set() {
        let flags = Flags::MARKER.with(Flags::LAST);
        assert!(flags.has(Flags::MARKER) && flags.has(Flags::LAST) && !flags.has(Flags::WARM));
        assert_eq!(flags.only(Flags::LAST), Flags::LAST);
    }
}
