//! The prepared weights of the stem.

use crate::formats::packed::{PackedError, packed_fields};
use crate::layers::check::{ensure, ensure_linear};
use crate::layers::conv::Window;
use crate::layers::linear::{Linear, Precision};
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::weights::StemWeights;

/// Far more than any stem has.
const MAX_CHANNELS: usize = 1 << 13;

/// The prepared weights of the stem.
pub(crate) struct Stem {
    pub(super) windows: [Window; 3],
    pub(super) channels: [usize; 3],
    pub(super) norm_epsilon: f64,
    pub(super) conv1: Linear,
    /// `W·g`, without bias.
    pub(super) conv2: Linear,
    /// `Σ(W·g)` for each output.
    pub(super) conv2_gain: Vec<f64>,
    /// `W·b + c` for each output.
    pub(super) conv2_offset: Vec<f64>,
    pub(super) conv3: Linear,
}

packed_fields!(Stem { windows, channels, norm_epsilon, conv1, conv2, conv2_gain, conv2_offset, conv3 });

impl Stem {
    pub(crate) fn new(weights: &StemWeights, config: &Config, precision: Precision) -> Self {
        let conv1 = &weights.conv1.linear;
        let conv2 = &weights.conv2.linear;
        let conv3 = &weights.conv3.linear;
        let (gain, offset) = (&weights.norm_weight, &weights.norm_bias);
        let channels = gain.len();
        let folded: Vec<f32> = conv2.weight.iter().enumerate().map(|(i, w)| w * gain[i % channels]).collect();
        let sum = |row: &[f32], by: &dyn Fn(usize) -> f64| -> f64 {
            row.iter().enumerate().map(|(i, &w)| f64::from(w) * by(i % channels)).sum()
        };
        let linear2 = Linear::new(&folded, None, conv2.outputs, precision);
        // Of the weights as they were rounded: the mean that their products contain is taken away exactly.
        let mut row = vec![0.0; conv2.inputs];
        let gain2 = |output| {
            linear2.weights(output, &mut row);
            sum(&row, &|_| 1.0)
        };
        let bias = |output: usize| conv2.bias.as_ref().map_or(0.0, |bias| f64::from(bias[output]));
        Stem {
            windows: config.stem,
            channels: [conv1.outputs, conv2.outputs, conv3.outputs],
            norm_epsilon: f64::from(weights.norm_epsilon),
            // Few weights, and the samples' range is large: always exact.
            conv1: conv1.pack(Precision::F32),
            conv2_gain: (0..conv2.outputs).map(gain2).collect(),
            conv2: linear2,
            conv2_offset: (conv2.weight.chunks_exact(conv2.inputs).enumerate())
                .map(|(output, row)| bias(output) + sum(row, &|i| f64::from(offset[i])))
                .collect(),
            // Inputs of a wide range, and a small share of the time: rounding it alone made most of what 8 bits cost in
            // words (docs/measurements.md).
            conv3: conv3.pack(Precision::F32),
        }
    }

    /// Channels after each convolution.
    pub(crate) fn channels(&self) -> [usize; 3] {
        self.channels
    }

    /// Whether it is the stem of such a network.
    pub(crate) fn check(&self, config: &Config, precision: Precision) -> Result<(), PackedError> {
        let [first, second, third] = self.channels;
        let [conv1, conv2, conv3] = self.windows;
        ensure(self.windows == config.stem, "the stem's convolutions are not the network's")?;
        ensure(third == config.sizes.hidden, "the stem does not make hidden frames")?;
        ensure(first.max(second) <= MAX_CHANNELS, "the stem has too many channels")?;
        ensure_linear(&self.conv1, (first, conv1.kernel), Precision::F32)?;
        ensure_linear(&self.conv2, (second, conv2.kernel * first), precision)?;
        ensure_linear(&self.conv3, (third, conv3.kernel * second), Precision::F32)?;
        let lengths = [self.conv2_gain.len(), self.conv2_offset.len()];
        ensure(lengths == [second; 2], "the stem's norm has not a value for each channel")?;
        let epsilon = self.norm_epsilon;
        ensure(epsilon.is_finite() && epsilon >= 0.0, "the stem's epsilon is not a small number")
    }
}
