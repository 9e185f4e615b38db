//! What the server says that it is.

use super::wanted::languages;
use serde_json::{Value, json};
use voxlane::Engine;

/// The name of the one program that there is.
pub(super) const PROGRAM: &str = "voxlane";

/// The answer to `describe`. Audio is wanted as it was recorded: that is what the models' accuracy is measured on. The end of a
/// command is the client's to say, by `audio-stop`.
pub(super) fn info(engine: &Engine) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let attribution = json!({ "name": "Voxlane", "url": env!("CARGO_PKG_REPOSITORY") });
    let model = json!({
        "name": engine.model(),
        "attribution": attribution,
        "installed": true,
        "description": format!("{} on Voxlane", engine.model()),
        "version": version,
        "languages": languages(engine),
    });
    let program = json!({
        "name": PROGRAM,
        "attribution": attribution,
        "installed": true,
        "description": "Voxlane, a real-time speech engine",
        "version": version,
        "models": [model],
        "supports_transcript_streaming": true,
        "requires_external_vad": true,
        "prefers_auto_gain_enabled": false,
        "prefers_noise_reduction_enabled": false,
    });
    json!({ "asr": [program], "tts": [], "handle": [], "intent": [], "wake": [], "mic": [], "snd": [] })
}
