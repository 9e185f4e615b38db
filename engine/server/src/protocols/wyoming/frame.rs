//! The protocol's frames: a line of JSON, more JSON if the line says so, and bytes if the line says so.

use crate::config::LimitsConfig;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// A frame that has come in whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The kind of event that it is.
    pub kind: String,
    /// The event's fields: those of the line, and over them those behind it.
    pub data: Map<String, Value>,
    /// The event's bytes: audio, where it has any.
    pub payload: Vec<u8>,
}

/// The most that each part of a frame may have, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// The line, without its end.
    pub line: usize,
    /// The fields behind the line.
    pub data: usize,
    /// The bytes behind the fields.
    pub payload: usize,
}

impl From<&LimitsConfig> for FrameLimits {
    fn from(limits: &LimitsConfig) -> Self {
        FrameLimits { line: limits.header_bytes, data: limits.message_bytes, payload: limits.message_bytes }
    }
}

/// The reason why what came is no frame. What comes behind it cannot be read either.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A part is too long.
    #[error("{part}: too long (expected at most {most} bytes, found {found})")]
    TooLong {
        /// The part, as its length is named.
        part: &'static str,
        /// The most that it may have, in bytes.
        most: usize,
        /// What it has or says that it has, as far as it has come.
        found: u64,
    },
    /// A part is not as it should be.
    #[error("{part}: not as the protocol has it: {fault}")]
    Json {
        /// The part.
        part: &'static str,
        /// The fault, which quotes nothing but names and kinds.
        fault: String,
    },
}

impl FrameError {
    /// Returns the stable name of the problem.
    pub fn code(&self) -> &'static str {
        match self {
            FrameError::TooLong { .. } => "protocol.too_large",
            FrameError::Json { .. } => "protocol.message",
        }
    }
}

/// What a line says. Fields that it has beside these are passed over, as the protocol has it.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    #[serde(default)]
    data_length: Option<u64>,
    #[serde(default)]
    payload_length: Option<u64>,
}

/// Finds frames in bytes that come in pieces. Holds what has come of one frame and of those behind it in the same piece, and
/// makes no room for what a line only announces.
///
/// ```
/// use voxlane_server::protocols::wyoming::{FrameLimits, Frames};
///
/// let mut frames = Frames::new(FrameLimits { line: 1024, data: 1024, payload: 1024 });
/// frames.push(b"{\"type\":\"audio-chunk\",\"data_length\":14,\"payload_length\":2}\n{\"rate\":");
/// assert_eq!(frames.next()?, None);
/// frames.push(b"16000}\x01\x02{");
/// let frame = frames.next()?.unwrap();
/// assert_eq!((frame.kind.as_str(), &frame.data["rate"]), ("audio-chunk", &16_000.into()));
/// assert_eq!((frame.payload, frames.is_within()), (vec![1, 2], true));
/// # Ok::<(), voxlane_server::protocols::wyoming::FrameError>(())
/// ```
pub struct Frames {
    limits: FrameLimits,
    buffer: Vec<u8>,
    /// Where the rest begins in the buffer.
    start: usize,
    /// Bytes of the rest in which there is no end of a line.
    scanned: usize,
    /// The line of the frame that has begun, and the bytes behind it.
    line: Option<(Line, usize, usize)>,
    /// Why nothing further can be read.
    fault: Option<FrameError>,
}

impl Frames {
    /// Creates a parser of one connection's bytes.
    pub fn new(limits: FrameLimits) -> Self {
        Frames { limits, buffer: Vec::new(), start: 0, scanned: 0, line: None, fault: None }
    }

    /// Takes what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns whether a frame has begun that is not whole.
    pub fn is_within(&self) -> bool {
        self.line.is_some() || self.start < self.buffer.len()
    }

