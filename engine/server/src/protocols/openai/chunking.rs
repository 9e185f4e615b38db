//! Where a recording is divided, as the client wants it.

use super::error::ApiError;
use crate::recording::recording_rules;
use voxlane::Engine;
use voxlane::config::{DetectorKind, EndpointConfig, TurnRule};

/// The fields of `chunking_strategy`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vad {
    pub(super) threshold: Option<f32>,
    pub(super) prefix_ms: Option<u16>,
    pub(super) silence_ms: Option<u16>,
}

impl Vad {
    /// The rules of recordings with what the client says of silence: it alone ends segments.
    pub(super) fn rules(self, engine: &Engine) -> Result<EndpointConfig, ApiError> {
        let detector = engine.stream_rules().endpoint.detector;
        if detector == DetectorKind::Off {
            let message = "chunking_strategy server_vad: not supported, the server has no detector";
            return Err(ApiError::unsupported("chunking_strategy", message));
        }
        let mut rules = EndpointConfig { detector, turn: TurnRule::Off, ..recording_rules(engine) };
        rules.threshold = self.threshold.unwrap_or(rules.threshold);
        rules.release = rules.release.min(rules.threshold);
        rules.lead_ms = self.prefix_ms.unwrap_or(rules.lead_ms);
        if let Some(silence_ms) = self.silence_ms {
            rules.silence_ms = silence_ms;
            rules.trail_ms = rules.trail_ms.min(silence_ms);
            rules.silence_without_speech_ms = rules.silence_without_speech_ms.max(silence_ms);
            (rules.join_s, rules.join_silence_ms) = (0, 0);
        }
        Ok(rules)
    }
}
