//! Where live audio comes from. A thread of its own reads it: a read that blocks must keep no signal waiting.

use super::message::Message;
use super::microphone;
use super::raw::RawArgs;
use crate::failure::Failure;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use voxlane::audio::file::{AudioError, Block, Channels, Problem, Reader, ReaderOptions, Samples};

/// What standard input is called in messages.
const STANDARD_INPUT: &str = "standard input";
/// Blocks that may wait between the thread that reads and the one that pushes.
const BLOCKS_AHEAD: usize = 16;

/// What the command line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Standard,
    /// The default microphone.
    Microphone,
    /// A recording, or a named pipe.
    File(PathBuf),
}

impl From<OsString> for Input {
    fn from(name: OsString) -> Self {
        match name.to_str() {
            Some("-") => Input::Standard,
            Some("mic") => Input::Microphone,
            _ => Input::File(name.into()),
        }
    }
}

/// An input that is being read.
pub struct Source {
    messages: Receiver<Message>,
    /// Whether audio arrives as it is spoken. A recording waits for whoever reads the text.
    pub is_live: bool,
    /// Its rate, once it is known.
    sample_rate: Option<u32>,
    _device: Option<microphone::Device>,
}

impl Source {
    /// Opens an input; of a recording that its header is right.
    ///
    /// # Errors
    /// [`Failure`] naming the file or the device.
    pub fn open(input: &Input, raw: &RawArgs, channel: Option<NonZeroUsize>) -> Result<Source, Failure> {
        let channels = channel.map_or(Channels::Mix, |number| Channels::One(number.get() - 1));
        let (raw, input) = (*raw, input.clone());
        let always = ReaderOptions { channels, raw: Some(raw.format()) };
        let if_told = ReaderOptions { channels, raw: raw.is_given().then(|| raw.format()) };
        match input {
            Input::Microphone => {
                raw.refuse("the microphone")?;
                let (device, messages, sample_rate) = microphone::open()?;
                let (sample_rate, device) = (Some(sample_rate), Some(device));
                Ok(Source { messages, is_live: true, sample_rate, _device: device })
            }
            Input::File(path) if is_live(&path) => {
                Ok(Source::spawn(raw, true, move || Reader::open_with(path, if_told)))
            }
            Input::File(path) => Source::spawn(raw, false, move || Reader::open_with(path, if_told)).opened(),
            Input::Standard => match standard_input()? {
                StandardInput::File(file) => {
                    let open = move || Reader::from_file(STANDARD_INPUT, file, always);
                    Source::spawn(raw, false, open).opened()
                }
                StandardInput::Pipe(pipe) => {
                    Ok(Source::spawn(raw, true, move || Reader::from_stream(STANDARD_INPUT, pipe, always)))
                }
            },
        }
    }

    fn spawn(
        raw: RawArgs,
        is_live: bool,
        open: impl FnOnce() -> Result<Reader, AudioError> + Send + 'static,
    ) -> Source {
        let (sender, messages) = sync_channel(BLOCKS_AHEAD);
        // Never joined: it may wait for audio that never comes.
        std::thread::spawn(move || read(open, &raw, &sender));
        Source { messages, is_live, sample_rate: None, _device: None }
    }

    /// Waits for the header of a recording.
    fn opened(mut self) -> Result<Source, Failure> {
        while self.sample_rate(Duration::MAX)?.is_none() {}
        Ok(self)
    }

    /// Samples per second; none if that is not known after `limit`.
    ///
    /// # Errors
    /// [`Failure`] if the input cannot be read.
    pub fn sample_rate(&mut self, limit: Duration) -> Result<Option<u32>, Failure> {
        if self.sample_rate.is_none() {
            match self.messages.recv_timeout(limit) {
                Ok(Message::Opened { sample_rate }) => self.sample_rate = Some(sample_rate),
                Ok(Message::Failed(failure)) => return Err(failure),
                Ok(Message::Samples(_) | Message::Warning(_)) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::usage("input: the thread that reads it panicked", ""));
                }
            }
        }
        Ok(self.sample_rate)
    }

    /// The next message.
    ///
    /// # Errors
    /// If there is none within `limit`, or none any more.
    pub fn next(&self, limit: Duration) -> Result<Message, RecvTimeoutError> {
        self.messages.recv_timeout(limit)
    }
}

