//! The file of keys: a line each.

use sha2::{Digest, Sha256};
use std::fmt;

/// Bytes of a hash.
pub(super) const HASH_BYTES: usize = 32;

/// What a key may use. What is not stated is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// The most streams that may be open.
    pub streams: Option<usize>,
    /// The most requests in a second.
    pub rate: Option<u32>,
    /// The most audio in a day (UTC), in seconds.
    pub seconds_a_day: Option<u64>,
}

/// A key by its hash, with the name under which it is counted and its limits.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of who holds it.
    pub name: String,
    pub(super) hash: [u8; HASH_BYTES],
    /// What it may use.
    pub limits: KeyLimits,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The hash of what a client presents.
pub(super) fn hash(key: &str) -> [u8; HASH_BYTES] {
    Sha256::digest(key.as_bytes()).into()
}

/// The keys of a file's text; or the number of the first line that is wrong, and why.
pub(super) fn parse(text: &str) -> Result<Vec<Key>, (usize, String)> {
    let mut keys: Vec<Key> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |message: String| (index + 1, message);
        let key = parse_line(line).map_err(wrong)?;
        if keys.iter().any(|other| other.name == key.name) {
            return Err(wrong(format!("name {:?}: used by an earlier line", key.name)));
        }
        if keys.iter().any(|other| other.hash == key.hash) {
            return Err(wrong("hash: used by an earlier line".to_owned()));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn parse_line(line: &str) -> Result<Key, String> {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let hash = words.next().and_then(|word| word.strip_prefix("sha256:")).and_then(unhex);
    let hash = hash.ok_or("hash: not one (expected `sha256:` and 64 hexadecimal digits)")?;
    let mut limits = KeyLimits::default();
    for word in words {
        let (field, value) = word.split_once('=').unwrap_or((word, ""));
        let number = value.parse::<u64>().ok().filter(|&number| number > 0);
        let number = number.ok_or_else(|| format!("{field}: not a limit (expected a number of at least 1)"));
        match field {
            "streams" => limits.streams = Some(usize::try_from(number?).unwrap_or(usize::MAX)),
            "rate" => limits.rate = Some(u32::try_from(number?).unwrap_or(u32::MAX)),
            "seconds_a_day" => limits.seconds_a_day = Some(number?),
            // The word may be a key that was put in the wrong place.
            _ => return Err("unknown field (expected streams=N, rate=N or seconds_a_day=N)".to_owned()),
        }
    }
    Ok(Key { name, hash, limits })
}

fn unhex(digits: &str) -> Option<[u8; HASH_BYTES]> {
    if digits.len() != 2 * HASH_BYTES || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; HASH_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `printf secret | sha256sum` says.
    const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    #[test]
    fn a_line_has_a_name_a_hash_and_limits() {
        let text = format!("# keys\n\nada sha256:{SECRET} streams=2 rate=10 seconds_a_day=3600\n");
        let keys = parse(&text).unwrap();
        assert_eq!(keys[0].name, "ada");
        assert_eq!(keys[0].hash, hash("secret"));
        let limits = KeyLimits { streams: Some(2), rate: Some(10), seconds_a_day: Some(3600) };
        assert_eq!(keys[0].limits, limits);
    }

    #[test]
    fn wrong_lines_are_named_without_what_they_hold() {
        let cases = [
            ("ada".to_owned(), 1),
            ("ada secret".to_owned(), 1),
            (format!("ada sha256:{}", &SECRET[1..]), 1),
            (format!("ada sha256:{SECRET} streams=0"), 1),
            (format!("ada sha256:{SECRET} secret"), 1),
            (format!("ada sha256:{SECRET}\nada sha256:{}", SECRET.replace('2', "3")), 2),
            (format!("ada sha256:{SECRET}\nbob sha256:{SECRET}"), 2),
        ];
        for (text, wrong) in cases {
            let (line, message) = parse(&text).unwrap_err();
            assert_eq!(line, wrong, "{text}");
            assert!(!message.contains("secret") && !message.contains(SECRET), "{message}");
        }
        let shown = format!("{:?}", parse(&format!("ada sha256:{SECRET}")).unwrap());
        assert!(shown.contains("ada") && !shown.contains("43"), "{shown}");
    }
}
