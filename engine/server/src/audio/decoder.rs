//! From messages to samples of each stream.

use super::format::{AudioError, AudioFormat, ChannelMode};
use voxlane::audio::file::{Block, Pieces};

/// A decoder of one connection's audio. Samples do not depend on how bytes are split over messages; one that is cut in two
/// waits for its other half. Holds the samples of one message at most.
///
/// ```
/// use voxlane::audio::file::Block;
/// use voxlane_server::audio::{AudioFormat, ChannelMode, Decoder, Encoding};
///
/// let format = AudioFormat { encoding: Encoding::Linear16, sample_rate: 8_000, channels: 2 };
/// let mut decoder = Decoder::new(format, ChannelMode::Separate, 8)?;
/// decoder.push(&[1, 0, 2])?;
/// assert!(decoder.block(0).is_empty());
/// decoder.push(&[0, 3, 0, 4, 0])?;
/// assert_eq!((decoder.streams(), decoder.block(1)), (2, Block::I16(&[2, 4])));
/// # Ok::<(), voxlane_server::audio::AudioError>(())
/// ```
pub struct Decoder {
    pieces: Pieces,
    outputs: Vec<Output>,
}

/// The samples of one stream: of one kind or the other.
#[derive(Default)]
struct Output {
    integers: Vec<i16>,
    floats: Vec<f32>,
}

impl Output {
    fn take(&mut self, block: Block<'_>) {
        match block {
            Block::I16(samples) => self.integers.extend_from_slice(samples),
            Block::F32(samples) => self.floats.extend_from_slice(samples),
        }
    }

    fn clear(&mut self) {
        self.integers.clear();
        self.floats.clear();
    }
}

impl Decoder {
    /// Creates a decoder; of separate channels there may be at most `most`.
    ///
    /// # Errors
    /// [`AudioError`] for a rate or a number of channels that is not taken.
    pub fn new(format: AudioFormat, mode: ChannelMode, most: usize) -> Result<Self, AudioError> {
        let choices = format.streams(mode, most)?;
        let pieces = Pieces::new(format.raw(), &choices).map_err(AudioError::Sample)?;
        let outputs = choices.iter().map(|_| Output::default()).collect();
        Ok(Decoder { pieces, outputs })
    }

    /// Returns the number of streams that the audio is for.
    pub fn streams(&self) -> usize {
        self.outputs.len()
    }

    /// Decodes a message in place of the one before.
    ///
    /// # Errors
    /// [`AudioError::Sample`] for a sample that is no audio; what is in front of it can be had.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), AudioError> {
        self.outputs.iter_mut().for_each(Output::clear);
        let outputs = &mut self.outputs;
        self.pieces.push(bytes, |stream, block| outputs[stream].take(block)).map_err(AudioError::Sample)
    }

    /// Gives out, in place of the message before, what the mean of several channels holds back: up to 100 ms. To be called
    /// before a marker, the end of a segment, and the end of the audio.
    pub fn flush(&mut self) {
        self.outputs.iter_mut().for_each(Output::clear);
        let outputs = &mut self.outputs;
        self.pieces.flush(|stream, block| outputs[stream].take(block));
    }

    /// Returns the last message's samples for a stream, counted from 0; nothing for one that there is not.
    pub fn block(&self, stream: usize) -> Block<'_> {
        match self.outputs.get(stream) {
            Some(output) if output.integers.is_empty() => Block::F32(&output.floats),
            Some(output) => Block::I16(&output.integers),
            None => Block::F32(&[]),
        }
    }

    /// Returns the number of bytes that wait for the rest of their frame: at the end of the audio they are lost.
    pub fn held(&self) -> usize {
        self.pieces.held()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Encoding;
    use super::*;

    const FORMAT: AudioFormat = AudioFormat { encoding: Encoding::Linear32, sample_rate: 8_000, channels: 2 };

    #[test]
    fn a_mean_that_is_held_back_comes_with_a_flush() {
        let mut decoder = Decoder::new(FORMAT, ChannelMode::Mixed, 8).unwrap();
        let bytes: Vec<u8> = [0.5_f32, 0.25].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        decoder.push(&bytes).unwrap();
        assert!(decoder.block(0).is_empty());
        decoder.flush();
        assert_eq!(decoder.block(0), Block::F32(&[0.375]));
        decoder.flush();
        assert!(decoder.block(0).is_empty());
    }

    #[test]
    fn absurd_formats_are_refused_by_field() {
        let code = |format, mode| Decoder::new(format, mode, 8).err().map(|error| error.code());
        let many = AudioFormat { channels: 9, ..FORMAT };
        assert_eq!(code(many, ChannelMode::Separate), Some("audio.channels"));
        assert_eq!(code(many, ChannelMode::Mixed), None);
        assert_eq!(code(AudioFormat { channels: 0, ..FORMAT }, ChannelMode::Mixed), Some("audio.channels"));
        let slow = AudioFormat { sample_rate: 10, ..FORMAT };
        assert_eq!(code(slow, ChannelMode::Mixed), Some("audio.sample_rate"));
    }
}
