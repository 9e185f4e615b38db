//! Where live audio comes from, and pushing it into a stream as it comes.

use super::microphone;
use crate::cli::failure::Failure;
use clap::ValueEnum;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;
use voxlane::audio::file::{Samples, read};
use voxlane::{StreamInput, Time};

/// The rate of raw audio on standard input.
const RAW_RATE_HZ: u32 = 16_000;
/// Blocks a second that a file is cut into: what a sound card gives.
const BLOCKS_PER_SECOND: u32 = 50;
/// Blocks that may wait between the thread that reads and the one that pushes.
const BLOCKS_AHEAD: usize = 64;
/// How long a reader may be silent before the pusher looks whether it should stop.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What the command line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Raw samples on standard input.
    Standard,
    /// The default microphone.
    Microphone,
    /// A recording.
    File(PathBuf),
}

impl FromStr for Input {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "-" => Input::Standard,
            "mic" => Input::Microphone,
            path => Input::File(path.into()),
        })
    }
}

/// How fast a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// As if it were being recorded.
    Realtime,
    /// As fast as the engine takes it.
    Fast,
}

/// An opened input.
pub enum Feed {
    /// A whole recording and its pace.
    File { samples: Samples, sample_rate: u32, pace: Pace },
    /// Blocks that another thread reads.
    Blocks { blocks: Receiver<Block>, sample_rate: u32, _device: Option<microphone::Device> },
}

/// One block of samples, or why there are no more.
pub type Block = Result<Vec<i16>, String>;

impl Feed {
    /// Opens an input.
    ///
    /// # Errors
    /// [`Failure`] naming the file or the device.
    pub fn open(input: &Input, pace: Pace) -> Result<Feed, Failure> {
        match input {
            Input::Standard => Ok(Feed::standard()),
            Input::Microphone => microphone::open(),
            Input::File(path) => {
                let hint = "WAV, FLAC, MP3 and Ogg Vorbis files are read";
                let recording =
                    read(path).map_err(|error| Failure::Input { message: error.to_string(), hint })?;
                Ok(Feed::File { samples: recording.samples, sample_rate: recording.sample_rate, pace })
            }
        }
    }

    /// Reads standard input on a thread of its own: a read that blocks must not keep Ctrl-C waiting.
    fn standard() -> Feed {
        let (sender, blocks) = sync_channel(BLOCKS_AHEAD);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            let mut odd = None;
            loop {
                let block = match io::stdin().lock().read(&mut bytes) {
                    Ok(0) => return,
                    Ok(count) => Ok(integers(&bytes[..count], &mut odd)),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(format!("standard input: {error}")),
                };
                let is_last = block.is_err();
                if sender.send(block).is_err() || is_last {
                    return;
                }
            }
        });
        Feed::Blocks { blocks, sample_rate: RAW_RATE_HZ, _device: None }
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> u32 {
        match self {
            Feed::File { sample_rate, .. } | Feed::Blocks { sample_rate, .. } => *sample_rate,
        }
    }

    /// Pushes everything and finishes the stream; stops early if told to.
    ///
    /// # Errors
    /// [`Failure`] if the input or the engine fails on the way.
    pub fn run(
        &mut self,
        mut stream: StreamInput,
        is_stopped: &AtomicBool,
        now: &dyn Fn() -> Time,
    ) -> Result<(), Failure> {
        let pushed = match self {
            Feed::File { samples, sample_rate, pace } => {
                push_file(&mut stream, samples, *sample_rate, *pace, is_stopped, now)
            }
            Feed::Blocks { blocks, .. } => push_blocks(&mut stream, blocks, is_stopped),
        };
        // Whatever has happened: what was pushed is decoded.
        let finished = stream.finish();
        pushed.and(finished.map_err(Failure::from))
    }
}

/// Raw bytes as samples; a byte without its other half waits in `odd`.
fn integers(bytes: &[u8], odd: &mut Option<u8>) -> Vec<i16> {
    let all = odd.take().into_iter().chain(bytes.iter().copied()).collect::<Vec<u8>>();
    let (pairs, rest) = all.as_chunks::<2>();
    *odd = rest.first().copied();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

fn push_blocks(
    stream: &mut StreamInput,
    blocks: &Receiver<Block>,
    is_stopped: &AtomicBool,
) -> Result<(), Failure> {
    while !is_stopped.load(Ordering::Relaxed) {
        match blocks.recv_timeout(LOOK_AGAIN) {
            Ok(Ok(block)) => stream.push_wait(&block)?,
            Ok(Err(message)) => {
                return Err(Failure::Input { message, hint: "what came before has been decoded" });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
    Ok(())
}

/// Every block is due at a time counted from the first, so that a delay is made up for and not passed on.
fn push_file(
    stream: &mut StreamInput,
    samples: &Samples,
    sample_rate: u32,
    pace: Pace,
    is_stopped: &AtomicBool,
    now: &dyn Fn() -> Time,
) -> Result<(), Failure> {
    let block = (sample_rate / BLOCKS_PER_SECOND) as usize;
    let begun = now();
    for start in (0..samples.len()).step_by(block) {
        if is_stopped.load(Ordering::Relaxed) {
            break;
        }
        let end = samples.len().min(start + block);
        let mut capture = now();
        if pace == Pace::Realtime {
            let due = begun.after(Duration::from_nanos(end as u64 * 1_000_000_000 / u64::from(sample_rate)));
            std::thread::sleep(due.since(capture));
            capture = due;
        }
        let mut from = start;
        while from < end {
            let taken = match samples {
                Samples::I16(samples) => stream.push_at(&samples[from..end], capture),
                Samples::F32(samples) => stream.push_at(&samples[from..end], capture),
            };
            from += taken?;
            if from < end {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_samples_however_they_are_cut() {
        let bytes: Vec<u8> = (0..=255).collect();
        let whole = integers(&bytes, &mut None);
        for size in [1, 2, 3, 7] {
            let mut odd = None;
            let parts: Vec<i16> = bytes.chunks(size).flat_map(|part| integers(part, &mut odd)).collect();
            assert_eq!(parts, whole, "{size}");
        }
    }

    #[test]
    fn inputs_are_named() {
        let parse = |name: &str| name.parse::<Input>().unwrap_or(Input::Standard);
        assert_eq!(parse("-"), Input::Standard);
        assert_eq!(parse("mic"), Input::Microphone);
        assert_eq!(parse("a.wav"), Input::File("a.wav".into()));
    }
}
