//! Mean and inverse standard deviation of features, as torchaudio keeps them in JSON.

use super::content::{MAX_COMPANION_BYTES, content};
use super::error::{CheckpointError, Problem};
use std::path::Path;

/// What features are shifted and scaled by: `(x - mean) * invstddev`, one number for each feature.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub struct Statistics {
    /// Subtracted.
    pub mean: Vec<f32>,
    /// Multiplied.
    pub invstddev: Vec<f32>,
}

impl Statistics {
    /// Reads `{"mean": […], "invstddev": […]}`.
    ///
    /// # Errors
    /// [`CheckpointError`] where the file cannot be read, is no such JSON, or the two have not the same length.
    pub fn read(file: &Path) -> Result<Self, CheckpointError> {
        Self::from_bytes(&content(file, MAX_COMPANION_BYTES)?, file)
    }

    /// As [`read`](Self::read), of the content of a file that errors call `file`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8], file: &Path) -> Result<Self, CheckpointError> {
        let damaged = |problem: String| Problem::damaged(problem).within(file);
        let statistics: Statistics = serde_json::from_slice(bytes)
            .map_err(|error| damaged(format!("no statistics of features: {error}")))?;
        if statistics.mean.len() != statistics.invstddev.len() {
            return Err(damaged("means and deviations differ in number".to_owned()));
        }
        Ok(statistics)
    }
}