/// Reads to the end, or until nobody listens.
fn read(open: impl FnOnce() -> Result<Reader, AudioError>, raw: &RawArgs, out: &SyncSender<Message>) {
    // A failed send means that nobody listens any more: then there is nothing left to do.
    let _ = open().map_err(failure).map_or_else(
        |failure| out.send(Message::Failed(failure)),
        |mut reader| {
            out.send(Message::Opened { sample_rate: reader.sample_rate() })?;
            raw.contradictions(&reader).into_iter().try_for_each(|text| out.send(Message::Warning(text)))?;
            let mut warned = 0;
            loop {
                let block = match reader.next_block() {
                    Ok(Some(Block::I16(samples))) => Ok(Some(Samples::I16(samples.to_vec()))),
                    Ok(Some(Block::F32(samples))) => Ok(Some(Samples::F32(samples.to_vec()))),
                    Ok(None) => Ok(None),
                    Err(error) => Err(error),
                };
                for warning in &reader.warnings()[warned..] {
                    out.send(Message::Warning(warning.to_string()))?;
                }
                warned = reader.warnings().len();
                match block {
                    Ok(Some(samples)) => out.send(Message::Samples(samples))?,
                    Ok(None) => return Ok(()),
                    Err(error) => return out.send(Message::Failed(failure(error))),
                }
            }
        },
    );
}

fn failure(error: AudioError) -> Failure {
    let hint = match &error.problem {
        Problem::Io(_) | Problem::Unsupported(_) | Problem::NoChannel { .. } => "",
        Problem::NotAudio(_) => "audio without a header needs --encoding, see `voxlane live --help`",
        Problem::Empty if error.path.as_os_str() == STANDARD_INPUT => "whatever writes to it has ended",
        Problem::Sample(_) => "samples without a header may need another --encoding",
        _ => "what came before is shown above",
    };
    Failure::Input { message: error.to_string(), hint }
}

/// Whether a path names something that audio arrives from, and no recording.
fn is_live(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

enum StandardInput {
    File(File),
    Pipe(Box<dyn Read + Send>),
}

#[cfg(unix)]
fn standard_input() -> Result<StandardInput, Failure> {
    use std::os::fd::AsFd;
    let stdin = io::stdin();
    refuse_terminal(&stdin)?;
    let file = stdin.as_fd().try_clone_to_owned().map(File::from);
    let file =
        file.map_err(|error| Failure::Input { message: format!("{STANDARD_INPUT}: {error}"), hint: "" })?;
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    Ok(if is_file { StandardInput::File(file) } else { StandardInput::Pipe(Box::new(file)) })
}

#[cfg(not(unix))]
fn standard_input() -> Result<StandardInput, Failure> {
    let stdin = io::stdin();
    refuse_terminal(&stdin)?;
    Ok(StandardInput::Pipe(Box::new(stdin)))
}

fn refuse_terminal(stdin: &io::Stdin) -> Result<(), Failure> {
    if stdin.is_terminal() {
        return Err(Failure::usage(
            "standard input: a terminal, no audio",
            "pipe audio in: `arecord -q -f S16_LE -r 16000 -c 1 | voxlane live`, or give --input FILE",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_named() {
        assert_eq!(Input::from(OsString::from("-")), Input::Standard);
        assert_eq!(Input::from(OsString::from("mic")), Input::Microphone);
        assert_eq!(Input::from(OsString::from("a.wav")), Input::File("a.wav".into()));
    }
}
