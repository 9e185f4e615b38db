//! The convolutional stem over a whole segment.
//!
//! A convolution is a product with the windows of its input, laid out as the description of the weights has
//! them. Rows of `stride` frames each make the windows without copying frames one by one: window `i` is rows
//! `i, i+1, …` side by side, as far as the kernel reaches.

use crate::burn::dtype;
use crate::burn::layers::{Linear, Place};
use crate::device::Float;
use crate::layers::conv::Window;
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::weights::StemWeights;
use burn_tensor::activation::gelu;
use burn_tensor::backend::Backend;
use burn_tensor::{Int, Tensor};

/// The weights of the stem.
#[derive(Clone, Debug)]
pub(crate) struct Stem<B: Backend> {
    windows: [Window; 3],
    float: Float,
    conv1: Linear<B>,
    /// `1 × channels`.
    norm_weight: Tensor<B, 2>,
    norm_bias: Tensor<B, 2>,
    norm_epsilon: f32,
    conv2: Linear<B>,
    conv3: Linear<B>,
}

impl<B: Backend> Stem<B> {
    pub(crate) fn new(weights: &StemWeights, config: &Config, place: &Place<B>) -> Self {
        // The norm's sums run over millions of values: always in 32 bits.
        let exact = Place { float: Float::F32, ..place.clone() };
        let row = |values: &[f32]| exact.tensor(values.to_vec(), [1, values.len()]);
        Stem {
            windows: config.stem,
            float: place.float,
            conv1: Linear::new(&weights.conv1.linear, &exact),
            norm_weight: row(&weights.norm_weight),
            norm_bias: row(&weights.norm_bias),
            norm_epsilon: weights.norm_epsilon,
            conv2: Linear::new(&weights.conv2.linear, place),
            conv3: Linear::new(&weights.conv3.linear, place),
        }
    }

    /// `samples × 1` in 32 bits, of which padding follows those that give `frames` frames of the first convolution, →
    /// hidden frames.
    pub(crate) fn apply(&self, samples: Tensor<B, 2>, frames: usize) -> Tensor<B, 2> {
        let [conv1, conv2, conv3] = self.windows;
        let hidden = self.conv1.apply(windows(samples, conv1)).tanh();
        let normed = self.group_norm(hidden, frames).cast(dtype(self.float));
        let hidden = gelu(self.conv2.apply(windows(normed, conv2)));
        gelu(self.conv3.apply(windows(hidden, conv3)))
    }

    /// The norm over all channels of the first `frames` frames.
    fn group_norm(&self, hidden: Tensor<B, 2>, frames: usize) -> Tensor<B, 2> {
        let [padded, channels] = hidden.dims();
        let count = (frames * channels) as f32;
        let row = Tensor::<B, 1, Int>::arange(0..padded as i64, &hidden.device());
        let is_real = row.lower_elem(frames as i64).float().cast(hidden.dtype()).reshape([padded, 1]);
        let total = |values: Tensor<B, 2>| values.sum_dim(1).sum_dim(0);
        let mean = total(hidden.clone() * is_real.clone()) / count;
        let centered = hidden - mean;
        let variance = total(centered.clone() * centered.clone() * is_real) / count;
        let factor = (variance + self.norm_epsilon).sqrt().recip();
        centered * factor * self.norm_weight.clone() + self.norm_bias.clone()
    }
}

/// All windows of `frames × channels`, one row each: `kernel · channels` wide.
fn windows<B: Backend>(frames: Tensor<B, 2>, window: Window) -> Tensor<B, 2> {
    let [count, channels] = frames.dims();
    let Window { kernel, stride } = window;
    let (outputs, parts) = (window.outputs(count), kernel.div_ceil(stride));
    // Rows that the last window touches; what is missing of the very last row is never looked at.
    let rows = outputs + parts - 1;
    let missing = (rows * stride).saturating_sub(count);
    let frames = if missing == 0 {
        frames.slice([0..rows * stride, 0..channels])
    } else {
        let padding = Tensor::zeros([missing, channels], (&frames.device(), frames.dtype()));
        Tensor::cat(vec![frames, padding], 0)
    };
    let by_row = frames.reshape([rows, stride * channels]);
    let part = |index: usize| {
        let width = stride.min(kernel - index * stride) * channels;
        by_row.clone().slice([index..index + outputs, 0..width])
    };
    Tensor::cat((0..parts).map(part).collect(), 1)
}
