//! Samples without a header that arrive in pieces of any length, as network messages do.

use super::block::Block;
use super::error::{Place, Problem};
use super::mix::{Channels, Mixer};
use super::raw::RawFormat;
use super::sample::{Decoded, Encoding};
use super::source::{Part, Shape};
use super::warning::Warnings;

/// The most bytes that are decoded at once: what a piece takes in memory does not grow with it.
const BLOCK_BYTES: usize = 1 << 14;

/// A decoder of samples without a header that are pushed in pieces: what comes out does not depend on how they are split.
/// A sample that is cut in two waits for its other half.
///
/// ```
/// use voxlane::audio::file::{Block, Channels, Pieces, RawEncoding, RawFormat};
///
/// let format = RawFormat { encoding: RawEncoding::S16Le, sample_rate: 16_000, channels: 2 };
/// let mut pieces = Pieces::new(format, &[Channels::One(0), Channels::One(1)])?;
/// let mut heard = [Vec::new(), Vec::new()];
/// for piece in [&[1, 0, 2][..], &[0, 3, 0, 4, 0]] {
///     pieces.push(piece, |output, block| {
///         let Block::I16(samples) = block else { return };
///         heard[output].extend_from_slice(samples);
///     })?;
/// }
/// assert_eq!(heard, [[1, 3], [2, 4]]);
/// assert_eq!(pieces.held(), 0);
/// # Ok::<(), voxlane::audio::file::Problem>(())
/// ```
pub struct Pieces {
    format: RawFormat,
    frame_bytes: usize,
    /// The first bytes of a frame that is not yet whole.
    held: Vec<u8>,
    decoded: Decoded,
    outputs: Vec<Mixer>,
    warnings: Warnings,
}

impl Pieces {
    /// Creates a decoder with an output for each of `choices`: one channel, or the mean of all.
    ///
    /// # Errors
    /// [`Problem`] for a rate or a number of channels that is not taken, and for a channel that is not there.
    pub fn new(format: RawFormat, choices: &[Channels]) -> Result<Self, Problem> {
        let RawFormat { encoding, sample_rate, channels } = format;
        let fault = |(problem, _): (Problem, Place)| problem;
        Shape { sample_rate, channels }.check(Place::File).map_err(fault)?;
        let outputs = choices.iter().map(|&choice| Mixer::new(choice, sample_rate, channels));
        Ok(Pieces {
            format,
            frame_bytes: encoding.number().bytes() * channels,
            held: Vec::new(),
            decoded: Decoded::default(),
            outputs: outputs.collect::<Result<_, _>>().map_err(fault)?,
            warnings: Warnings::default(),
        })
    }

