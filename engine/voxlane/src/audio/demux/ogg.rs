//! Ogg: one stream of audio out of those that a file interleaves, and one after the other where files are chained,
//! as recordings of radio are.

use std::collections::VecDeque;

use super::ogg_page::{self, Found, Page};
use super::ogg_stream::LogicalStream;
use super::{Demuxer, Unit};
use crate::audio::error::{Place, PlacedProblem, Problem};
use crate::audio::input::Input;
use crate::audio::warning::Oddity;

/// The streams of an Ogg file.
pub(crate) struct Ogg {
    input: Input,
    ready: VecDeque<Unit>,
    stream: Option<LogicalStream>,
    /// What the first packets of streams that cannot be read say that they are.
    others: Vec<&'static str>,
    /// Whether only first pages came since the stream began: others that begin now are interleaved with it.
    is_beginning: bool,
    /// Where bytes that are no whole page began, if they did.
    garbage: Option<u64>,
    /// Whether the file ends inside a page.
    is_cut: bool,
    is_end: bool,
    /// Whether any stream of audio had whole headers.
    any: bool,
}

impl Ogg {
    pub fn new(input: Input) -> Self {
        let (ready, others) = (VecDeque::new(), Vec::new());
        Ogg {
            input,
            ready,
            stream: None,
            others,
            is_beginning: false,
            garbage: None,
            is_cut: false,
            is_end: false,
            any: false,
        }
    }

    fn step(&mut self) -> Result<(), PlacedProblem> {
        let at = self.input.at();
        match ogg_page::next(&mut self.input)? {
            Found::Page(page) => {
                self.is_cut = false;
                self.page(&page, at)?;
            }
            Found::Garbage => {
                self.garbage.get_or_insert(at);
            }
            Found::Cut => {
                self.garbage.get_or_insert(at);
                self.is_cut = true;
            }
            Found::End => self.end(at)?,
        }
        Ok(())
    }

    fn page(&mut self, page: &Page, at: u64) -> Result<(), PlacedProblem> {
        let skipped =
            self.garbage.take().map(|from| Unit::Odd(Oddity::SkippedBytes(at - from), Place::Byte(from)));
        self.ready.extend(skipped);
        if page.is_first {
            self.first_page(page, at);
            return Ok(());
        }
        self.is_beginning = false;
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.serial == page.serial) else {
            return Ok(());
        };
        let brought = stream.page(page).map_err(|problem| (problem, Place::Byte(at)))?;
        if brought.has_gap {
            let what = "audio is missing: pages of the Ogg stream are damaged or left out";
            self.ready.push_back(Unit::Missing(Problem::Malformed(what.into())));
        }
        if let Some(stream) = brought.stream {
            self.any = true;
            self.ready.push_back(Unit::Stream(stream));
        }
        self.ready.extend(brought.packets.into_iter().map(Unit::Packet));
        Ok(())
    }

    /// A page that begins a stream. The first of audio is read of those that begin side by side; one that begins
    /// later is chained behind it, even if that does not end as it should.
    fn first_page(&mut self, page: &Page, at: u64) {
        let Some(stream) = LogicalStream::begin(page) else {
            self.others.extend(page.pieces().next().and_then(|piece| name(piece.bytes)));
            return;
        };
        if !self.is_beginning {
            self.end_stream(at);
            self.stream = Some(stream);
            self.is_beginning = true;
        }
    }

    /// Ends the stream that is being read, if there is one.
    fn end_stream(&mut self, at: u64) {
        let Some(stream) = self.stream.take() else { return };
        if self.is_cut || stream.has_open_packet() {
            let what = "the Ogg stream ends in the middle of a page or packet";
            self.ready.push_back(Unit::Missing(Problem::Truncated(what.into())));
        } else if !stream.is_open() && !stream.is_ended {
            let what = "the headers of an Ogg stream are damaged";
            self.ready.push_back(Unit::Missing(Problem::Malformed(what.into())));
        } else if !stream.is_ended {
            self.ready.push_back(Unit::Odd(Oddity::NoEnd, Place::Byte(at)));
        }
        self.is_cut = false;
    }

    fn end(&mut self, at: u64) -> Result<(), PlacedProblem> {
        self.is_end = true;
        if let Some(from) = self.garbage.take().filter(|_| !self.is_cut) {
            if self.stream.as_ref().is_some_and(|stream| !stream.is_ended) {
                let what = "the last pages of the Ogg stream are damaged";
                self.ready.push_back(Unit::Missing(Problem::Malformed(what.into())));
            }
            self.ready.push_back(Unit::Odd(Oddity::SkippedBytes(at - from), Place::Byte(from)));
        }
        if self.any {
            self.end_stream(at);
            return Ok(());
        }
        let problem = match (&self.stream, self.others.first()) {
            (Some(_), _) if self.is_cut => {
                Problem::Truncated("the file ends in its headers, before any audio".into())
            }
            (Some(_), _) => Problem::Malformed("Ogg: the headers of the audio are damaged".into()),
            (None, Some(name)) => {
                Problem::Unsupported(format!("Ogg with {name} and no Vorbis, Opus or FLAC"))
            }
            (None, None) => Problem::Malformed("Ogg: no stream of audio begins in it".into()),
        };
        Err((problem, Place::Byte(at)))
    }
}

impl Demuxer for Ogg {
    fn next(&mut self) -> Result<Option<Unit>, PlacedProblem> {
        while self.ready.is_empty() && !self.is_end {
            self.step()?;
        }
        Ok(self.ready.pop_front())
    }
}

/// What else Ogg may hold, by the first packet.
fn name(first: &[u8]) -> Option<&'static str> {
    let names: [(&[u8], &str); 6] = [
        (b"Speex   ", "Speex"),
        (b"\x80theora", "Theora video"),
        (b"BBCD\0", "Dirac video"),
        (b"OVP80", "VP8 video"),
        (b"PCM     ", "PCM"),
        (b"CELT    ", "CELT"),
    ];
    names.iter().find(|(magic, _)| first.starts_with(magic)).map(|&(_, name)| name)
}
