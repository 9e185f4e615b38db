//! `--hotwords FILE`: phrases to listen for, one a line.

use super::failure::Failure;
use super::text::printable;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;
use voxlane::{Config, Hotword};

/// The longest file of phrases.
const MAX_BYTES: u64 = 1 << 20;

/// How long a file may take to be read before the wait for it is mentioned.
const PATIENCE: Duration = Duration::from_secs(2);

const HINT: &str = "a line is a phrase, and behind a tab its boost if it has one of its own";

/// Puts the phrases of `file`, if one is given, in the place of those of the configuration.
///
/// # Errors
/// [`Failure`] naming the file, and the line that cannot be understood.
pub fn replace(config: &mut Config, file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let name = printable(file);
    let text = read(file).map_err(|error| Failure::usage(format!("--hotwords {name}: {error}"), HINT))?;
    config.hotwords = parse(&text)
        .map_err(|(line, problem)| Failure::usage(format!("--hotwords {name}:{line}: {problem}"), HINT))?;
    Ok(())
}

/// Reads a file or a pipe of at most [`MAX_BYTES`]. A pipe may keep one waiting: that is said, and goes on.
fn read(file: &Path) -> io::Result<String> {
    let (sender, text) = channel();
    let path = PathBuf::from(file);
    // Nobody may be left to take the text.
    std::thread::spawn(move || sender.send(read_bounded(&path)).ok());
    let failed = |_| Err(io::Error::other("the thread that reads it panicked"));
    text.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = writeln!(io::stderr(), "waiting for --hotwords {}", printable(file));
        text.recv().unwrap_or_else(failed)
    })
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("longer than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// The phrases of a text, or the line at fault and what is wrong with it. Empty lines say nothing.
fn parse(text: &str) -> Result<Vec<Hotword>, (usize, String)> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let hotword = |(number, line): (usize, &str)| {
        let (phrase, boost) = match line.split_once('\t') {
            None => (line, Hotword::DEFAULT_BOOST),
            Some((phrase, boost)) => {
                let wrong = || (number, format!("the boost {:?} is no number", boost.trim()));
                (phrase, boost.trim().parse().map_err(|_| wrong())?)
            }
        };
        match phrase.trim() {
            "" => Err((number, "there is no phrase".to_owned())),
            phrase => Ok(Hotword { phrase: phrase.to_owned(), boost }),
        }
    };
    lines.map(hotword).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("long.txt");
        std::fs::write(&file, "tea\n".repeat(1 << 18)).unwrap();
        assert_eq!(read(&file).unwrap().len(), 1 << 20);
        std::fs::write(&file, "tea\n".repeat((1 << 18) + 1)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("1048576 bytes"));
        #[cfg(unix)]
        assert!(read(Path::new("/dev/zero")).unwrap_err().to_string().contains("1048576 bytes"));
    }

    #[test]
    fn a_line_is_a_phrase_and_maybe_a_boost() {
        let found = parse("oat milk\r\n\n  espresso \t3.5\r\n").unwrap();
        let expected = [Hotword::new("oat milk"), Hotword { phrase: "espresso".into(), boost: 3.5 }];
        assert_eq!(found, expected);
        assert_eq!(parse("tea\ncoffee\tmuch").unwrap_err().0, 2);
        assert_eq!(parse("\n\t2").unwrap_err().0, 2);
    }
}
