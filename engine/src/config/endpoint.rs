//! When segments begin and end by what is heard, and how often an open one is looked at.

use serde::{Deserialize, Serialize};

/// What tells speech from the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum DetectorKind {
    /// Nothing: the client says where segments end, everything else is passed on.
    #[default]
    Off,
    /// The Silero network.
    Silero,
    /// Loudness above the noise floor: no model, for clean input.
    Energy,
}

impl DetectorKind {
    /// Silero's name in the model manager's manifest.
    pub const SILERO_MODEL: &str = "silero-vad";
}

/// Endpoint rules, in milliseconds of the stream's audio: decisions depend on nothing else. The defaults come
/// from measurements on read speech (`docs/live.md`).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[repr(C)]
pub struct EndpointConfig {
    /// The probability of speech from which a window of 32 ms counts as voiced. Default 0.4.
    pub threshold: f32,
    /// The probability below which speech that goes on counts as paused. Default 0.1.
    pub release: f32,
    /// Voiced time that opens a segment. Default 64.
    pub onset_ms: u16,
    /// Audio before the first voiced window that belongs to the segment. Default 200.
    pub lead_ms: u16,
    /// Audio after the last voiced window that belongs to the segment. Default 100.
    pub trail_ms: u16,
    /// Silence after speech that ends the segment. Default 300.
    pub silence_ms: u16,
    /// Voiced time that counts as speech. Default 160.
    pub speech_ms: u16,
    /// Silence that ends a segment in which less than that was voiced: a click, or the first breath of a
    /// sentence. Default 600.
    pub silence_without_speech_ms: u16,
    /// Silence after which the final is begun, to be ready should the endpoint come. Default 100; 0 is never.
    pub speculate_ms: u16,
    /// How long the network may find nothing after text before the segment ends, with or without a detector.
    /// Default 0: for ever. For networks that take audio in chunks; then one chunk of a stream is in the lane at
    /// a time.
    pub blank_ms: u16,
    /// What tells speech from the rest. Default `off`.
    pub detector: DetectorKind,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        EndpointConfig {
            threshold: 0.4,
            release: 0.1,
            onset_ms: 64,
            lead_ms: 200,
            trail_ms: 100,
            silence_ms: 300,
            speech_ms: 160,
            silence_without_speech_ms: 600,
            speculate_ms: 100,
            blank_ms: 0,
            detector: DetectorKind::Off,
        }
    }
}

impl EndpointConfig {
    /// The field that is out of range, if one is: its name, its value, and what is allowed.
    pub fn fault(&self) -> Option<(&'static str, String, &'static str)> {
        let is_share = |value: f32| value > 0.0 && value < 1.0;
        if !is_share(self.threshold) {
            return Some(("endpoint.threshold", self.threshold.to_string(), "more than 0, less than 1"));
        }
        if !is_share(self.release) || self.release > self.threshold {
            return Some((
                "endpoint.release",
                self.release.to_string(),
                "more than 0, at most the threshold",
            ));
        }
        let times = [
            ("endpoint.onset_ms", self.onset_ms, 1, 1000, "1 to 1000"),
            ("endpoint.lead_ms", self.lead_ms, 0, 2000, "0 to 2000"),
            ("endpoint.trail_ms", self.trail_ms, 0, self.silence_ms, "0 to silence_ms"),
            ("endpoint.silence_ms", self.silence_ms, 32, 10_000, "32 to 10000"),
            ("endpoint.blank_ms", self.blank_ms, 0, 10_000, "0 to 10000"),
            ("endpoint.speech_ms", self.speech_ms, 0, 10_000, "0 to 10000"),
            (
                "endpoint.silence_without_speech_ms",
                self.silence_without_speech_ms,
                self.silence_ms,
                60_000,
                "silence_ms to 60000",
            ),
        ];
        let fault = times.iter().find(|(_, value, least, most, _)| !(*least..=*most).contains(value));
        fault.map(|(field, value, _, _, allowed)| (*field, value.to_string(), *allowed))
    }
}

/// Looks at open segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[repr(C)]
pub struct PartialConfig {
    /// Voiced audio between looks, in milliseconds; 0 is none. Default 0, and 250 for live streams. A loaded
    /// lane looks less often: finals of all streams come before partials of any.
    pub every_ms: u16,
}

/// How one stream is treated. Travels in its first frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct StreamRules {
    /// When its segments begin and end.
    pub endpoint: EndpointConfig,
    /// How often they are looked at.
    pub partial: PartialConfig,
}
