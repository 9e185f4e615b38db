//! Audio from a file, read on a thread of its own: a pipe that gives nothing must keep neither a signal nor results
//! waiting.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use voxlane::audio::file::{AudioError, Block, Reader, ReaderOptions, Samples, Warning};

/// Messages that may wait; a block is a few thousand samples.
const MESSAGES_AHEAD: usize = 8;

/// What messages call standard input.
const STANDARD_INPUT: &str = "standard input";

/// What the reading thread says, in this order: [`Opened`](Message::Opened), samples and warnings, the end.
#[derive(Debug)]
pub enum Message {
    /// The header has been read.
    Opened {
        /// In Hz.
        sample_rate: u32,
        /// Channels in the file.
        channels: usize,
    },
    /// The next samples, mono, and how much of the file has been read, 0 to 1, if it is no pipe.
    Samples(Samples, Option<f64>),
    /// Something odd about the file.
    Warning(Warning),
    /// The most channels that any part of the file had.
    MostChannels(usize),
    /// All has been read, or nothing more can be.
    End(Result<(), AudioError>),
}

/// Where to read, and from which sample on.
#[derive(Clone, Debug)]
pub struct Input {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// Which channels.
    pub options: ReaderOptions,
    /// Samples at the beginning that are left out, and their warnings.
    pub skip: Skip,
}

/// What of a file was dealt with before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skip {
    /// Samples.
    pub samples: u64,
    /// Warnings.
    pub warnings: usize,
}

impl Input {
    /// Starts to read. The thread ends after [`Message::End`], or when the receiver has been dropped and the file
    /// gives something.
    pub fn read(self) -> Receiver<Message> {
        let (sender, messages) = sync_channel(MESSAGES_AHEAD);
        std::thread::spawn(move || {
            // Nobody wants the rest where the receiver has gone.
            let _ = self.send(&sender);
        });
        messages
    }

    fn send(self, sender: &SyncSender<Message>) -> ControlFlow<()> {
        let give = |message| match sender.send(message) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let mut reader = match self.open() {
            Ok(reader) => reader,
            Err(error) => return give(Message::End(Err(error))),
        };
        give(Message::Opened { sample_rate: reader.sample_rate(), channels: reader.channels() })?;
        let (mut skip, mut warned) = (self.skip.samples, self.skip.warnings);
        loop {
            let fraction = reader.fraction_read();
            let end = match reader.next_block() {
                Ok(Some(block)) => {
                    if let Some(samples) = behind(block, &mut skip) {
                        give(Message::Samples(samples, fraction))?;
                    }
                    None
                }
                Ok(None) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            };
            for warning in reader.warnings().iter().skip(warned) {
                give(Message::Warning(warning.clone()))?;
                warned += 1;
            }
            if let Some(end) = end {
                give(Message::MostChannels(reader.most_channels()))?;
                return give(Message::End(end));
            }
        }
    }

    fn open(&self) -> Result<Reader, AudioError> {
        if is_standard(&self.path) {
            standard_input(self.options)
        } else {
            Reader::open_with(&self.path, self.options)
        }
    }
}

/// Reads standard input; one that is a file out of order where its kind needs that.
#[cfg(unix)]
fn standard_input(options: ReaderOptions) -> Result<Reader, AudioError> {
    use std::os::fd::AsFd;
    let file = io::stdin().as_fd().try_clone_to_owned().map(std::fs::File::from);
    match file {
        Ok(file) => Reader::from_file(STANDARD_INPUT, file, options),
        Err(_) => Reader::from_stream(STANDARD_INPUT, Box::new(io::stdin()), options),
    }
}

#[cfg(not(unix))]
fn standard_input(options: ReaderOptions) -> Result<Reader, AudioError> {
    Reader::from_stream(STANDARD_INPUT, Box::new(io::stdin()), options)
}

/// Whether `path` stands for standard input.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The samples of a block behind the first `skip`, which counts down; `None` if there are none.
fn behind(block: Block<'_>, skip: &mut u64) -> Option<Samples> {
    fn rest<'a, S>(samples: &'a [S], skip: &mut u64) -> &'a [S] {
        let left_out = usize::try_from(*skip).unwrap_or(usize::MAX).min(samples.len());
        *skip -= left_out as u64;
        &samples[left_out..]
    }
    let samples = match block {
        Block::I16(samples) => Samples::I16(rest(samples, skip).to_vec()),
        Block::F32(samples) => Samples::F32(rest(samples, skip).to_vec()),
    };
    (!samples.is_empty()).then_some(samples)
}
