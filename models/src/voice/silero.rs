//! The Silero voice activity detector (Silero Team, "Silero VAD", version 6) on our kernels.
//!
//! For each 512 samples: the 64 samples before them, the samples, and 64 more by reflection at the end; a
//! short-time Fourier transform (window 256, step 128: four frames) and its magnitudes; four convolutions with
//! ReLU; one LSTM step; ReLU; a product with one row; the logistic function.

use super::{VOICE_FRAME_SAMPLES, VoiceDetector};
use crate::arena::Arena;
use crate::buffer::Buffer;
use crate::formats::onnx::OnnxError;
use crate::layers::conv::ConvWeights;
use crate::layers::linear::{Linear, Precision, Then};
use crate::model::Slot;
use crate::networks::silero::SileroWeights;
use std::sync::Arc;
use thiserror::Error;
use voxlane_kernels::gemm::Activation;
use voxlane_kernels::lstm;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::{activation, convert};

/// Samples before a frame that its decision looks at.
const CONTEXT_SAMPLES: usize = 64;
/// Samples that are added at the end, by reflection.
const REFLECTED_SAMPLES: usize = 64;
/// What the transform looks at.
const WINDOW_SAMPLES: usize = CONTEXT_SAMPLES + VOICE_FRAME_SAMPLES + REFLECTED_SAMPLES;
/// Frames of zeros on either side of a convolution's input.
const PADDING: usize = 1;

/// Why a file gave no detector. Trying again does not help, except where the file system refused.
#[derive(Debug, Error)]
pub enum SileroError {
    /// The file cannot be read, or holds another network.
    #[error(transparent)]
    File(#[from] OnnxError),
    /// A network of this kind, in a size that does not give one probability for each frame of audio.
    #[error("{what}: wrong size (expected {expected}, found {found})")]
    Size {
        /// What has another size.
        what: &'static str,
        /// What it would have to be.
        expected: usize,
        /// What it is.
        found: usize,
    },
}

/// The network, prepared. Cloning shares the weights.
#[derive(Clone, Debug)]
pub struct Silero {
    network: Arc<Network>,
}

#[derive(Debug)]
struct Network {
    spectrum: Conv,
    convs: [Conv; 4],
    gates: Linear,
    output: Linear,
    /// Of the LSTM's state.
    size: usize,
}

/// A convolution over a given number of frames.
#[derive(Debug)]
struct Conv {
    linear: Linear,
    /// Values from the start of one window to the next.
    stride: usize,
    /// Results.
    frames: usize,
}

impl Conv {
    /// Over `inputs` frames of `channels` values, padding included.
    fn new(weights: &ConvWeights, inputs: usize, channels: usize) -> Result<Self, SileroError> {
        let ConvWeights { linear, kernel, stride } = weights;
        if channels == 0 {
            return Err(SileroError::Size { what: "a convolution's channels", expected: 1, found: 0 });
        }
        expect("a convolution's row", kernel * channels, linear.inputs)?;
        let steps = inputs.checked_sub(*kernel).ok_or(SileroError::Size {
            what: "a convolution's window",
            expected: inputs,
            found: *kernel,
        })?;
        let (stride, frames) = (stride * channels, steps / stride + 1);
        Ok(Conv { linear: linear.pack(Precision::F32), stride, frames })
    }

    /// Values of the result.
    fn len(&self) -> usize {
        self.frames * self.linear.outputs()
    }

    fn apply(&self, input: &[f32], then: Then, out: &mut [f32], arena: &Arena) {
        let rows = Rows::new(input, self.stride, self.frames);
        self.linear.apply(rows, then, RowsMut::dense(out, self.linear.outputs()), arena);
    }
}

fn expect(what: &'static str, expected: usize, found: usize) -> Result<(), SileroError> {
    if expected == found { Ok(()) } else { Err(SileroError::Size { what, expected, found }) }
}

impl Silero {
    /// Prepares the network.
    ///
    /// # Errors
    /// [`SileroError::Size`] where the sizes do not fit each other, or a frame of audio does not come down to
    /// one frame of features.
    pub fn new(weights: &SileroWeights) -> Result<Self, SileroError> {
        let spectrum = Conv::new(&weights.spectrum, WINDOW_SAMPLES, 1)?;
        let (mut frames, mut channels) = (spectrum.frames, spectrum.linear.outputs() / 2);
        let mut conv = |weights: &ConvWeights| {
            let conv = Conv::new(weights, frames + 2 * PADDING, channels)?;
            (frames, channels) = (conv.frames, conv.linear.outputs());
            Ok::<_, SileroError>(conv)
        };
        let [first, second, third, fourth] = &weights.convs;
        let convs = [conv(first)?, conv(second)?, conv(third)?, conv(fourth)?];
        expect("the number of feature frames", 1, frames)?;
        expect("inputs of the recurrent layer", 2 * channels, weights.gates.inputs)?;
        expect("outputs of the recurrent layer", 4 * channels, weights.gates.outputs)?;
        expect("inputs of the last layer", channels, weights.output.inputs)?;
        expect("outputs of the last layer", 1, weights.output.outputs)?;
        let (gates, output) = (weights.gates.pack(Precision::F32), weights.output.pack(Precision::F32));
        Ok(Silero { network: Arc::new(Network { spectrum, convs, gates, output, size: channels }) })
    }

