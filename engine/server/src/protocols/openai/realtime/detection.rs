//! What says where turns end, as rules of the engine.

use super::fields::{Eagerness, TurnDetection};
use crate::protocols::openai::error::ApiError;
use crate::protocols::openai::warnings::Warnings;
use voxlane::config::{DetectorKind, EndpointConfig, TurnRule};

/// The silence that ends a turn where the client names none, in milliseconds: the protocol's.
const SILENCE_MS: u16 = 500;

/// Where turns end.
pub(super) fn endpoint(
    detection: Option<&TurnDetection>,
    own: &EndpointConfig,
    warnings: &mut Warnings,
) -> Result<EndpointConfig, ApiError> {
    let Some(detection) = detection else {
        // A turn is what the client says, and not what it had forgotten or sent before.
        return Ok(EndpointConfig {
            detector: DetectorKind::Off,
            turn: TurnRule::Off,
            eager_threshold: 0.0,
            context_s: 0,
            ..*own
        });
    };
    let refuse = |why: &str| {
        ApiError::unsupported("session.audio.input.turn_detection", format!("turn_detection: {why}"))
    };
    if own.detector == DetectorKind::Off {
        return Err(refuse("not supported, the server has no detector (expected null)"));
    }
    let mut rules = EndpointConfig { eager_threshold: 0.0, ..*own };
    match detection {
        TurnDetection::ServerVad(vad) => {
            if vad.idle_timeout_ms.is_some() {
                warnings.add("idle_timeout_ms: no effect, there are no responses after which to wait");
            }
            let silence_ms = vad.silence_duration_ms.unwrap_or(SILENCE_MS);
            rules.turn = TurnRule::Off;
            rules.threshold = vad.threshold.unwrap_or(rules.threshold);
            rules.release = rules.release.min(rules.threshold);
            rules.lead_ms = vad.prefix_padding_ms.unwrap_or(rules.lead_ms);
            rules.silence_ms = silence_ms;
            rules.trail_ms = rules.trail_ms.min(silence_ms);
            rules.silence_without_speech_ms = rules.silence_without_speech_ms.max(silence_ms);
            responds(vad.create_response, vad.interrupt_response, warnings);
        }
        TurnDetection::SemanticVad(vad) => {
            if own.turn == TurnRule::Off {
                return Err(refuse(
                    "semantic_vad is not supported, the server has no turn rule (expected server_vad or null)",
                ));
            }
            (rules.turn_threshold, rules.silence_max_ms) = match vad.eagerness {
                Some(Eagerness::Low) => (0.95, 8000),
                None | Some(Eagerness::Medium | Eagerness::Auto) => (own.turn_threshold, 4000),
                Some(Eagerness::High) => (0.7, 2000),
            };
            responds(vad.create_response, vad.interrupt_response, warnings);
        }
    }
    Ok(rules)
}

fn responds(create: Option<bool>, interrupt: Option<bool>, warnings: &mut Warnings) {
    if create == Some(true) || interrupt == Some(true) {
        warnings.add("create_response, interrupt_response: no effect, transcription sessions do not respond");
    }
}
