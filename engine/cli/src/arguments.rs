//! What several subcommands make of their arguments.

use super::failure::Failure;
use super::models::Display;
use super::text::printable;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use voxlane::config::{DecodeKind, Precision, Profile};
use voxlane::{Config, EngineError};
use voxlane_models::families::{FAMILIES, commands, find};
use voxlane_models::manager::{Manager, ManagerError, ModelFiles};

/// A number format; the names are those of the configuration file.
///
/// # Errors
/// If there is none of that name.
pub fn precision(name: &str) -> Result<Precision, ValueError> {
    by_name(name)
}

/// A profile; the names are those of the configuration file.
///
/// # Errors
/// If there is none of that name.
pub fn profile(name: &str) -> Result<Profile, ValueError> {
    by_name(name)
}

/// A decode strategy; the names are those of the configuration file.
///
/// # Errors
/// If there is none of that name.
pub fn decode(name: &str) -> Result<DecodeKind, ValueError> {
    by_name(name)
}

fn by_name<'de, T: Deserialize<'de>>(name: &'de str) -> Result<T, ValueError> {
    let name: StrDeserializer<'de, ValueError> = name.into_deserializer();
    T::deserialize(name)
}

/// A file for histograms.
///
/// # Errors
/// [`Failure`] naming the file.
pub fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = File::create(path).map_err(|error| {
        Failure::usage(format!("--hlog {}: {error}", printable(path)), "name a file in a folder that exists")
    })?;
    Ok(BufWriter::new(file))
}

/// Fetches the models that a configuration needs, if they are not in the cache; gives the recognizer's files, none if
/// it is in the binary.
///
/// # Errors
/// [`Failure`] if the files cannot be found or fetched, or the model is not a speech recognizer.
pub fn fetch(
    manager: &Manager,
    config: &Config,
    display: &mut Display,
) -> Result<Option<ModelFiles>, Failure> {
    let is_built_in = config.model == commands::NAME;
    let is_recognizer = |name: &str| {
        let entry = manager.entry(name)?;
        // Of an unknown family the engine says so.
        Ok::<_, ManagerError>(find(FAMILIES, &entry.architecture).is_none_or(|family| family.is_recognizer()))
    };
    if !is_built_in && !is_recognizer(&config.model)? {
        return Err(EngineError::NoRecognizer { name: config.model.clone() }.into());
    }
    let recognizer = if is_built_in { None } else { Some(manager.fetch(&config.model, display)?) };
    for name in config.endpoint.models() {
        manager.fetch(name, display)?;
    }
    Ok(recognizer)
}
