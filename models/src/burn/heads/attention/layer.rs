//! One layer of the decoder, over one token in each place of a batch.

use crate::burn::layers::{Linear, Norm, Place, attend, quarter_turned, scaled};
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::weights::DecoderLayerWeights;
use burn_tensor::Tensor;
use burn_tensor::activation::silu;
use burn_tensor::backend::Backend;

/// The weights of a layer.
#[derive(Clone, Debug)]
pub(super) struct DecoderLayer<B: Backend> {
    self_norm: Norm<B>,
    /// Queries and keys, both once more with a quarter turn, and values.
    self_projections: Linear<B>,
    self_output: Linear<B>,
    cross_norm: Norm<B>,
    cross_query: Linear<B>,
    cross_key_value: Linear<B>,
    cross_output: Linear<B>,
    mlp_norm: Norm<B>,
    up: Linear<B>,
    down: Linear<B>,
    heads: usize,
}

/// The keys and values that a layer attends over: `places × heads × rows × head_dim`. Their owner is the only
/// one, so that they are written in place.
#[derive(Clone, Debug)]
pub(super) struct Cache<B: Backend> {
    pub(super) keys: Tensor<B, 4>,
    pub(super) values: Tensor<B, 4>,
}

impl<B: Backend> Cache<B> {
    pub(super) fn zeros(shape: [usize; 4], place: &Place<B>) -> Self {
        Cache { keys: place.zeros(shape), values: place.zeros(shape) }
    }

    /// Writes keys and values of the shape of `ranges`.
    pub(super) fn write(
        self,
        ranges: [std::ops::Range<usize>; 4],
        keys: Tensor<B, 4>,
        values: Tensor<B, 4>,
    ) -> Self {
        Cache {
            keys: self.keys.slice_assign(ranges.clone(), keys),
            values: self.values.slice_assign(ranges, values),
        }
    }
}

/// What the layers of a step share.
pub(super) struct Step<B: Backend> {
    /// Cosines and sines of each place's position: `places × 1 × head_dim`.
    pub(super) cos: Tensor<B, 3>,
    pub(super) sin: Tensor<B, 3>,
    /// The column of the caches that the step writes.
    pub(super) column: usize,
    /// Added to the scores of the tokens: `places × 1 × 1 × columns`.
    pub(super) hidden_tokens: Tensor<B, 4>,
    /// Added to the scores of the frames: `places × 1 × 1 × frames`.
    pub(super) hidden_frames: Tensor<B, 4>,
}

impl<B: Backend> DecoderLayer<B> {
    pub(super) fn new(weights: &DecoderLayerWeights, config: &Config, place: &Place<B>) -> Self {
        let (epsilon, sizes) = (config.layer_norm_epsilon, &config.sizes);
        let (own, cross) = (&weights.self_attention, &weights.cross_attention);
        let turned = |weights| quarter_turned(weights, sizes.head_dim, sizes.rotary_dim);
        let query = scaled(&own.query, config.attention_scale());
        let (turned_query, turned_key) = (turned(&query), turned(&own.key));
        DecoderLayer {
            self_norm: Norm::new(&weights.self_norm, epsilon, place),
            self_projections: Linear::stacked(
                &[&query, &own.key, &turned_query, &turned_key, &own.value],
                place,
            ),
            self_output: Linear::new(&own.output, place),
            cross_norm: Norm::new(&weights.cross_norm, epsilon, place),
            cross_query: Linear::new(&scaled(&cross.query, config.attention_scale()), place),
            cross_key_value: Linear::stacked(&[&cross.key, &cross.value], place),
            cross_output: Linear::new(&cross.output, place),
            mlp_norm: Norm::new(&weights.mlp_norm, epsilon, place),
            up: Linear::new(&weights.up, place),
            down: Linear::new(&weights.down, place),
            heads: sizes.heads,
        }
    }

    /// The keys and values of `frames × hidden`: `1 × heads × frames × head_dim` each.
    pub(super) fn keys_and_values(&self, frames: Tensor<B, 2>) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let projected = self.cross_key_value.apply(frames);
        let [count, double] = projected.dims();
        let (width, heads) = (double / 2, self.heads);
        let part = |index: usize| {
            let part = projected.clone().slice([0..count, index * width..(index + 1) * width]);
            part.reshape([1, count, heads, width / heads]).swap_dims(1, 2)
        };
        (part(0), part(1))
    }

    /// `places × hidden`, after this layer; the caches with the step's column written.
    pub(super) fn apply(
        &self,
        rows: Tensor<B, 2>,
        tokens: Cache<B>,
        frames: &Cache<B>,
        step: &Step<B>,
    ) -> (Tensor<B, 2>, Cache<B>) {
        let (places, width, heads) = (rows.dims()[0], rows.dims()[1], self.heads);
        let head = width / heads;

        let projected = self.self_projections.apply(self.self_norm.apply(rows.clone()));
        let both = |from: usize| {
            let part = projected.clone().slice([0..places, from * width..(from + 2) * width]);
            part.reshape([places, 2 * heads, head])
        };
        let turned = both(0) * step.cos.clone() + both(2) * step.sin.clone();
        let part = |from: usize| {
            let part = turned.clone().slice([0..places, from..from + heads, 0..head]);
            part.reshape([places, heads, 1, head])
        };
        let (queries, keys) = (part(0), part(heads));
        let values =
            projected.clone().slice([0..places, 4 * width..5 * width]).reshape([places, heads, 1, head]);
        let column = [0..places, 0..heads, step.column..step.column + 1, 0..head];
        let tokens = tokens.write(column, keys, values);
        let attended =
            attend(queries, tokens.keys.clone(), tokens.values.clone(), step.hidden_tokens.clone());
        let rows = rows + self.self_output.apply(attended.reshape([places, width]));

        let queries =
            self.cross_query.apply(self.cross_norm.apply(rows.clone())).reshape([places, heads, 1, head]);
        let attended =
            attend(queries, frames.keys.clone(), frames.values.clone(), step.hidden_frames.clone());
        let rows = rows + self.cross_output.apply(attended.reshape([places, width]));

        let raised = self.up.apply(self.mlp_norm.apply(rows.clone()));
        let half = raised.dims()[1] / 2;
        let gate = silu(raised.clone().slice([0..places, half..2 * half]));
        (rows + self.down.apply(gate * raised.slice([0..places, 0..half])), tokens)
    }
}