    /// Takes the next frame out, if it is whole.
    ///
    /// # Errors
    /// [`FrameError`] for what is no frame, or one that is too long: as soon as that is seen, and again from then on.
    #[allow(clippy::should_implement_trait, reason = "what is not there yet is no end")]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let next = self.take();
        self.fault = next.as_ref().err().cloned();
        next
    }

    fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let (line, data, payload) = match self.line.take() {
            Some(line) => line,
            None => match self.line()? {
                Some(line) => line,
                None => return Ok(None),
            },
        };
        let rest = &self.buffer[self.start..];
        if rest.len() < data + payload {
            self.line = Some((line, data, payload));
            return Ok(None);
        }
        let (data, rest) = rest.split_at(data);
        let payload = rest[..payload].to_vec();
        let mut fields = line.data.unwrap_or_default();
        if !data.is_empty() {
            fields.extend(json::<Map<String, Value>>("data", data)?);
        }
        self.start += data.len() + payload.len();
        Ok(Some(Frame { kind: line.kind, data: fields, payload }))
    }

    /// Takes the next line out, with the lengths that it says.
    fn line(&mut self) -> Result<Option<(Line, usize, usize)>, FrameError> {
        let most = self.limits.line;
        let rest = &self.buffer[self.start..];
        let end = rest[self.scanned..].iter().position(|&byte| byte == b'\n').map(|end| end + self.scanned);
        let found = end.unwrap_or(rest.len());
        if found > most {
            return Err(FrameError::TooLong { part: "line", most, found: found as u64 });
        }
        let Some(end) = end else {
            self.scanned = found;
            return Ok(None);
        };
        let line: Line = json("line", &rest[..end])?;
        let data = length("data_length", line.data_length, self.limits.data)?;
        let payload = length("payload_length", line.payload_length, self.limits.payload)?;
        (self.start, self.scanned) = (self.start + end + 1, 0);
        Ok(Some((line, data, payload)))
    }
}

fn length(part: &'static str, length: Option<u64>, most: usize) -> Result<usize, FrameError> {
    let found = length.unwrap_or(0);
    usize::try_from(found).ok().filter(|&length| length <= most).ok_or(FrameError::TooLong {
        part,
        most,
        found,
    })
}

fn json<'a, T: Deserialize<'a>>(part: &'static str, bytes: &'a [u8]) -> Result<T, FrameError> {
    serde_json::from_slice(bytes).map_err(|error| FrameError::Json { part, fault: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FrameLimits = FrameLimits { line: 64, data: 64, payload: 64 };

    fn all(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, FrameError> {
        let (mut frames, mut found) = (Frames::new(LIMITS), Vec::new());
        for piece in bytes.chunks(piece) {
            frames.push(piece);
            while let Some(frame) = frames.next()? {
                found.push(frame);
            }
        }
        assert!(!frames.is_within());
        Ok(found)
    }

    #[test]
    fn frames_do_not_depend_on_how_bytes_are_split() {
        let bytes = b"{\"type\":\"ping\",\"data\":{\"a\":1,\"b\":2},\"data_length\":7}\n{\"b\":3}{\"type\":\"x\",\"payload_length\":3,\"version\":\"9\"}\r\n\n{\n{\"type\":\"y\",\"data\":null,\"data_length\":null}\n";
        let whole = all(bytes, bytes.len()).unwrap();
        assert_eq!(whole.iter().map(|frame| frame.kind.as_str()).collect::<Vec<_>>(), ["ping", "x", "y"]);
        assert_eq!((&whole[0].data["a"], &whole[0].data["b"]), (&1.into(), &3.into()));
        assert_eq!(whole[1].payload, b"\n{\n");
        for piece in 1..bytes.len() {
            assert_eq!(all(bytes, piece).unwrap(), whole, "{piece}");
        }
    }

    #[test]
    fn what_is_no_frame_is_told() {
        let code = |bytes: &[u8]| all(bytes, bytes.len()).map_err(|error| error.to_string()).unwrap_err();
        for bytes in [
            &b"\n"[..],
            b"GET / HTTP/1.1\r\n",
            b"[]\n",
            b"{}\n",
            b"{\"type\":1}\n",
            b"\xFF\xFE\n",
            b"{\"type\":\"a\",\"data_length\":-1}\n",
            b"{\"type\":\"a\",\"data_length\":1.5}\n",
            b"{\"type\":\"a\",\"data_length\":2}\n[]",
        ] {
            assert!(code(bytes).contains("not as the protocol has it"), "{bytes:?}");
        }
        assert_eq!(
            code(b"{\"type\":\"a\",\"payload_length\":65}\n"),
            "payload_length: too long (expected at most 64 bytes, found 65)"
        );
        assert!(code(b"{\"type\":\"a\",\"data_length\":18446744073709551615}\n").starts_with("data_length"));
        // Before its end has come.
        assert!(code(&[b' '; 65]).starts_with("line: too long"));
    }

    #[test]
    fn a_fault_stays_one() {
        let mut frames = Frames::new(LIMITS);
        frames.push(b"{\"type\":\"a\",\"data_length\":2}\n[]");
        let fault = frames.next().unwrap_err();
        frames.push(b"{\"type\":\"ping\"}\n");
        assert_eq!(frames.next().unwrap_err(), fault);
    }
}
