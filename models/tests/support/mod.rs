//! A small network with random weights, and noise to run it on: for what must hold whatever the weights.

use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::layers::conv::ConvWeights;
use voxlane_models::layers::linear::LinearWeights;
use voxlane_models::layers::linear::Precision;
use voxlane_models::networks::moonshine::weights::{
    AttentionWeights, DecoderLayerWeights, EncoderLayerWeights, MoonshineSizes, MoonshineWeights, StemWeights,
};

/// Reproducible noise (a 64-bit linear congruential generator, upper bits).
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Evenly spread over all values.
    pub fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.bits() as usize % end
    }

    /// From -1 to 1.
    pub fn value(&mut self) -> f32 {
        self.bits() as f32 / u32::MAX as f32 * 2.0 - 1.0
    }

    /// Audio with slowly changing loudness.
    pub fn samples(&mut self, count: usize) -> Vec<i16> {
        let loudness = |i: usize| 3000.0 + 2500.0 * (i as f32 / 5000.0).sin();
        (0..count).map(|i| (self.value() * loudness(i)) as i16).collect()
    }

    fn values(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| self.value() * size).collect()
    }

    fn norm(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| 1.0 + 0.2 * self.value()).collect()
    }

    fn linear(&mut self, outputs: usize, inputs: usize, has_bias: bool) -> LinearWeights {
        let weight = self.values(outputs * inputs, (3.0 / inputs as f32).sqrt());
        let bias = has_bias.then(|| self.values(outputs, 0.1));
        LinearWeights { weight, bias, outputs, inputs }
    }

    fn conv(
        &mut self,
        outputs: usize,
        channels: usize,
        window: (usize, usize),
        has_bias: bool,
    ) -> ConvWeights {
        let (kernel, stride) = window;
        ConvWeights { linear: self.linear(outputs, kernel * channels, has_bias), kernel, stride }
    }

    fn attention(&mut self, hidden: usize) -> AttentionWeights {
        AttentionWeights {
            query: self.linear(hidden, hidden, false),
            key: self.linear(hidden, hidden, false),
            value: self.linear(hidden, hidden, false),
            output: self.linear(hidden, hidden, false),
        }
    }

    /// A network of Moonshine's shape: the same convolutions over time, everything else smaller.
    pub fn weights(&mut self) -> MoonshineWeights {
        let sizes = MoonshineSizes {
            hidden: 40,
            heads: 4,
            head_dim: 10,
            rotary_dim: 8,
            encoder_mlp: 100,
            decoder_mlp: 60,
            vocabulary: 1100,
        };
        let hidden = sizes.hidden;
        MoonshineWeights {
            rotary_frequencies: (0..4).map(|i| 10_000f32.powf(-(i as f32) / 4.0)).collect(),
            layer_norm_epsilon: 1e-5,
            stem: StemWeights {
                conv1: self.conv(hidden, 1, (127, 64), false),
                norm_weight: self.norm(hidden),
                norm_bias: self.values(hidden, 0.2),
                norm_epsilon: 1e-5,
                conv2: self.conv(2 * hidden, hidden, (7, 3), true),
                conv3: self.conv(hidden, 2 * hidden, (3, 2), true),
            },
            encoder_layers: (0..2)
                .map(|_| EncoderLayerWeights {
                    attention_norm: self.norm(hidden),
                    attention: self.attention(hidden),
                    mlp_norm: self.norm(hidden),
                    up: self.linear(sizes.encoder_mlp, hidden, true),
                    down: self.linear(hidden, sizes.encoder_mlp, true),
                })
                .collect(),
            encoder_norm: self.norm(hidden),
            // Large, so that the network is sure of what it says: doubtful text is suppressed.
            embedding: self.values(sizes.vocabulary * hidden, 2.0),
            decoder_layers: (0..2)
                .map(|_| DecoderLayerWeights {
                    self_norm: self.norm(hidden),
                    self_attention: self.attention(hidden),
                    cross_norm: self.norm(hidden),
                    cross_attention: self.attention(hidden),
                    mlp_norm: self.norm(hidden),
                    up: self.linear(2 * sizes.decoder_mlp, hidden, true),
                    down: self.linear(hidden, sizes.decoder_mlp, true),
                })
                .collect(),
            decoder_norm: self.norm(hidden),
            sizes,
        }
    }
}

/// The small network.
pub fn network() -> Moonshine {
    Moonshine::new(&Noise::new(1).weights(), Precision::F32)
}
