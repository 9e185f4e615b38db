//! The encoder: all layers over the padded frames of a segment.

use crate::budget::{Budget, Progress};
use crate::burn::layers::{
    Linear, Norm, Place, Rotation, attend, heads_of_rows, padding_scores, quarter_turned, scaled,
};
use crate::burn::span::BurnSpan;
use crate::fault::Faults;
use crate::model::Slot;
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::weights::{EncoderLayerWeights, MoonshineWeights};
use burn_tensor::Tensor;
use burn_tensor::activation::gelu;
use burn_tensor::backend::Backend;
use std::sync::Arc;

/// The weights of the encoder.
#[derive(Clone, Debug)]
pub(crate) struct DeviceEncoder<B: Backend> {
    layers: Vec<Layer<B>>,
    norm: Norm<B>,
    rotation: Rotation<B>,
    heads: usize,
}

#[derive(Clone, Debug)]
struct Layer<B: Backend> {
    attention_norm: Norm<B>,
    /// Queries and keys, both once more with a quarter turn, and values.
    projections: Linear<B>,
    attention_output: Linear<B>,
    mlp_norm: Norm<B>,
    up: Linear<B>,
    down: Linear<B>,
}

impl<B: Backend> Layer<B> {
    fn new(weights: &EncoderLayerWeights, config: &Config, place: &Place<B>) -> Self {
        let (epsilon, sizes) = (config.layer_norm_epsilon, &config.sizes);
        let attention = &weights.attention;
        let turned = |weights| quarter_turned(weights, sizes.head_dim, sizes.rotary_dim);
        let query = scaled(&attention.query, config.attention_scale());
        let (turned_query, turned_key) = (turned(&query), turned(&attention.key));
        let projections = [&query, &attention.key, &turned_query, &turned_key, &attention.value];
        Layer {
            attention_norm: Norm::new(&weights.attention_norm, epsilon, place),
            projections: Linear::stacked(&projections, place),
            attention_output: Linear::new(&attention.output, place),
            mlp_norm: Norm::new(&weights.mlp_norm, epsilon, place),
            up: Linear::new(&weights.up, place),
            down: Linear::new(&weights.down, place),
        }
    }
}

impl<B: Backend> DeviceEncoder<B> {
    pub(crate) fn new(
        weights: &MoonshineWeights,
        config: &Config,
        rotation: Rotation<B>,
        place: &Place<B>,
    ) -> Self {
        let layers = weights.encoder_layers.iter().map(|layer| Layer::new(layer, config, place));
        DeviceEncoder {
            layers: layers.collect(),
            norm: Norm::new(&weights.encoder_norm, config.layer_norm_epsilon, place),
            rotation,
            heads: config.sizes.heads,
        }
    }

    /// Layer `index` over `padded frames × hidden`; keys after the first `frames` are not seen.
    fn layer(&self, index: usize, hidden: Tensor<B, 2>, frames: usize) -> Tensor<B, 2> {
        let (layer, heads) = (&self.layers[index], self.heads);
        let [padded, width] = hidden.dims();
        let (projected, head) =
            (layer.projections.apply(layer.attention_norm.apply(hidden.clone())), width / heads);
        let both = |from: usize| {
            let part = projected.clone().slice([0..padded, from * width..(from + 2) * width]);
            part.reshape([padded, 2 * heads, head])
        };
        let angles =
            |table: &Tensor<B, 2>| table.clone().slice([0..padded, 0..head]).reshape([padded, 1, head]);
        let turned = both(0) * angles(&self.rotation.cos) + both(2) * angles(&self.rotation.sin);
        let turned = turned.reshape([1, padded, 2 * heads, head]).swap_dims(1, 2);
        let queries = turned.clone().slice([0..1, 0..heads, 0..padded, 0..head]);
        let keys = turned.slice([0..1, heads..2 * heads, 0..padded, 0..head]);
        let values = heads_of_rows(projected.clone().slice([0..padded, 4 * width..5 * width]), heads);
        let attended = attend(queries, keys, values, padding_scores(padded, frames, &hidden));
        let attended = attended.swap_dims(1, 2).reshape([padded, width]);
        let hidden = hidden + layer.attention_output.apply(attended);
        let raised = gelu(layer.up.apply(layer.mlp_norm.apply(hidden.clone())));
        hidden + layer.down.apply(raised)
    }
}

/// The encoder of Moonshine on Burn. A step enqueues layers and does not wait for them.
pub struct BurnEncoder<B: Backend> {
    encoder: Arc<DeviceEncoder<B>>,
    /// Layers done; the norm after them counts as one more.
    done: usize,
}

impl<B: Backend> BurnEncoder<B> {
    pub(crate) fn new(encoder: Arc<DeviceEncoder<B>>) -> Self {
        BurnEncoder { encoder, done: 0 }
    }
}

impl<B: Backend> crate::model::Encoder for BurnEncoder<B> {
    type Span = BurnSpan<B>;

    fn begin(&mut self, _slot: Slot, _span: &mut BurnSpan<B>) {
        self.done = 0;
    }

    fn step(&mut self, span: &mut BurnSpan<B>, budget: &Budget, _faults: &mut Faults) -> Progress {
        let layers = self.encoder.layers.len();
        while self.done <= layers {
            let Some(hidden) = span.hidden.take() else { break };
            span.hidden = Some(if self.done < layers {
                self.encoder.layer(self.done, hidden, span.frames)
            } else {
                self.encoder.norm.apply(hidden)
            });
            self.done += 1;
            if self.done <= layers && budget.is_spent() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn reset(&mut self, _slot: Slot) {}
}
