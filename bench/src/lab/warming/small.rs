//! A network of Moonshine's kind with little data: its dummy passes run the same code and touch few cache lines.

use crate::bootstrap::SplitMix;
use voxlane_models::decode::AttentionGreedy;
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::layers::conv::ConvWeights;
use voxlane_models::layers::linear::LinearWeights;
use voxlane_models::layers::linear::Precision;
use voxlane_models::networks::moonshine::weights::{
    AttentionWeights, DecoderLayerWeights, EncoderLayerWeights, MoonshineSizes, MoonshineWeights, StemWeights,
};

/// Channels; everything else follows.
const HIDDEN: usize = 40;
const VOCABULARY: usize = 512;

/// The network, with weights from noise.
pub fn network(precision: Precision) -> Moonshine<AttentionGreedy> {
    Moonshine::new(&Noise(SplitMix(1)).weights(), precision)
}

struct Noise(SplitMix);

impl Noise {
    fn values(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| ((self.0.bits() >> 40) as f32 / (1u32 << 23) as f32 - 1.0) * size).collect()
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
        (kernel, stride): (usize, usize),
        has_bias: bool,
    ) -> ConvWeights {
        ConvWeights { linear: self.linear(outputs, kernel * channels, has_bias), kernel, stride }
    }

    fn attention(&mut self) -> AttentionWeights {
        let mut square = || self.linear(HIDDEN, HIDDEN, false);
        AttentionWeights { query: square(), key: square(), value: square(), output: square() }
    }

    fn weights(&mut self) -> MoonshineWeights {
        let sizes = MoonshineSizes {
            hidden: HIDDEN,
            heads: 4,
            head_dim: 10,
            rotary_dim: 8,
            encoder_mlp: 100,
            decoder_mlp: 60,
            vocabulary: VOCABULARY,
        };
        let norm = || vec![1.0; HIDDEN];
        MoonshineWeights {
            rotary_frequencies: (0..4).map(|i| 10_000f32.powf(-(i as f32) / 4.0)).collect(),
            layer_norm_epsilon: 1e-5,
            stem: StemWeights {
                conv1: self.conv(HIDDEN, 1, (127, 64), false),
                norm_weight: norm(),
                norm_bias: vec![0.0; HIDDEN],
                norm_epsilon: 1e-5,
                conv2: self.conv(2 * HIDDEN, HIDDEN, (7, 3), true),
                conv3: self.conv(HIDDEN, 2 * HIDDEN, (3, 2), true),
            },
            encoder_layers: vec![EncoderLayerWeights {
                attention_norm: norm(),
                attention: self.attention(),
                mlp_norm: norm(),
                up: self.linear(sizes.encoder_mlp, HIDDEN, true),
                down: self.linear(HIDDEN, sizes.encoder_mlp, true),
            }],
            encoder_norm: norm(),
            embedding: self.values(VOCABULARY * HIDDEN, 0.5),
            decoder_layers: vec![DecoderLayerWeights {
                self_norm: norm(),
                self_attention: self.attention(),
                cross_norm: norm(),
                cross_attention: self.attention(),
                mlp_norm: norm(),
                up: self.linear(2 * sizes.decoder_mlp, HIDDEN, true),
                down: self.linear(HIDDEN, sizes.decoder_mlp, true),
            }],
            decoder_norm: norm(),
            sizes,
        }
    }
}
