//! The served model under its own name and those that clients know.

use super::error::ApiError;
use voxlane::Engine;

/// The header that names the model that ran.
pub const MODEL_HEADER: &str = "x-voxlane-model";

/// Names of OpenAI's models that stand for the served one.
pub const ALIASES: &[&str] = &[
    "whisper-1",
    "gpt-transcribe",
    "gpt-live-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-03-20",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
    "gpt-realtime-whisper",
];

/// Checks that `name` is the served model's or stands for it.
///
/// # Errors
/// [`ApiError`] with the status 404 for another.
pub fn check(engine: &Engine, name: &str) -> Result<(), ApiError> {
    if name == engine.model() || ALIASES.contains(&name) {
        return Ok(());
    }
    let message =
        format!("model {name:?}: not served (expected {:?}, or a name that stands for it)", engine.model());
    Err(ApiError { status: 404, ..ApiError::new("model_not_found", "model", message) })
}
