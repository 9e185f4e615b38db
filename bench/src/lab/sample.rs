//! The recording that experiments use where they need just one.

use super::context::Context;
use crate::recordings::read_samples;
use anyhow::{Result, ensure};
use voxlane_models::manager;

/// The recording that comes with the model: ten seconds of speech at 16 kHz.
///
/// # Errors
/// If the model cannot be had.
pub fn sample_clip(context: &Context) -> Result<Vec<i16>> {
    read_samples(manager::fetch(&context.model)?.path("beckett.wav"))
}

/// Half a second of it, with a word in it.
///
/// # Errors
/// As for [`sample_clip`].
pub fn short_clip(context: &Context) -> Result<Vec<i16>> {
    const FROM: usize = 8_000;
    const SAMPLES: usize = 8_000;
    let clip = sample_clip(context)?;
    ensure!(clip.len() >= FROM + SAMPLES, "the model's recording is shorter than a second");
    Ok(clip[FROM..FROM + SAMPLES].to_vec())
}
