//! The values of fields, which are all text.

use super::error::ApiError;
use std::str::FromStr;

/// An error about a value that is not taken.
pub(super) fn expected(name: &str, expected: &str, found: &str) -> ApiError {
    let param = name.split('[').next().unwrap_or(name);
    ApiError::value(param, format!("{name}: not taken (expected {expected}, found {found:?})"))
}

/// A number.
pub(super) fn number<T: FromStr>(name: &str, value: &str) -> Result<T, ApiError> {
    value.trim().parse().map_err(|_| expected(name, "a number", value))
}

/// A truth value, as clients write it.
pub(super) fn boolean(name: &str, value: &str) -> Result<bool, ApiError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" | "" => Ok(false),
        _ => Err(expected(name, "true or false", value)),
    }
}
