//! One layer of the decoder, over the tokens of a block.

use super::alignment::Alignment;
use crate::arena::Arena;
use crate::formats::packed::{PackedError, packed_fields};
use crate::layers::check::{ensure, ensure_linear};
use crate::layers::kv_cache::KvCache;
use crate::layers::linear::{Linear, LinearWeights, Precision, Then};
use crate::layers::norm::Norm;
use crate::layers::rotary::Rotary;
use crate::layers::smooth_quant::{norm_and_layers, values_and_output};
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::weights::DecoderLayerWeights;
use voxlane_kernels::activation::silu_gate;
use voxlane_kernels::attention::Visible;
use voxlane_kernels::rows::{Rows, RowsMut};

/// The prepared weights of a layer.
pub(super) struct Layer {
    self_norm: Norm,
    self_query_key_value: Linear,
    self_output: Linear,
    cross_norm: Norm,
    cross_query: Linear,
    cross_key_value: Linear,
    cross_output: Linear,
    mlp_norm: Norm,
    mlp_up: Linear,
    mlp_down: Linear,
    /// The factor of attention scores.
    scale: f32,
}

packed_fields!(Layer {
    self_norm,
    self_query_key_value,
    self_output,
    cross_norm,
    cross_query,
    cross_key_value,
    cross_output,
    mlp_norm,
    mlp_up,
    mlp_down,
    scale,
});

/// The sub-blocks of a layer, in order; each adds its result to the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Causal attention over the tokens so far, with rotary positions.
    SelfAttention,
    /// Attention over the segment's frames.
    CrossAttention,
    /// The gated MLP.
    Mlp,
}

impl Operation {
    pub(super) const FIRST: Operation = Operation::SelfAttention;

    pub(super) fn next(self) -> Option<Operation> {
        match self {
            Operation::SelfAttention => Some(Operation::CrossAttention),
            Operation::CrossAttention => Some(Operation::Mlp),
            Operation::Mlp => None,
        }
    }
}

/// What a layer works with besides its weights and the residual stream.
pub(super) struct Context<'a> {
    /// Tokens before the block's first.
    pub position: usize,
    /// Frames of the segment.
    pub frames: usize,
    /// The layer's keys and values of the tokens so far.
    pub self_cache: &'a mut KvCache,
    /// The layer's keys and values of the frames.
    pub cross_cache: &'a KvCache,
    /// Where it is noted which frames the tokens looked at.
    pub alignment: &'a mut Alignment,
    /// The layer's number.
    pub layer: usize,
    pub rotary: &'a Rotary,
    pub arena: &'a Arena,
}

impl Layer {
    pub(super) fn new(weights: &DecoderLayerWeights, config: &Config, precision: Precision) -> Self {
        let epsilon = config.layer_norm_epsilon;
        let (own, cross) = (&weights.self_attention, &weights.cross_attention);
        let (self_value, self_output) = values_and_output(&own.value, &own.output, precision);
        let (cross_value, cross_output) = values_and_output(&cross.value, &cross.output, precision);
        let readers = [&own.query, &own.key, &self_value];
        let (self_norm, self_query_key_value) = norm_and_layers(&weights.self_norm, &readers, precision);
        let (cross_norm, cross_query) = norm_and_layers(&weights.cross_norm, &[&cross.query], precision);
        let (mlp_norm, up) = norm_and_layers(&weights.mlp_norm, &[&weights.up], precision);
        Layer {
            self_norm: Norm::scale(&self_norm, epsilon),
            self_query_key_value: LinearWeights::pack_stacked(&self_query_key_value, precision),
            self_output: self_output.pack(precision),
            cross_norm: Norm::scale(&cross_norm, epsilon),
            cross_query: cross_query[0].pack(precision),
            cross_key_value: LinearWeights::pack_stacked(&[cross.key.clone(), cross_value], precision),
            cross_output: cross_output.pack(precision),
            mlp_norm: Norm::scale(&mlp_norm, epsilon),
            mlp_up: up[0].pack(precision),
            mlp_down: weights.down.pack(precision),
            scale: config.attention_scale(),
        }
    }

    /// Whether it is a layer of such a network.
    pub(super) fn check(&self, config: &Config, precision: Precision) -> Result<(), PackedError> {
        let (hidden, mlp) = (config.sizes.hidden, config.sizes.decoder_mlp);
        let norms = [&self.self_norm, &self.cross_norm, &self.mlp_norm];
        ensure(norms.iter().all(|norm| norm.is_scale(hidden)), "a norm of a decoder layer is not sound")?;
        ensure(self.scale == config.attention_scale(), "the scale of a decoder layer is not the network's")?;
        for (linear, shape) in [
            (&self.self_query_key_value, (3 * hidden, hidden)),
            (&self.self_output, (hidden, hidden)),
            (&self.cross_query, (hidden, hidden)),
            (&self.cross_key_value, (2 * hidden, hidden)),
            (&self.cross_output, (hidden, hidden)),
            (&self.mlp_up, (2 * mlp, hidden)),
            (&self.mlp_down, (hidden, mlp)),
        ] {
            ensure_linear(linear, shape, precision)?;
        }
        Ok(())
    }

