//! `--hotwords FILE`: phrases to listen for, one a line.

use super::failure::Failure;
use std::path::Path;
use voxlane::{Config, Hotword};

/// Puts the phrases of `file`, if one is given, in the place of those of the configuration.
///
/// # Errors
/// [`Failure`] naming the file, and the line that cannot be understood.
pub fn replace(config: &mut Config, file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let hint = "a line is a phrase, and behind a tab its boost if it has one of its own";
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("--hotwords {}: {error}", file.display()), hint))?;
    config.hotwords = parse(&text).map_err(|(line, problem)| {
        Failure::usage(format!("--hotwords {}:{line}: {problem}", file.display()), hint)
    })?;
    Ok(())
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
    fn a_line_is_a_phrase_and_maybe_a_boost() {
        let found = parse("oat milk\r\n\n  espresso \t3.5\r\n").unwrap();
        let expected = [Hotword::new("oat milk"), Hotword { phrase: "espresso".into(), boost: 3.5 }];
        assert_eq!(found, expected);
        assert_eq!(parse("tea\ncoffee\tmuch").unwrap_err().0, 2);
        assert_eq!(parse("\n\t2").unwrap_err().0, 2);
    }
}
