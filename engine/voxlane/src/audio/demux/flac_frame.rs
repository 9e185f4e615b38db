//! Where a FLAC frame ends: nothing states its length. It ends where its checksum holds and the next frame, a tag
//! or the end of the file follows; where something else follows, where the decoder needs its last byte.

use symphonia::core::checksum::Crc16Ansi;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::io::Monitor;

use super::flac_header::MAGIC;
use super::flac_header::{FrameHeader, MAX_HEADER_BYTES, StreamInfo};
use super::tags;
use crate::audio::decoder::CodecDecoder;
use crate::audio::error::{Place, PlacedProblem};
use crate::audio::input::Input;

/// Bytes of the checksum behind a frame.
const CHECKSUM_BYTES: usize = 2;

/// Bytes behind a frame that say what follows it.
const BEHIND_BYTES: usize =
    if tags::HEAD_BYTES > MAX_HEADER_BYTES { tags::HEAD_BYTES } else { MAX_HEADER_BYTES };

/// Finds the ends of a stream's frames.
pub(super) struct FrameEnd {
    decoder: CodecDecoder,
}

impl FrameEnd {
    /// For the stream with these parameters, which begins at byte `at`.
    ///
    /// # Errors
    /// [`crate::audio::file::Problem::Malformed`] if they are not those of FLAC.
    pub fn new(parameters: &AudioCodecParameters, at: u64) -> Result<Self, PlacedProblem> {
        let decoder = CodecDecoder::new(parameters).map_err(|problem| (problem, Place::Byte(at)))?;
        Ok(FrameEnd { decoder })
    }

    /// The length of the frame with `header` that comes next; `None` if it is damaged or the file ends inside.
    ///
    /// # Errors
    /// As for [`Input::peek`].
    pub fn find(
        &mut self,
        input: &mut Input,
        header: &FrameHeader,
        info: &StreamInfo,
    ) -> Result<Option<usize>, PlacedProblem> {
        let limit = most_bytes(header, info);
        let mut checksum = Crc16Ansi::new(0);
        let mut at = 0;
        // Where the checksum holds, though not before a known thing.
        let mut candidates = Vec::new();
        while at < limit && input.peek(at + 1)?.len() > at {
            let arrived = input.arrived();
            let holds = arrived[at..arrived.len().min(limit)].iter().any(|&byte| {
                checksum.process_byte(byte);
                at += 1;
                checksum.crc() == 0 && at > CHECKSUM_BYTES
            });
            if holds {
                if self.is_end(input, at, info)? {
                    return Ok(Some(at));
                }
                candidates.push(at);
            }
        }
        let bytes = input.peek(at)?;
        Ok(candidates.into_iter().find(|&end| self.ends_at(&bytes[..end - CHECKSUM_BYTES])))
    }

    /// Whether the frame that comes next ends behind `at` bytes, where its checksum holds. A pipe may be live: where
    /// less has come than says what follows, the frame is decoded before more is waited for.
    fn is_end(&mut self, input: &mut Input, at: usize, info: &StreamInfo) -> Result<bool, PlacedProblem> {
        let (frame, behind) = input.arrived().split_at(at);
        let may_follow = match behind {
            [] | [0xFF] => true,
            [0xFF, second, ..] => second & 0xFE == 0xF8,
            _ => false,
        };
        if behind.len() < BEHIND_BYTES && may_follow && self.ends_at(&frame[..at - CHECKSUM_BYTES]) {
            return Ok(true);
        }
        Ok(is_boundary(&input.peek(at + BEHIND_BYTES)?[at..], info))
    }

    /// Whether these are all bytes of a frame up to its checksum: it decodes, and not without the last one.
    fn ends_at(&mut self, bytes: &[u8]) -> bool {
        let mut decodes = |bytes| self.decoder.decode(bytes).is_ok();
        decodes(bytes) && !decodes(&bytes[..bytes.len() - 1])
    }
}

/// Whether what may follow a frame begins here: nothing, another frame or stream, a tag.
fn is_boundary(bytes: &[u8], info: &StreamInfo) -> bool {
    bytes.is_empty()
        || FrameHeader::parse(bytes, info).is_some()
        || bytes.starts_with(MAGIC)
        || tags::is_tag(bytes)
}

/// More bytes than any frame with this header has: twice those of its samples without compression.
fn most_bytes(header: &FrameHeader, info: &StreamInfo) -> usize {
    let bits = header.samples as usize * (info.bits as usize + 1);
    2 * info.channels * (bits / 8 + 16) + MAX_HEADER_BYTES
}