    /// A detector with `slots` states of 64 samples and two rows of the recurrent layer.
    pub fn detector(&self, slots: usize) -> SileroDetector {
        let network = &self.network;
        let slot = SlotState {
            context: [0; CONTEXT_SAMPLES],
            joined: Buffer::zeros(2 * network.size),
            cell: Buffer::zeros(network.size),
        };
        // Each convolution's input lies between frames of zeros, which stay as they are.
        let padded = |conv: &Conv| {
            let values = conv.linear.outputs() * (conv.frames + 2 * PADDING);
            Buffer::zeros(values)
        };
        let [first, second, third, _] = &network.convs;
        let magnitudes = network.spectrum.linear.outputs() / 2 * (network.spectrum.frames + 2 * PADDING);
        SileroDetector {
            window: Buffer::zeros(WINDOW_SAMPLES),
            spectrum: Buffer::zeros(network.spectrum.len()),
            inputs: [Buffer::zeros(magnitudes), padded(first), padded(second), padded(third)],
            gates: Buffer::zeros(4 * network.size),
            active: Buffer::zeros(network.size),
            slots: vec![slot; slots],
            // Products in f32 take no scratch memory.
            arena: Arena::for_lengths(&[]),
            network: Arc::clone(network),
        }
    }
}

/// [`Silero`] with the state of its slots.
pub struct SileroDetector {
    network: Arc<Network>,
    slots: Vec<SlotState>,
    window: Buffer,
    spectrum: Buffer,
    /// Of the four convolutions.
    inputs: [Buffer; 4],
    gates: Buffer,
    /// The hidden state through ReLU.
    active: Buffer,
    arena: Arena,
}

/// What a slot carries over from one frame to the next.
#[derive(Clone)]
struct SlotState {
    context: [i16; CONTEXT_SAMPLES],
    /// The features of the frame, then the hidden state: what the gates are computed from.
    joined: Buffer,
    cell: Buffer,
}

impl SileroDetector {
    /// Like [`VoiceDetector::step`], for the samples times `gain`. The gain may change from window to window: each is
    /// scaled as a whole, with the end of the one before.
    ///
    /// # Panics
    /// If the detector was made with fewer slots.
    pub fn step_with_gain(&mut self, slot: Slot, samples: &[i16; VOICE_FRAME_SAMPLES], gain: f32) -> f32 {
        let network = &*self.network;
        let SlotState { context, joined, cell } = &mut self.slots[slot];
        frame(context, samples, &mut self.window);
        self.window.iter_mut().for_each(|sample| *sample *= gain);
        context.copy_from_slice(&samples[VOICE_FRAME_SAMPLES - CONTEXT_SAMPLES..]);

        network.spectrum.apply(&self.window, Then::Store, &mut self.spectrum, &self.arena);
        magnitudes(&self.spectrum, network.spectrum.linear.outputs() / 2, &mut self.inputs[0]);
        let then = Then::Activate(Activation::Relu);
        let (features, _) = joined.split_at_mut(network.size);
        for (index, conv) in network.convs.iter().enumerate() {
            let (inputs, outputs) = self.inputs.split_at_mut(index + 1);
            let out = match outputs.first_mut() {
                Some(next) => &mut next[PADDING * conv.linear.outputs()..][..conv.len()],
                None => &mut *features,
            };
            conv.apply(&inputs[index], then, out, &self.arena);
        }
        network.gates.apply(Rows::one(joined), Then::Store, RowsMut::one(&mut self.gates), &self.arena);
        let (_, hidden) = joined.split_at_mut(network.size);
        lstm::step(Rows::one(&self.gates), network.size, RowsMut::one(cell), RowsMut::one(hidden));
        self.active.copy_from_slice(hidden);
        activation::relu(&mut self.active);
        let mut probability = [0.0];
        let out = RowsMut::one(&mut probability);
        network.output.apply(Rows::one(&self.active), Then::Store, out, &self.arena);
        activation::sigmoid(&mut probability);
        probability[0]
    }
}

impl VoiceDetector for SileroDetector {
    fn step(&mut self, slot: Slot, samples: &[i16; VOICE_FRAME_SAMPLES]) -> f32 {
        self.step_with_gain(slot, samples, 1.0)
    }

    fn reset(&mut self, slot: Slot) {
        let SlotState { context, joined, cell } = &mut self.slots[slot];
        context.fill(0);
        joined.fill(0.0);
        cell.fill(0.0);
    }
}

/// Context, samples, and the reflection of the last samples: `… c b a b c …`, where `a` is the last one.
fn frame(context: &[i16; CONTEXT_SAMPLES], samples: &[i16; VOICE_FRAME_SAMPLES], window: &mut [f32]) {
    let (given, reflected) = window.split_at_mut(CONTEXT_SAMPLES + VOICE_FRAME_SAMPLES);
    let (before, now) = given.split_at_mut(CONTEXT_SAMPLES);
    convert::i16_to_f32(context, before);
    convert::i16_to_f32(samples, now);
    let mirrored = given.iter().rev().skip(1);
    reflected.iter_mut().zip(mirrored).for_each(|(out, &value)| *out = value);
}

/// `sqrt(re² + im²)` for rows of `bins` real parts and `bins` imaginary parts, behind the padding of `out`.
fn magnitudes(spectrum: &[f32], bins: usize, out: &mut [f32]) {
    let rows = spectrum.chunks_exact(2 * bins).zip(out[PADDING * bins..].chunks_exact_mut(bins));
    for (row, out) in rows {
        let (re, im) = row.split_at(bins);
        for ((out, re), im) in out.iter_mut().zip(re).zip(im) {
            *out = (re * re + im * im).sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_holds_context_samples_and_their_reflection() {
        let context = std::array::from_fn(|i| i as i16);
        let samples = std::array::from_fn(|i| 64 + i as i16);
        let mut window = vec![0.0; WINDOW_SAMPLES];
        frame(&context, &samples, &mut window);
        let value = |i: usize| (window[i] * 32768.0) as i16;
        assert!((0..576).all(|i| value(i) == i as i16));
        assert!((0..64).all(|i| value(576 + i) == 574 - i as i16));
    }
}
