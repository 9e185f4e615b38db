//! Samples of an upload, decoded piece by piece where blocking is allowed.

use super::error::RecordingError;
use super::upload::Upload;
use tokio::task::spawn_blocking;
use voxlane::audio::file::{AudioError, Block, Channels, Place, Problem, Reader, ReaderOptions, Samples};

/// Samples that are decoded at a time, at least: beyond them at most one block of the file.
const PIECE_SAMPLES: usize = 32_000;

/// An upload that is being decoded. No thread is held between two pieces.
pub(super) struct Decoding {
    reader: Reader,
    /// The most samples that are given.
    most: u64,
    most_s: u64,
    given: u64,
}

impl Decoding {
    /// Reads the header; of the audio at most `most_s` seconds are given.
    pub(super) async fn open(
        upload: Upload,
        channels: Channels,
        most_s: u64,
    ) -> Result<Self, RecordingError> {
        let open = move || {
            let name = upload.name();
            let options = ReaderOptions { channels, ..ReaderOptions::default() };
            let file = upload.open().map_err(|error| AudioError {
                path: name.to_path_buf(),
                problem: Problem::Io(error),
                place: Place::File,
            })?;
            Reader::from_file(name, file, options)
        };
        let reader = spawn_blocking(open).await.map_err(|_| RecordingError::Reader)??;
        let most = most_s.saturating_mul(u64::from(reader.sample_rate()));
        Ok(Decoding { reader, most, most_s, given: 0 })
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The next samples; none at the end. What is in front of an error has been given before.
    pub(super) async fn next(mut self) -> (Option<Self>, Piece) {
        let piece = move || {
            let mut samples = None;
            let end = loop {
                match self.reader.next_block() {
                    Ok(Some(block)) => append(&mut samples, block),
                    Ok(None) => break Some(Ok(())),
                    Err(error) => break Some(Err(RecordingError::Audio(error))),
                }
                if samples.as_ref().is_some_and(|samples: &Samples| samples.len() >= PIECE_SAMPLES) {
                    break None;
                }
            };
            self.given += samples.as_ref().map_or(0, |samples| samples.len() as u64);
            let end = if self.given > self.most {
                Some(Err(RecordingError::TooLong { most_s: self.most_s }))
            } else {
                end
            };
            (Some(self), Piece { samples, end })
        };
        let failed = |_| (None, Piece { samples: None, end: Some(Err(RecordingError::Reader)) });
        spawn_blocking(piece).await.unwrap_or_else(failed)
    }
}

/// What a step of decoding gives.
pub(super) struct Piece {
    pub(super) samples: Option<Samples>,
    /// Why nothing follows, if so.
    pub(super) end: Option<Result<(), RecordingError>>,
}

/// All blocks of a file are of one kind.
fn append(samples: &mut Option<Samples>, block: Block<'_>) {
    match (samples, block) {
        (Some(Samples::I16(all)), Block::I16(next)) => all.extend_from_slice(next),
        (Some(Samples::F32(all)), Block::F32(next)) => all.extend_from_slice(next),
        (samples, Block::I16(next)) => *samples = Some(Samples::I16(next.to_vec())),
        (samples, Block::F32(next)) => *samples = Some(Samples::F32(next.to_vec())),
    }
}