    /// The lengths of scratch memory that one operation over `rows` tokens takes at most.
    pub(super) fn scratch_lengths(config: &Config, rows: usize) -> Vec<usize> {
        let (hidden, mlp) = (config.sizes.hidden, config.sizes.decoder_mlp);
        let attention = [hidden, 3 * hidden, hidden];
        let gated_mlp = [hidden, 2 * mlp, mlp];
        let products =
            [Linear::scratch_lengths(hidden, rows), Linear::scratch_lengths(hidden.max(mlp), rows)];
        let own = attention.iter().zip(gated_mlp).map(|(&a, b)| rows * a.max(b));
        own.chain(products.concat()).collect()
    }

    /// Stores the cross-attention keys and values of `frames`, the first of which is frame `row`.
    pub(super) fn keys_and_values(&self, frames: Rows<'_>, row: usize, cache: &mut KvCache, arena: &Arena) {
        let (width, count) = (self.cross_key_value.outputs() / 2, frames.count);
        let projected = arena.scratch(count * 2 * width);
        self.cross_key_value.apply(frames, Then::Store, RowsMut::dense(projected, 2 * width), arena);
        let values = Rows::new(&projected[width..], 2 * width, count);
        cache.store(Rows::new(projected, 2 * width, count), values, row);
    }

    /// One operation over the tokens of a block: `hidden` holds one row for each.
    pub(super) fn run(&self, operation: Operation, hidden: &mut [f32], context: Context<'_>) {
        match operation {
            Operation::SelfAttention => self.self_attention(hidden, context),
            Operation::CrossAttention => self.cross_attention(hidden, context),
            Operation::Mlp => self.mlp(hidden, context.arena),
        }
    }

    fn self_attention(&self, hidden: &mut [f32], context: Context<'_>) {
        let Context { position, self_cache, rotary, arena, .. } = context;
        let width = self.self_output.outputs();
        let rows = hidden.len() / width;
        let normed = arena.scratch(hidden.len());
        self.self_norm.apply(Rows::dense(hidden, width), RowsMut::dense(normed, width));
        let projected = arena.scratch(3 * hidden.len());
        let out = RowsMut::dense(projected, 3 * width);
        self.self_query_key_value.apply(Rows::dense(normed, width), Then::Store, out, arena);
        // Queries and keys lie side by side: twice the heads for the rotation.
        rotary.apply(RowsMut::new(projected, 3 * width, rows), 2 * width, position);
        let part = |index: usize| Rows::new(&projected[index * width..], 3 * width, rows);
        self_cache.store(part(1), part(2), position);
        let attended = arena.scratch(hidden.len());
        let visible = Visible::Causal { first: position + 1 };
        self_cache.attend(part(0), visible, self.scale, RowsMut::dense(attended, width));
        let hidden = RowsMut::dense(hidden, width);
        self.self_output.apply(Rows::dense(attended, width), Then::Add, hidden, arena);
    }

    fn cross_attention(&self, hidden: &mut [f32], context: Context<'_>) {
        let Context { position, frames, cross_cache, alignment, layer, arena, .. } = context;
        let width = self.cross_output.outputs();
        let normed = arena.scratch(hidden.len());
        self.cross_norm.apply(Rows::dense(hidden, width), RowsMut::dense(normed, width));
        let queries = arena.scratch(hidden.len());
        self.cross_query.apply(
            Rows::dense(normed, width),
            Then::Store,
            RowsMut::dense(queries, width),
            arena,
        );
        let attended = arena.scratch(hidden.len());
        let out = RowsMut::dense(attended, width);
        cross_cache.attend(Rows::dense(queries, width), Visible::All(frames), self.scale, out);
        alignment.record(layer, position, Rows::dense(queries, width), cross_cache, self.scale);
        let hidden = RowsMut::dense(hidden, width);
        self.cross_output.apply(Rows::dense(attended, width), Then::Add, hidden, arena);
    }

    fn mlp(&self, hidden: &mut [f32], arena: &Arena) {
        let (width, double) = (self.mlp_down.outputs(), self.mlp_up.outputs());
        let half = double / 2;
        let rows = hidden.len() / width;
        let normed = arena.scratch(hidden.len());
        self.mlp_norm.apply(Rows::dense(hidden, width), RowsMut::dense(normed, width));
        let raised = arena.scratch(rows * double);
        self.mlp_up.apply(Rows::dense(normed, width), Then::Store, RowsMut::dense(raised, double), arena);
        let gated = arena.scratch(rows * half);
        for (gated, raised) in gated.chunks_exact_mut(half).zip(raised.chunks_exact(double)) {
            let (value, gate) = raised.split_at(half);
            silu_gate(value, gate, gated);
        }
        self.mlp_down.apply(Rows::dense(gated, half), Then::Add, RowsMut::dense(hidden, width), arena);
    }
}
