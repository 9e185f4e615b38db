//! Sizes and limits of a Moonshine network, from its weights.

use super::weights::{MoonshineSizes, MoonshineWeights};
use crate::formats::packed::packed_fields;
use crate::layers::conv::Window;
use crate::model::Limits;

/// Samples per second of the audio that Moonshine was trained on.
pub const SAMPLE_RATE_HZ: u32 = 16_000;
/// The longest segment: the network was trained on audio of up to 30 s.
pub const MAX_SEGMENT_S: usize = 30;
/// The token that decoding starts from.
pub const START_TOKEN: u32 = 1;
/// The token that ends a transcript.
pub const END_TOKEN: u32 = 2;
/// Most tokens per second of audio, as a fraction: 6.5.
const TOKENS_PER_S: (usize, usize) = (13, 2);

/// Everything about a network but its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Sizes of the layers.
    pub sizes: MoonshineSizes,
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Layers of the decoder.
    pub decoder_layers: usize,
    /// Added to the variance in every layer norm.
    pub layer_norm_epsilon: f32,
    /// The three convolutions of the stem, in order: samples → frames → frames → hidden frames.
    pub stem: [Window; 3],
}

packed_fields!(Config { sizes, encoder_layers, decoder_layers, layer_norm_epsilon, stem });

impl Config {
    /// Reads the sizes off `weights`.
    pub fn new(weights: &MoonshineWeights) -> Self {
        let stem = &weights.stem;
        Config {
            sizes: weights.sizes.clone(),
            encoder_layers: weights.encoder_layers.len(),
            decoder_layers: weights.decoder_layers.len(),
            layer_norm_epsilon: weights.layer_norm_epsilon,
            stem: [(&stem.conv1).into(), (&stem.conv2).into(), (&stem.conv3).into()],
        }
    }

    /// Frames after each of the three convolutions, for `samples` samples. All zero where the last is.
    pub fn stem_frames(&self, samples: usize) -> [usize; 3] {
        let first = self.stem[0].outputs(samples);
        let second = self.stem[1].outputs(first);
        let third = self.stem[2].outputs(second);
        if third == 0 { [0; 3] } else { [first, second, third] }
    }

    /// The most hidden frames that a segment gives.
    pub fn max_frames(&self) -> usize {
        self.stem_frames(self.limits().max_segment_samples)[2]
    }

    /// The most tokens that `samples` samples may give, the end token included: ⌈seconds · 6.5⌉ + 1.
    pub fn max_tokens(&self, samples: usize) -> usize {
        let (numerator, denominator) = TOKENS_PER_S;
        (samples * numerator).div_ceil(SAMPLE_RATE_HZ as usize * denominator) + 1
    }

    /// The factor of attention scores: 1/√(channels of a head).
    pub fn attention_scale(&self) -> f32 {
        1.0 / (self.sizes.head_dim as f32).sqrt()
    }

    /// What the network takes.
    pub fn limits(&self) -> Limits {
        let max_segment_samples = MAX_SEGMENT_S * SAMPLE_RATE_HZ as usize;
        let min_segment_samples = self.stem.iter().rev().fold(1, |frames, window| window.inputs(frames));
        Limits {
            sample_rate: SAMPLE_RATE_HZ,
            min_segment_samples,
            max_segment_samples,
            max_segment_tokens: self.max_tokens(max_segment_samples),
        }
    }
}
