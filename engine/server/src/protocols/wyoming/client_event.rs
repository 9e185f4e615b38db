//! The events that clients send.

use super::frame::Frame;
use super::transcribe::Transcribe;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

/// Requests for services that are other programs'.
const FOREIGN: [&str; 8] = [
    "synthesize",
    "synthesize-start",
    "detect",
    "recognize",
    "intent",
    "transcript",
    "run-satellite",
    "run-pipeline",
];

/// The format of audio, and where it lies in time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct AudioStart {
    /// Samples per second.
    pub rate: u32,
    /// Bytes of a sample.
    pub width: usize,
    /// Channels, interleaved.
    pub channels: usize,
    /// The time of the first sample on the client's clock, in milliseconds.
    #[serde(default)]
    pub timestamp: Option<f64>,
}

impl AudioStart {
    /// Returns whether samples are stored in the same way.
    pub fn is_like(&self, other: &AudioStart) -> bool {
        (self.rate, self.width, self.channels) == (other.rate, other.width, other.channels)
    }
}

/// An event of a client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Asks what there is.
    Describe,
    /// Asks for a `pong`.
    Ping {
        /// What the `pong` brings back.
        text: Option<String>,
    },
    /// Chooses the program of the connection.
    SelectProgram {
        /// The name of the program.
        name: String,
    },
    /// Says what is wanted of the audio that follows.
    Transcribe(Box<Transcribe>),
    /// Begins an utterance.
    AudioStart(AudioStart),
    /// Audio.
    AudioChunk {
        /// What the audio is.
        format: AudioStart,
        /// The samples.
        bytes: Vec<u8>,
    },
    /// Ends the utterance.
    AudioStop,
    /// A request for a service that is not spoken here.
    Foreign {
        /// The kind of event.
        kind: String,
    },
    /// An event that is not known: the protocol has it dropped.
    Unknown {
        /// The kind of event.
        kind: String,
    },
}

/// The reason why a frame is no event.
#[derive(Debug, Error)]
#[error("{kind}: {fault}")]
pub struct EventError {
    /// The kind of event that it should be.
    kind: String,
    /// The fault, which quotes nothing but names and kinds.
    fault: serde_json::Error,
}

#[derive(Deserialize)]
struct Text {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

impl ClientEvent {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`EventError`] naming the event and the field.
    pub fn of(frame: Frame) -> Result<Self, EventError> {
        let Frame { kind, data, payload } = frame;
        Ok(match kind.as_str() {
            "describe" => ClientEvent::Describe,
            "ping" => ClientEvent::Ping { text: read::<Text>(&kind, data)?.text },
            "select-program" => ClientEvent::SelectProgram { name: read::<Name>(&kind, data)?.name },
            "transcribe" => ClientEvent::Transcribe(read(&kind, data)?),
            "audio-start" => ClientEvent::AudioStart(read(&kind, data)?),
            "audio-chunk" => ClientEvent::AudioChunk { format: read(&kind, data)?, bytes: payload },
            "audio-stop" => ClientEvent::AudioStop,
            known if FOREIGN.contains(&known) => ClientEvent::Foreign { kind },
            _ => ClientEvent::Unknown { kind },
        })
    }
}

fn read<T: DeserializeOwned>(kind: &str, data: Map<String, Value>) -> Result<T, EventError> {
    serde_json::from_value(Value::Object(data)).map_err(|fault| EventError { kind: kind.to_owned(), fault })
}

#[cfg(test)]
mod tests {
    use super::super::frame::{FrameLimits, Frames};
    use super::*;

    fn frame(bytes: &[u8]) -> Frame {
        let mut frames = Frames::new(FrameLimits { line: 4096, data: 4096, payload: 4096 });
        frames.push(bytes);
        frames.next().unwrap().unwrap()
    }

    #[test]
    fn events_are_read_by_kind_and_faults_named() {
        let read = |line: &str| ClientEvent::of(frame(format!("{line}\n").as_bytes()));
        assert_eq!(read(r#"{"type":"describe"}"#).unwrap(), ClientEvent::Describe);
        let start = read(r#"{"type":"audio-start","data":{"rate":16000,"width":2,"channels":1}}"#);
        let format = AudioStart { rate: 16_000, width: 2, channels: 1, timestamp: None };
        assert_eq!(start.unwrap(), ClientEvent::AudioStart(format));
        let fault = read(r#"{"type":"audio-start","data":{"rate":16000,"width":2}}"#).unwrap_err();
        assert_eq!(fault.to_string(), "audio-start: missing field `channels`");
        assert!(read(r#"{"type":"transcribe","data":{"language":7}}"#).is_err());
        assert!(matches!(read(r#"{"type":"detect"}"#), Ok(ClientEvent::Foreign { .. })));
        assert!(matches!(read(r#"{"type":"played"}"#), Ok(ClientEvent::Unknown { .. })));
    }
}
