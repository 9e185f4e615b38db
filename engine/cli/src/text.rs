//! Names and texts of others on a terminal: control characters in them must not move the cursor or hide anything.

use serde::Serialize;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use voxlane::text::is_control;

/// A name or a message in one line: control characters, bidirectional overrides and bytes that are not UTF-8 are
/// written as escapes (`\n`, `\x1b`, `\u{202e}`, `\xff`).
pub fn printable(text: impl AsRef<OsStr>) -> String {
    let mut shown = String::new();
    for chunk in text.as_ref().as_encoded_bytes().utf8_chunks() {
        chunk.valid().chars().for_each(|character| push(&mut shown, character));
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

fn push(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        '\0'..='\x7f' if character.is_control() => {
            // Writing to a string does not fail.
            let _ = write!(shown, "\\x{:02x}", character as u32);
        }
        _ if is_control(character) => shown.extend(character.escape_unicode()),
        _ => shown.push(character),
    }
}

/// Writes `value` as JSON in one line. Every control character is escaped, those too that JSON permits in strings.
///
/// # Errors
/// If it cannot be written.
pub fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string(value)?;
    // Outside of strings there are none.
    for part in json.split_inclusive(char::is_control) {
        let plain = part.trim_end_matches(char::is_control);
        out.write_all(plain.as_bytes())?;
        if let Some(control) = part[plain.len()..].chars().next() {
            write!(out, "\\u{:04x}", control as u32)?;
        }
    }
    writeln!(out)
}

/// Writes a path in a line of its own: for programs its bytes, on a terminal what is [`printable`] of it.
///
/// # Errors
/// If it cannot be written.
pub fn write_path(out: &mut (impl Write + ?Sized), path: &Path) -> io::Result<()> {
    if io::stdout().is_terminal() {
        return writeln!(out, "{}", printable(path));
    }
    out.write_all(path.as_os_str().as_encoded_bytes())?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("a b été"), "a b été");
        assert_eq!(printable(Path::new("\x1b[2Ja\n\u{9b}\u{202e}\x7f")), r"\x1b[2Ja\n\u{9b}\u{202e}\x7f");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_not_utf8_are_escaped() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(printable(OsStr::from_bytes(b"caf\xe9.wav")), r"caf\xe9.wav");
    }

    #[test]
    fn json_holds_no_control_character() {
        let mut out = Vec::new();
        write_json(&mut out, &["\x1b\u{9b}\x7f\u{80}é", "b"]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "[\"\\u001b\\u009b\\u007f\\u0080é\",\"b\"]\n");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), ["\x1b\u{9b}\x7f\u{80}é", "b"]);
    }
}
