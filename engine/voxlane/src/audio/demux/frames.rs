//! Frames that follow each other and say their own length, as in MPEG audio and ADTS: how to find the next one
//! among tags, garbage and cut frames.

use super::tags;
use crate::audio::error::{Place, PlacedProblem};
use crate::audio::input::Input;

/// How far the first frame is searched.
const SEARCH_BYTES: u64 = 1 << 20;

/// Frames in a row that prove that a file of no known kind is one.
const PROOF_FRAMES: usize = 3;

/// The header of such a frame.
pub(crate) trait FrameHeader: Copy {
    /// Bytes of a header.
    const BYTES: usize;

    /// Parses the header that `bytes` begin with.
    fn parse(bytes: &[u8]) -> Option<Self>;

    /// Bytes of the whole frame, more than [`FrameHeader::BYTES`].
    fn length(&self) -> usize;

    /// Whether frames with these headers can follow each other in one stream.
    fn is_like(&self, other: &Self) -> bool;
}

/// What lies at a place in the file.
#[derive(Debug)]
pub(super) enum Found<H> {
    /// A whole frame, taken from the input.
    Frame(H, Box<[u8]>),
    /// That many bytes that belong to no frame or tag were skipped, from this place on.
    Garbage(u64, Place),
    /// The file ends inside a frame that begins here.
    Cut(Place),
    /// The file ends.
    End,
}

/// The frames of a file, in order.
pub(super) struct Frames<H> {
    input: Input,
    /// The header of the frame that ended at the next byte, if one did.
    last: Option<H>,
    any: bool,
}

impl<H: FrameHeader> Frames<H> {
    pub fn new(input: Input) -> Self {
        Frames { input, last: None, any: false }
    }

    /// Whether the file holds frames of this kind near its start, without a head that says so.
    ///
    /// # Errors
    /// As for [`Input::peek`].
    pub fn are_in(input: &mut Input) -> Result<bool, PlacedProblem> {
        let bytes = input.peek(SEARCH_BYTES as usize)?;
        let mut starts = (0..bytes.len()).filter(|&at| bytes[at] == 0xFF);
        Ok(starts.any(|start| {
            let mut at = start;
            let mut first = None;
            (0..PROOF_FRAMES).all(|_| match bytes.get(at..).and_then(H::parse) {
                Some(header) if first.get_or_insert(header).is_like(&header) => {
                    at += header.length();
                    true
                }
                _ => false,
            })
        }))
    }

    /// Whether frames of this kind, and nothing else, run from somewhere in `head` to its end.
    pub fn run_to_end(head: &[u8]) -> bool {
        (0..head.len()).filter(|&at| head[at] == 0xFF).any(|start| {
            let (mut at, mut count) = (start, 0);
            let mut first = None;
            while let Some(bytes) = head.get(at..).filter(|bytes| bytes.len() >= H::BYTES) {
                match H::parse(bytes) {
                    Some(header) if first.get_or_insert(header).is_like(&header) => at += header.length(),
                    _ => return false,
                }
                count += 1;
            }
            count >= PROOF_FRAMES
        })
    }

    /// Where the next frame is looked for.
    pub fn at(&self) -> u64 {
        self.input.at()
    }

    /// The next frame, or what lies before it.
    ///
    /// # Errors
    /// As for [`Input::peek`].
    pub fn next(&mut self) -> Result<Found<H>, PlacedProblem> {
        tags::skip(&mut self.input)?;
        let start = self.input.at();
        loop {
            let skipped = self.input.at() - start;
            let head = self.input.peek(tags::HEAD_BYTES.max(H::BYTES))?;
            let ends_here = head.is_empty() || skipped > 0 && tags::is_tag(head);
            let header = H::parse(head);
            if !ends_here && !self.is_frame(header, skipped == 0)? {
                self.skip_to_candidate()?;
                self.last = None;
                if !self.any && skipped > SEARCH_BYTES {
                    return Ok(Found::End);
                }
                continue;
            }
            if skipped > 0 {
                return Ok(Found::Garbage(skipped, Place::Byte(start)));
            }
            let Some(header) = header.filter(|_| !ends_here) else { return Ok(Found::End) };
            let frame = self.input.peek(header.length())?;
            if frame.len() < header.length() {
                let place = Place::Byte(self.input.at());
                self.input.skip(header.length() as u64)?;
                return Ok(Found::Cut(place));
            }
            let frame = Box::from(frame);
            self.input.skip(header.length() as u64)?;
            (self.last, self.any) = (Some(header), true);
            return Ok(Found::Frame(header, frame));
        }
    }

    /// Whether a frame with this header begins at the next byte. Behind a frame of the same stream it is
    /// believed; elsewhere the frame behind it must agree, because random bytes look like headers too.
    fn is_frame(&mut self, header: Option<H>, is_first: bool) -> Result<bool, PlacedProblem> {
        let Some(header) = header else { return Ok(false) };
        if self.last.is_some_and(|last| last.is_like(&header)) {
            return Ok(true);
        }
        let bytes = self.input.peek(header.length() + tags::HEAD_BYTES.max(H::BYTES))?;
        let Some(behind) = bytes.get(header.length()..) else {
            // The file ends inside: believed at its start and behind another frame.
            return Ok(self.last.is_some() || !self.any && is_first);
        };
        let agrees = H::parse(behind).is_some_and(|next| next.is_like(&header));
        Ok(behind.is_empty() || agrees || tags::is_tag(behind))
    }

    /// Skips a byte, and all behind it that cannot begin a frame or a tag.
    fn skip_to_candidate(&mut self) -> Result<(), PlacedProblem> {
        const STEP: usize = 4096;
        let bytes = self.input.peek(STEP)?;
        let is_candidate = |byte: &u8| matches!(byte, 0xFF | b'T' | b'A' | b'I' | b'L' | b'3');
        let next = bytes.iter().skip(1).position(is_candidate);
        let count = next.map_or(bytes.len(), |next| next + 1);
        self.input.skip(count as u64)?;
        Ok(())
    }
}
