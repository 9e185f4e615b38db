//! Events for people and for programs.

use super::Format;
use crate::text::{printable, write_json};
use console::{Term, style};
use std::io::{self, IsTerminal, Write};
use voxlane::text::spoken;
use voxlane::{Event, EventRecord, Transcript};

/// To the line's first column; erase it.
const WIPE: &str = "\r\x1b[2K";

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

    /// Says that the engine takes audio from now on, if people read along.
    pub fn ready(&self) {
        if self.width.is_some() {
            self.note("listening; Ctrl-C ends");
        }
    }

    /// Says what is odd about the input.
    pub fn warn(&mut self, text: &str) {
        self.note(&format!("warning: {}", printable(text)));
    }

    /// A line on standard error. Nobody is left to read it if it cannot be written.
    fn note(&self, text: &str) {
        // The line that a partial stands in is drawn again with the next one.
        let wipe = if self.is_drawn { WIPE } else { "" };
        let _ = writeln!(io::stderr(), "{wipe}{text}");
    }

    /// Writes one event.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn show(&mut self, out: &mut impl Write, event: &Event) -> io::Result<()> {
        match (self.format, event) {
            (Format::Json, event) => write_json(out, &EventRecord::from(event))?,
            (Format::Text, Event::Partial(partial)) => self.draw(out, partial)?,
            (Format::Text, Event::Final(said)) => {
                self.wipe(out)?;
                let text = spoken(&said.text);
                if !text.trim().is_empty() {
                    writeln!(out, "{}", text.trim())?;
                }
                if let Some(warning) = said.warning {
                    self.warn(&format!("from {:.1} s to {:.1} s: {warning}", said.start, said.end));
                }
            }
            (Format::Text, Event::Error { error, .. }) => {
                self.wipe(out)?;
                self.note(&format!("note: {error}"));
            }
            (Format::Text, _) => {}
        }
        out.flush()
    }

    /// Draws a partial over the one before: what is stable plainly, the tail dimmed; of a text longer than
    /// the line its end.
    fn draw(&mut self, out: &mut impl Write, partial: &Transcript) -> io::Result<()> {
        let Some(width) = self.width else { return Ok(()) };
        let stable = spoken(partial.stable.as_deref().unwrap_or_default());
        let tail = spoken(partial.tail.as_deref().unwrap_or_default());
        let (stable, tail) = visible(&stable, &tail, width.saturating_sub(1));
        self.wipe(out)?;
        self.is_drawn = true;
        write!(out, "{stable}{}", style(tail).dim())
    }

    fn wipe(&mut self, out: &mut impl Write) -> io::Result<()> {
        if std::mem::take(&mut self.is_drawn) {
            write!(out, "{WIPE}")?;
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
            "{\"version\":1,\"type\":\"speech_start\",\"stream\":3,\"segment\":1,\"start\":0.5}\n\
             {\"version\":1,\"type\":\"closed\",\"stream\":3}\n"
        );
    }
}
