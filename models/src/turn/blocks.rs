//! What is done to a panel of frames at a time: everything but attention itself.

use super::attention::Attention;
use super::network::{Layer, Network};
use crate::buffer::Buffer;
use crate::layers::norm::NormWeights;
use crate::layers::static_grid::{Grid, GridLinear};
use crate::networks::smart_turn::{FRAMES, INNER, KERNEL, MELS, POOL, POSITIONS, WIDTH};
use voxlane_kernels::gemm::PANEL;
use voxlane_kernels::gemm::i8::QuantizedRows;
use voxlane_kernels::grid::{Function, requantize, requantize_transposed, restore, round};
use voxlane_kernels::norm::layer_norm_in_eights;
use voxlane_kernels::rows::{Rows, RowsMut};

/// Frames of zeros on either side of a convolution's input.
const PADDING: usize = 1;

/// The values of all frames, and working memory for a panel of them.
pub(super) struct Frames {
    /// `FRAMES × MELS`, rounded, between frames of zeros.
    features: Buffer<u8>,
    /// `FRAMES × WIDTH`, likewise.
    between: Buffer<u8>,
    /// `POSITIONS × WIDTH`.
    trunk: Buffer,
    /// The frames that are pooled, `POSITIONS × WIDTH`, rounded.
    pooled: Buffer<u8>,
    steps: Buffer,
    normed: Buffer,
    narrow: Buffer<u8>,
    wide: Buffer<u8>,
    /// What the last part of a layer takes, of all frames: a product's weights stay in the cache while they pass by.
    narrow_all: Buffer<u8>,
    /// What lies between its products.
    wide_all: Buffer<u8>,
    ones: [f32; PANEL],
}

impl Frames {
    pub(super) fn new(network: &Network) -> Self {
        let mut features = Buffer::zeros((FRAMES + 2 * PADDING) * MELS);
        features.fill(network.features.zero_point);
        let mut between = Buffer::zeros((FRAMES + 2 * PADDING) * WIDTH);
        between.fill(network.between.zero_point);
        Frames {
            features,
            between,
            trunk: Buffer::zeros(POSITIONS * WIDTH),
            pooled: Buffer::zeros(POSITIONS * WIDTH),
            steps: Buffer::zeros(PANEL * INNER),
            normed: Buffer::zeros(PANEL * WIDTH),
            narrow: Buffer::zeros(PANEL * WIDTH),
            wide: Buffer::zeros(PANEL * WIDTH.max(POOL)),
            narrow_all: Buffer::zeros(POSITIONS * WIDTH),
            wide_all: Buffer::zeros(POSITIONS * INNER),
            ones: [1.0; PANEL],
        }
    }

    /// Where the features of all frames go, rounded.
    pub(super) fn features_mut(&mut self) -> &mut [u8] {
        &mut self.features[PADDING * MELS..][..FRAMES * MELS]
    }

    /// The frames that are pooled.
    pub(super) fn pooled(&self) -> &[u8] {
        &self.pooled
    }

    /// The first convolution, for a panel of the front end's frames.
    pub(super) fn first(&mut self, network: &Network, panel: usize) {
        let conv = &network.first;
        let rows =
            QuantizedRows::new(&self.features[panel * PANEL * MELS..], &self.ones, KERNEL * MELS, MELS);
        let steps = &mut self.steps[..PANEL * WIDTH];
        conv.apply(&rows, RowsMut::dense(steps, WIDTH));
        let out = &mut self.between[(panel * PANEL + PADDING) * WIDTH..][..PANEL * WIDTH];
        requantize(Rows::dense(steps, WIDTH), conv.to(), None, Function::Gelu, network.between, out);
    }

    /// The second convolution, for a panel of frames.
    pub(super) fn second(&mut self, network: &Network, panel: usize) {
        let conv = &network.second;
        let first = 2 * panel * PANEL * WIDTH;
        let rows = QuantizedRows::new(&self.between[first..], &self.ones, KERNEL * WIDTH, 2 * WIDTH);
        let steps = &mut self.steps[..PANEL * WIDTH];
        conv.apply(&rows, RowsMut::dense(steps, WIDTH));
        let trunk = part_mut(&mut self.trunk, panel);
        trunk.copy_from_slice(&network.positions[panel * PANEL * WIDTH..][..PANEL * WIDTH]);
        let out = RowsMut::dense(trunk, WIDTH);
        restore(Rows::dense(steps, WIDTH), conv.to(), None, Function::Gelu, WIDTH, out);
    }

