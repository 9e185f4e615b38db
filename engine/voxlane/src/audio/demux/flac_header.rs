//! Headers of FLAC (RFC 9639): STREAMINFO and the header of a frame.

use symphonia::core::checksum::Crc8Ccitt;
use symphonia::core::io::Monitor;

/// The first bytes of a file.
pub(super) const MAGIC: &[u8; 4] = b"fLaC";

/// Bytes of STREAMINFO.
pub(super) const STREAM_INFO_BYTES: usize = 34;

/// The most bytes of a frame's header.
pub(super) const MAX_HEADER_BYTES: usize = 16;

/// What STREAMINFO says, as far as it is needed; the rest are hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamInfo {
    pub sample_rate: u32,
    pub channels: usize,
    pub bits: u32,
    /// Sample frames in the stream, 0 if unknown.
    pub total: u64,
    /// The checksum of the decoded audio, 0 if unknown.
    pub md5: [u8; 16],
}

impl StreamInfo {
    pub fn parse(bytes: &[u8; STREAM_INFO_BYTES]) -> Self {
        let fields = bytes[10..18].iter().fold(0u64, |fields, &byte| fields << 8 | u64::from(byte));
        let mut md5 = [0; 16];
        md5.copy_from_slice(&bytes[18..]);
        StreamInfo {
            sample_rate: (fields >> 44) as u32,
            channels: (fields >> 41 & 7) as usize + 1,
            bits: (fields >> 36 & 31) as u32 + 1,
            total: fields & 0xF_FFFF_FFFF,
            md5,
        }
    }

    /// STREAMINFO without its hints: any block and frame size, any total.
    pub fn permissive(bytes: &[u8; STREAM_INFO_BYTES]) -> [u8; STREAM_INFO_BYTES] {
        let mut wide = *bytes;
        wide[..10].copy_from_slice(&[0, 16, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0]);
        wide
    }
}

/// What the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Whether `number` counts sample frames, not frames.
    pub is_variable: bool,
    pub number: u64,
    /// Sample frames in the frame.
    pub samples: u64,
}

impl FrameHeader {
    /// Parses the header that `bytes` begin with, if it belongs to the stream and its checksum holds.
    pub fn parse(bytes: &[u8], info: &StreamInfo) -> Option<Self> {
        let &[0xFF, b1, b2, b3, ..] = bytes else { return None };
        if b1 & 0xFE != 0xF8 || b3 & 1 != 0 {
            return None;
        }
        let channels = match b3 >> 4 {
            count @ 0..8 => usize::from(count) + 1,
            8..11 => 2,
            _ => return None,
        };
        let bits = match b3 >> 1 & 7 {
            0 => info.bits,
            3 => return None,
            code => [0, 8, 12, 0, 16, 20, 24, 32][usize::from(code)],
        };
        let mut at = 4;
        let number = coded_number(bytes, &mut at)?;
        let samples = match b2 >> 4 {
            0 => return None,
            1 => 192,
            code @ 2..6 => 144 << code,
            6 => next(bytes, &mut at, 1)? + 1,
            7 => next(bytes, &mut at, 2)? + 1,
            code => 1 << code,
        };
        let sample_rate = match b2 & 15 {
            0 => info.sample_rate,
            12 => next(bytes, &mut at, 1)? as u32 * 1000,
            13 => next(bytes, &mut at, 2)? as u32,
            14 => next(bytes, &mut at, 2)? as u32 * 10,
            15 => return None,
            code => {
                [0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]
                    [usize::from(code)]
            }
        };
        let mut checksum = Crc8Ccitt::new(0);
        checksum.process_buf_bytes(&bytes[..at]);
        let is_whole = bytes.get(at) == Some(&checksum.crc());
        let is_of_stream =
            (channels, bits, sample_rate) == (info.channels, info.bits, info.sample_rate) && samples < 65_536;
        (is_whole && is_of_stream).then_some(FrameHeader { is_variable: b1 & 1 != 0, number, samples })
    }
}

/// A big-endian number of `count` bytes.
fn next(bytes: &[u8], at: &mut usize, count: usize) -> Option<u64> {
    let field = bytes.get(*at..*at + count)?;
    *at += count;
    Some(field.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// A number coded like a character of UTF-8, of up to 36 bits.
fn coded_number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    *at += 1;
    let more = match first.leading_ones() {
        0 => return Some(u64::from(first)),
        ones @ 2..8 => ones - 1,
        _ => return None,
    };
    let start = u64::from(first) & (0x3F >> more);
    (0..more).try_fold(start, |number, _| match next(bytes, at, 1)? {
        byte @ 0x80..0xC0 => Some(number << 6 | byte & 0x3F),
        _ => None,
    })
}
