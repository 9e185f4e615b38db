//! What was taken and has no effect, for the client to read.

use super::model::MODEL_HEADER;
use axum::http::{HeaderMap, HeaderValue};
use voxlane::Engine;

/// The header that names what was taken and has no effect.
pub const WARNINGS_HEADER: &str = "x-voxlane-warnings";

/// The longest value of the header.
const HEADER_BYTES: usize = 4096;

/// Warnings in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Warnings(Vec<String>);

impl Warnings {
    /// Adds a warning.
    pub fn add(&mut self, warning: impl Into<String>) {
        self.0.push(warning.into());
    }

    /// Returns them.
    pub fn list(&self) -> &[String] {
        &self.0
    }

    /// Writes what ran and the warnings into the headers of an answer; what is too long for one is cut off.
    pub fn write(&self, headers: &mut HeaderMap, engine: &Engine) {
        set(headers, MODEL_HEADER, engine.model());
        if !self.0.is_empty() {
            set(headers, WARNINGS_HEADER, &self.0.join("; "));
        }
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // A client's own words may be in it.
    let plain = |letter: char| if (' '..='~').contains(&letter) { letter } else { '?' };
    let value: String = value.chars().map(plain).take(HEADER_BYTES).collect();
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(name, value);
    }
}
