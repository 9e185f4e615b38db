//! Events for people and for programs.

use super::Format;
use console::{Term, style};
use std::io::{self, IsTerminal, Write};
use voxlane::{Event, Transcript};

/// Where events are written.
pub struct Screen {
    format: Format,
    /// The terminal's width, if there is one to draw on.
    width: Option<usize>,
    /// A partial stands in the present line.
    is_drawn: bool,
}

impl Screen {
    /// For standard output as it is.
    pub fn new(format: Format) -> Self {
        let is_terminal = format == Format::Text && io::stdout().is_terminal();
        let width = is_terminal.then(|| usize::from(Term::stdout().size().1));
        Screen { format, width, is_drawn: false }
    }

    /// The engine takes audio from now on. Told to people only.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn ready(&self) -> io::Result<()> {
        if self.width.is_some() {
            writeln!(io::stderr(), "listening; Ctrl-C ends")?;
        }
        Ok(())
    }

    /// Writes one event.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn show(&mut self, out: &mut impl Write, event: &Event) -> io::Result<()> {
        match (self.format, event) {
            (Format::Json, event) => {
                serde_json::to_writer(&mut *out, event)?;
                writeln!(out)?;
            }
            (Format::Text, Event::Partial(partial)) => self.draw(out, partial)?,
            (Format::Text, Event::Final(said)) => {
                self.wipe(out)?;
                if !said.text.trim().is_empty() {
                    writeln!(out, "{}", said.text.trim())?;
                }
            }
            (Format::Text, Event::Error { error, .. }) => {
                self.wipe(out)?;
                writeln!(io::stderr(), "note: {error}")?;
            }
            (Format::Text, _) => {}
        }
        out.flush()
    }

    /// Draws a partial over the one before: what is stable plainly, the tail dimmed; of a text longer than
    /// the line its end.
    fn draw(&mut self, out: &mut impl Write, partial: &Transcript) -> io::Result<()> {
        let Some(width) = self.width else { return Ok(()) };
        let (stable, tail) = visible(
            partial.stable.as_deref().unwrap_or_default(),
            partial.tail.as_deref().unwrap_or_default(),
            width.saturating_sub(1),
        );
        self.wipe(out)?;
        self.is_drawn = true;
        write!(out, "{stable}{}", style(tail).dim())
    }

    fn wipe(&mut self, out: &mut impl Write) -> io::Result<()> {
        if std::mem::take(&mut self.is_drawn) {
            // To the line's first column; erase it.
            write!(out, "\r\x1b[2K")?;
        }
        Ok(())
    }
}

/// The last `width` characters of both together.
fn visible<'a>(stable: &'a str, tail: &'a str, width: usize) -> (&'a str, &'a str) {
    let last = |text: &'a str, count: usize| {
        let skipped = text.chars().count().saturating_sub(count);
        text.char_indices().nth(skipped).map_or("", |(index, _)| &text[index..])
    };
    let tail = last(tail, width);
    (last(stable, width - tail.chars().count()), tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_text_is_visible() {
        assert_eq!(visible("one two", " three", 80), ("one two", " three"));
        assert_eq!(visible("one two", " three", 9), ("two", " three"));
        assert_eq!(visible("one two", " three", 4), ("", "hree"));
        assert_eq!(visible("été", "", 2), ("té", ""));
    }

    #[test]
    fn json_has_one_line_an_event_in_the_form_of_the_design() {
        let mut screen = Screen { format: Format::Json, width: None, is_drawn: false };
        let mut out = Vec::new();
        screen.show(&mut out, &Event::SpeechStart { stream: 3, segment: 1, start: 0.5 }).unwrap();
        screen.show(&mut out, &Event::Closed { stream: 3 }).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "{\"type\":\"speech_start\",\"stream\":3,\"segment\":1,\"start\":0.5}\n{\"type\":\"closed\",\"stream\":3}\n"
        );
    }
}
