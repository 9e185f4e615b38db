//! A file that comes in pieces, decoded as it comes.
//!
//! The library's readers ask for bytes and block until they have them, so each such stream has a thread of its own, which
//! lives no longer than its connection. Both sides take turns: the thread is given a piece when it wants one, gives the
//! samples that it holds, and wants the next. Neither holds more than that.

use super::Fault;
use axum::body::Bytes;
use std::io::{self, Read};
use std::sync::mpsc;
use std::thread;
use tokio::sync::mpsc as turns;
use voxlane::audio::file::{AudioError, Block, Reader, ReaderOptions, Samples};

/// What the thread may give before it is listened to.
const AHEAD: usize = 4;

/// What the file is called in messages.
const NAME: &str = "audio";

/// What the thread gives.
#[derive(Debug)]
pub(in super::super) enum Given {
    /// The header has been read, which says the rate.
    Opened(u32),
    /// Samples, the mean of the channels.
    Samples(Samples),
    /// An oddity of the file.
    Oddity(String),
    /// The next piece is wanted.
    Wanting,
    /// Nothing follows.
    End(Result<(), AudioError>),
}

/// See the module.
pub(in super::super) struct Container {
    /// Gone at the end of the audio.
    pieces: Option<mpsc::Sender<Bytes>>,
    given: turns::Receiver<Given>,
    is_wanting: bool,
    has_ended: bool,
}

impl Container {
    /// Starts a thread for a file.
    ///
    /// # Errors
    /// If the system gives none.
    pub(in super::super) fn start() -> io::Result<Self> {
        let (pieces, receiver) = mpsc::channel();
        let (sender, given) = turns::channel(AHEAD);
        thread::Builder::new().name("vox-container".into()).spawn(move || {
            // Nobody wants the rest where the other side has gone.
            let _ = read(receiver, &sender);
        })?;
        Ok(Container { pieces: Some(pieces), given, is_wanting: false, has_ended: false })
    }

    /// Gives the thread a piece, which must be wanted.
    pub(in super::super) fn give(&mut self, piece: Bytes) -> Result<(), Fault> {
        self.is_wanting = false;
        let is_taken = self.pieces.as_ref().is_some_and(|pieces| pieces.send(piece).is_ok());
        if is_taken { Ok(()) } else { Err(Fault::Reader) }
    }

    /// Tells the thread that nothing more comes.
    pub(in super::super) fn finish(&mut self) {
        self.pieces = None;
        self.is_wanting = false;
    }

    /// Whether a piece is wanted: then [`next`](Self::next) has nothing to give.
    pub(in super::super) fn is_wanting(&self) -> bool {
        self.is_wanting
    }

    /// Whether nothing follows any more.
    pub(in super::super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What the thread gives next.
    pub(in super::super) async fn next(&mut self) -> Result<Given, Fault> {
        let given = self.given.recv().await.ok_or(Fault::Reader)?;
        match &given {
            Given::Wanting => self.is_wanting = self.pieces.is_some(),
            Given::End(_) => self.has_ended = true,
            _ => {}
        }
        Ok(given)
    }
}

/// The other side has gone.
struct Gone;

/// Reads to the end of the audio, or until nobody listens.
fn read(pieces: mpsc::Receiver<Bytes>, out: &turns::Sender<Given>) -> Result<(), Gone> {
    let give = |given| out.blocking_send(given).map_err(|_| Gone);
    let wire = Wire { pieces, piece: Bytes::new(), out: out.clone() };
    let mut reader = match Reader::from_stream(NAME, Box::new(wire), ReaderOptions::default()) {
        Ok(reader) => reader,
        Err(error) => return give(Given::End(Err(error))),
    };
    give(Given::Opened(reader.sample_rate()))?;
    let mut told = 0;
    loop {
        let given = match reader.next_block() {
            Ok(Some(Block::I16(samples))) => Given::Samples(Samples::I16(samples.to_vec())),
            Ok(Some(Block::F32(samples))) => Given::Samples(Samples::F32(samples.to_vec())),
            Ok(None) => Given::End(Ok(())),
            Err(error) => Given::End(Err(error)),
        };
        for oddity in reader.warnings().iter().skip(told) {
            give(Given::Oddity(oddity.to_string()))?;
            told += 1;
        }
        let is_last = matches!(given, Given::End(_));
        give(given)?;
        if is_last {
            return Ok(());
        }
    }
}

/// The bytes of a file as they come.
struct Wire {
    pieces: mpsc::Receiver<Bytes>,
    /// What is left of the last.
    piece: Bytes,
    out: turns::Sender<Given>,
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            // At the end nobody need be told, and where nobody listens this is the end.
            if self.out.blocking_send(Given::Wanting).is_err() {
                return Ok(0);
            }
            match self.pieces.recv() {
                Ok(piece) => self.piece = piece,
                Err(_) => return Ok(0),
            }
        }
        let count = self.piece.len().min(out.len());
        out[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV file of 16-bit samples as a stream has it: without a length.
    fn wav(samples: &[i16]) -> Vec<u8> {
        let mut bytes = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend([8_000_u32, 16_000].iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(b"\x02\0\x10\0data\xFF\xFF\xFF\xFF");
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        bytes
    }

    #[test]
    fn samples_do_not_depend_on_the_pieces() {
        let samples: Vec<i16> = (0..20_000).map(|n| (n % 999) as i16).collect();
        let bytes = wav(&samples);
        for size in [1, 7, 1_000, bytes.len()] {
            // One byte at a time for the beginning, to save time.
            let count = if size == 1 { 9_044 } else { bytes.len() };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let heard = runtime.block_on(async {
                let mut container = Container::start().unwrap();
                let mut pieces = bytes[..count].chunks(size);
                let mut heard = Vec::new();
                while !container.has_ended() {
                    if container.is_wanting() {
                        match pieces.next() {
                            Some(piece) => container.give(Bytes::copy_from_slice(piece)).unwrap(),
                            None => container.finish(),
                        }
                    }
                    if let Given::Samples(Samples::I16(samples)) = container.next().await.unwrap() {
                        heard.extend(samples);
                    }
                }
                heard
            });
            assert_eq!(heard, samples[..(count - 44) / 2], "{size}");
        }
    }

    #[test]
    fn what_is_no_audio_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut container = Container::start().unwrap();
            assert!(matches!(container.next().await, Ok(Given::Wanting)));
            container.give(Bytes::from_static(b"hello, world, this is text")).unwrap();
            container.finish();
            loop {
                match container.next().await.unwrap() {
                    Given::End(end) => break assert!(end.is_err()),
                    Given::Wanting => {}
                    other => panic!("{other:?}"),
                }
            }
            assert!(container.next().await.is_err());
        });
    }
}