    /// Decodes a piece, and calls `give` with samples of each output, in order; not for an output without any. The mean of
    /// several channels is given out in blocks of 100 ms, or [before](Self::flush).
    ///
    /// # Errors
    /// [`Problem::Sample`] for a sample that is no audio, with its place among all. What is in front of it has been given.
    pub fn push(&mut self, mut piece: &[u8], mut give: impl FnMut(usize, Block<'_>)) -> Result<(), Problem> {
        if !self.held.is_empty() {
            let missing = self.frame_bytes - self.held.len();
            let (front, rest) = piece.split_at(missing.min(piece.len()));
            self.held.extend_from_slice(front);
            piece = rest;
            if self.held.len() < self.frame_bytes {
                return Ok(());
            }
            let frame = std::mem::take(&mut self.held);
            let decoded = self.decode(&frame, &mut give);
            self.held = frame;
            self.held.clear();
            decoded?;
        }
        let whole = piece.len() - piece.len() % self.frame_bytes;
        let block = (BLOCK_BYTES / self.frame_bytes).max(1) * self.frame_bytes;
        for bytes in piece[..whole].chunks(block) {
            self.decode(bytes, &mut give)?;
        }
        self.held.extend_from_slice(&piece[whole..]);
        Ok(())
    }

    /// Gives out what waits for the rest of its block, so that all whole frames pushed so far have been given.
    pub fn flush(&mut self, mut give: impl FnMut(usize, Block<'_>)) {
        for (number, output) in self.outputs.iter_mut().enumerate() {
            output.finish(&mut self.warnings);
            hand_over(number, output, &mut give);
        }
    }

    /// Returns the number of bytes that wait for the rest of their frame: at the end of the audio they are lost.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn decode(&mut self, bytes: &[u8], give: &mut impl FnMut(usize, Block<'_>)) -> Result<(), Problem> {
        let encoding = Encoding { number: self.format.encoding.number(), is_big_endian: false };
        let samples = self.decoded.decode(bytes, encoding);
        for (number, output) in self.outputs.iter_mut().enumerate() {
            let part = Part { channels: self.format.channels, samples };
            let pushed = output.push(part, &mut self.warnings);
            hand_over(number, output, give);
            pushed.map_err(|(problem, _)| problem)?;
        }
        Ok(())
    }
}

fn hand_over(number: usize, output: &mut Mixer, give: &mut impl FnMut(usize, Block<'_>)) {
    if !output.block().is_empty() {
        give(number, output.block());
        output.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw_encoding::RawEncoding;
    use super::*;
    use proptest::prelude::*;

    /// All samples of the outputs of `choices`, as floats in steps of 16 bits.
    fn heard(format: RawFormat, choices: &[Channels], pieces: &[&[u8]]) -> Vec<Vec<f32>> {
        let mut heard = vec![Vec::new(); choices.len()];
        let mut decoder = Pieces::new(format, choices).unwrap();
        let mut give = |output: usize, block: Block<'_>| match block {
            Block::I16(samples) => heard[output].extend(samples.iter().map(|&sample| f32::from(sample))),
            Block::F32(samples) => heard[output].extend(samples.iter().map(|&sample| sample * 32_768.0)),
        };
        for piece in pieces {
            decoder.push(piece, &mut give).unwrap();
        }
        decoder.flush(&mut give);
        heard
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_samples(
            bytes in proptest::collection::vec(any::<u8>(), 0..4_000),
            cuts in proptest::collection::vec(0_usize..4_000, 0..12),
            channels in 1_usize..4,
            encoding in prop_oneof![Just(RawEncoding::S16Le), Just(RawEncoding::MuLaw), Just(RawEncoding::ALaw)],
        ) {
            let format = RawFormat { encoding, sample_rate: 8_000, channels };
            let mut choices: Vec<_> = (0..channels).map(Channels::One).collect();
            choices.push(Channels::Mix);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let pieces: Vec<_> = std::iter::once(0).chain(cuts.iter().copied()).zip(ends)
                .map(|(from, to)| &bytes[from..to]).collect();
            prop_assert_eq!(heard(format, &choices, &pieces), heard(format, &choices, &[&bytes]));
        }
    }

    #[test]
    fn a_sample_that_is_no_audio_is_named_and_what_is_before_it_given() {
        let format = RawFormat { encoding: RawEncoding::F32Le, sample_rate: 16_000, channels: 1 };
        let mut pieces = Pieces::new(format, &[Channels::One(0)]).unwrap();
        let bytes: Vec<u8> =
            [0.5_f32, f32::NAN, 0.25].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut given = Vec::new();
        let error = pieces.push(&bytes, |_, block| {
            if let Block::F32(samples) = block {
                given.extend_from_slice(samples);
            }
        });
        assert!(error.unwrap_err().to_string().contains("sample 1"));
        assert_eq!(given, [0.5]);
    }

    #[test]
    fn absurd_formats_are_refused() {
        let format = RawFormat { encoding: RawEncoding::MuLaw, sample_rate: 8_000, channels: 0 };
        assert!(Pieces::new(format, &[Channels::Mix]).is_err());
        assert!(
            Pieces::new(RawFormat { channels: 1, sample_rate: 100, ..format }, &[Channels::Mix]).is_err()
        );
        assert!(Pieces::new(RawFormat { channels: 1, ..format }, &[Channels::One(1)]).is_err());
    }
}