    /// A layer up to attention, for a panel of frames.
    pub(super) fn before(&mut self, layer: &Layer, panel: usize, attention: &mut Attention) {
        self.norm(&layer.attention_norm, layer.normed, panel);
        let [queries, keys] = layer.multiplied;
        let [query_factor, key_factor] = layer.factors.map(Function::Times);
        let steps = apply(&layer.query, &self.narrow, &self.ones, &mut self.steps);
        let bias = Some(&layer.query_bias[..]);
        let rounded = &mut self.wide[..PANEL * WIDTH];
        requantize(steps, layer.query.to(), bias, query_factor, queries, rounded);
        attention.put_queries(panel, rounded, keys);

        let steps = apply(&layer.key, &self.narrow, &self.ones, &mut self.steps);
        requantize(steps, layer.key.to(), None, key_factor, keys, attention.keys_mut(panel));
        attention.finish_keys(panel, layer);

        let steps = apply(&layer.value, &self.narrow, &self.ones, &mut self.steps);
        let (out, stride) = attention.values_mut(panel);
        requantize_transposed(steps, layer.value.to(), &layer.value_bias, layer.values, out, stride);
    }

    /// From what attention gives to what the last part of a layer takes, for a panel of frames.
    pub(super) fn output(&mut self, layer: &Layer, panel: usize, attention: &Attention) {
        let steps = apply(&layer.output, attention.attended(panel), &self.ones, &mut self.steps);
        let bias = Some(&layer.output_bias[..]);
        let trunk = RowsMut::dense(part_mut(&mut self.trunk, panel), WIDTH);
        restore(steps, layer.output.to(), bias, Function::None, WIDTH, trunk);
        self.norm(&layer.mlp_norm, layer.mlp_normed, panel);
        part_mut(&mut self.narrow_all, panel).copy_from_slice(&self.narrow);
    }

    /// The first product of the last part of a layer, for a panel of frames.
    pub(super) fn widen(&mut self, layer: &Layer, panel: usize) {
        let rows = &self.narrow_all[panel * PANEL * WIDTH..][..PANEL * WIDTH];
        let steps = apply(&layer.widen, rows, &self.ones, &mut self.steps);
        let bias = Some(&layer.widen_bias[..]);
        let out = &mut self.wide_all[panel * PANEL * INNER..][..PANEL * INNER];
        requantize(steps, layer.widen.to(), bias, Function::Gelu, layer.active, out);
    }

    /// The second product of it. The last layer's sum is added up in another order, as its norm is one operation with it.
    pub(super) fn narrow(&mut self, layer: &Layer, panel: usize, is_last: bool) {
        let rows = &self.wide_all[panel * PANEL * INNER..][..PANEL * INNER];
        let steps = apply(&layer.narrow, rows, &self.ones, &mut self.steps);
        let bias = (!is_last).then_some(&layer.narrow_bias[..]);
        let trunk = part_mut(&mut self.trunk, panel);
        restore(steps, layer.narrow.to(), bias, Function::None, WIDTH, RowsMut::dense(trunk, WIDTH));
        if is_last {
            for row in trunk.chunks_exact_mut(WIDTH) {
                row.iter_mut().zip(&layer.narrow_bias).for_each(|(x, bias)| *x += bias);
            }
        }
    }

    /// The last norm and the numbers that the frames' weights are computed from, for a panel of frames.
    pub(super) fn pool(&mut self, network: &Network, panel: usize, logits: &mut [f32]) {
        self.norm(&network.norm, network.frames, panel);
        part_mut(&mut self.pooled, panel).copy_from_slice(&self.narrow);
        let steps = apply(&network.pool_hidden, &self.narrow, &self.ones, &mut self.steps);
        let bias = Some(&network.pool_hidden_bias[..]);
        let active = &mut self.wide[..PANEL * POOL];
        let from = network.pool_hidden.to();
        requantize(steps, from, bias, Function::Tanh, network.pool_active, active);
        let steps = apply(&network.pool_output, active, &self.ones, &mut self.steps);
        logits.fill(0.0);
        let (from, bias) = (network.pool_output.to(), Some(&network.pool_output_bias[..]));
        restore(steps, from, bias, Function::None, 1, RowsMut::dense(logits, 1));
    }

    /// Norms a panel of frames and rounds it.
    fn norm(&mut self, norm: &NormWeights, to: Grid, panel: usize) {
        let rows = Rows::dense(&self.trunk[panel * PANEL * WIDTH..][..PANEL * WIDTH], WIDTH);
        let out = RowsMut::dense(&mut self.normed, WIDTH);
        layer_norm_in_eights(rows, &norm.weight, &norm.bias, norm.epsilon, out);
        round(&self.normed, to, &mut self.narrow);
    }
}

/// The values of a panel of frames.
fn part_mut<T>(all: &mut [T], panel: usize) -> &mut [T] {
    &mut all[panel * PANEL * WIDTH..][..PANEL * WIDTH]
}

/// The product of a panel of frames, as steps.
fn apply<'s>(layer: &GridLinear, rows: &[u8], ones: &[f32], steps: &'s mut [f32]) -> Rows<'s> {
    let rows = QuantizedRows::new(rows, ones, layer.inputs(), layer.inputs());
    let steps = &mut steps[..PANEL * layer.outputs()];
    layer.apply(&rows, RowsMut::dense(steps, layer.outputs()));
    Rows::dense(steps, layer.outputs())
}
