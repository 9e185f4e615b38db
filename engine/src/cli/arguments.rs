//! What several subcommands make of their arguments.

use super::failure::Failure;
use super::models::Display;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use voxlane::Config;
use voxlane::config::{DetectorKind, Precision};
use voxlane_models::manager::{Manager, ModelFiles};

/// A number format; the names are those of the configuration file.
///
/// # Errors
/// If there is none of that name.
pub fn precision(name: &str) -> Result<Precision, ValueError> {
    let name: StrDeserializer<'_, ValueError> = name.into_deserializer();
    Precision::deserialize(name)
}

/// A file for histograms.
///
/// # Errors
/// [`Failure`] naming the file.
pub fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = File::create(path).map_err(|error| {
        Failure::usage(format!("--hlog {}: {error}", path.display()), "name a file in a folder that exists")
    })?;
    Ok(BufWriter::new(file))
}

/// Fetches the models that a configuration needs, if they are not in the cache; gives the recogniser's files.
///
/// # Errors
/// [`Failure`] if they are not to be had.
pub fn fetch(manager: &Manager, config: &Config, display: &mut Display) -> Result<ModelFiles, Failure> {
    if config.endpoint.detector == DetectorKind::Silero {
        manager.fetch(DetectorKind::SILERO_MODEL, display)?;
    }
    Ok(manager.fetch(&config.model, display)?)
}
