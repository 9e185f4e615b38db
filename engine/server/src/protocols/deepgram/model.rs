//! The served model under its own name and those that Deepgram's clients know.

use super::refusal::Refusal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use voxlane::Engine;

/// Families of Deepgram's models: a name of one, such as `nova-3-medical`, stands for the served model.
const FAMILIES: &[&str] = &["nova", "flux", "enhanced", "base", "whisper", "general", "phonecall", "meeting"];

/// What ran.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    /// Its name.
    pub(super) name: String,
    /// A name in the form of a UUID, which is always the same for the same model.
    pub(super) uuid: String,
}

impl Ran {
    /// The model of `engine`.
    pub(super) fn of(engine: &Engine) -> Self {
        let name = engine.model().to_owned();
        let uuid = uuid(&Sha256::digest(name.as_bytes()));
        Ran { name, uuid }
    }

    /// As answers have it.
    pub(super) fn info(&self) -> Value {
        json!({ "name": self.name, "version": env!("CARGO_PKG_VERSION"), "arch": "voxlane" })
    }
}

/// Checks that a name is the served model's or stands for it.
pub(super) fn check(engine: &Engine, name: &str) -> Result<(), Refusal> {
    let family = name.split('-').next().unwrap_or_default();
    if name == engine.model() || FAMILIES.contains(&family) {
        return Ok(());
    }
    let served = engine.model();
    Err(Refusal::bad_request(format!(
        "model: not served (expected {served:?} or a name of Deepgram's, found {name:?})"
    )))
}

/// Bytes in the form of a UUID.
fn uuid(bytes: &[u8]) -> String {
    let hex = hex(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_form() {
        assert_eq!(uuid(&[0x1f; 32]), "1f1f1f1f-1f1f-1f1f-1f1f-1f1f1f1f1f1f");
        assert_eq!(uuid(&[]), "----");
    }
}
