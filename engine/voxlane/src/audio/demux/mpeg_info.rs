//! The frame at the start of many MP3 files that holds counts instead of audio: Xing, Info (with LAME's part) or
//! VBRI. Its counts are hints, and often wrong: 0 where the encoder was stopped, too small behind a join.

use super::mpeg_header::{Layer, MpegHeader};

/// The delay of every MP3 decoder, in sample frames, which comes on top of the encoder's.
const DECODER_DELAY: u64 = 529;

/// More than any encoder's delay or padding, in sample frames.
const MAX_TRIM: u64 = 4096;

/// What an info frame says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// Frames of audio that follow, without this one; 0 if unknown.
    pub frames: u64,
    /// Bytes of audio, with this frame; 0 if unknown.
    pub bytes: u64,
    /// Sample frames at the start that the encoder added.
    pub delay: u64,
    /// Sample frames at the end that the encoder added.
    pub padding: u64,
}

impl Info {
    /// Parses `frame`; `None` if it holds audio.
    pub fn parse(header: &MpegHeader, frame: &[u8]) -> Option<Info> {
        if header.layer != Layer::Three {
            return None;
        }
        if frame.get(36..40) == Some(b"VBRI") {
            let bytes = u64::from(u32_at(frame, 46).unwrap_or(0));
            let frames = u64::from(u32_at(frame, 50).unwrap_or(0));
            return Some(Info { frames, bytes, ..Info::default() });
        }
        // A checksum moves the audio by two bytes, and some encoders the header with it.
        let starts = [header.main_data(), header.main_data() + 2];
        let has_magic = |&at: &usize| matches!(frame.get(at..at + 4), Some(b"Xing" | b"Info"));
        let start = starts.into_iter().find(has_magic)?;
        let flags = u32_at(frame, start + 4).unwrap_or(0);
        let mut at = start + 8;
        let mut field = |bit: u32, length: usize| {
            let here = at;
            let is_there = flags & bit != 0;
            at += if is_there { length } else { 0 };
            is_there.then(|| u32_at(frame, here)).flatten().map_or(0, u64::from)
        };
        let frames = field(1, 4);
        let bytes = field(2, 4);
        field(4, 100);
        field(8, 4);
        let (delay, padding) = match frame.get(at..at + 24) {
            // The counts must have been filled in for what stands beside them to be believed.
            Some(lame) if frames > 0 => trims(lame),
            _ => (0, 0),
        };
        Some(Info { frames, bytes, delay, padding })
    }
}

/// Delay and padding from LAME's part of the frame, both 0 if it is not there.
fn trims(lame: &[u8]) -> (u64, u64) {
    if ![&b"LAME"[..], b"Lavf", b"Lavc", b"L3.9"].iter().any(|name| lame.starts_with(name)) {
        return (0, 0);
    }
    let (delay, padding) = (
        u64::from(lame[21]) << 4 | u64::from(lame[22]) >> 4,
        u64::from(lame[22] & 15) << 8 | u64::from(lame[23]),
    );
    if delay >= MAX_TRIM || padding >= MAX_TRIM {
        return (0, 0);
    }
    (delay + DECODER_DELAY, padding.saturating_sub(DECODER_DELAY))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
