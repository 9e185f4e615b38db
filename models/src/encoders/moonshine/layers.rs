//! The prepared weights of the encoder.

use crate::formats::packed::{PackedError, packed_fields};
use crate::layers::check::{ensure, ensure_linear};
use crate::layers::linear::{Linear, LinearWeights, Precision};
use crate::layers::norm::Norm;
use crate::layers::rotary::Rotary;
use crate::layers::smooth_quant::{norm_and_layers, values_and_output};
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::weights::{EncoderLayerWeights, MoonshineWeights};
use std::sync::Arc;

/// The prepared weights of the encoder.
pub(crate) struct PreparedEncoder {
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Norm,
    pub(super) rotary: Arc<Rotary>,
    pub(super) scale: f32,
}

packed_fields!(PreparedEncoder { layers, norm, rotary, scale });

pub(super) struct Layer {
    pub(super) attention_norm: Norm,
    pub(super) query_key_value: Linear,
    pub(super) attention_output: Linear,
    pub(super) mlp_norm: Norm,
    /// The MLP, cut along its hidden width: the layer's result is the sum over the slices.
    pub(super) mlp: Vec<MlpSlice>,
}

packed_fields!(Layer { attention_norm, query_key_value, attention_output, mlp_norm, mlp });

pub(super) struct MlpSlice {
    pub(super) up: Linear,
    pub(super) down: Linear,
}

packed_fields!(MlpSlice { up, down });

impl Layer {
    fn new(weights: &EncoderLayerWeights, epsilon: f32, precision: Precision) -> Self {
        let attention = &weights.attention;
        let (value, output) = values_and_output(&attention.value, &attention.output, precision);
        let readers = [&attention.query, &attention.key, &value];
        let (attention_norm, query_key_value) = norm_and_layers(&weights.attention_norm, &readers, precision);
        let (mlp_norm, up) = norm_and_layers(&weights.mlp_norm, &[&weights.up], precision);
        Layer {
            attention_norm: Norm::scale(&attention_norm, epsilon),
            query_key_value: LinearWeights::pack_stacked(&query_key_value, precision),
            attention_output: output.pack(precision),
            mlp_norm: Norm::scale(&mlp_norm, epsilon),
            mlp: slices(&up[0], &weights.down, precision),
        }
    }

    fn check(&self, config: &Config, precision: Precision) -> Result<(), PackedError> {
        let hidden = config.sizes.hidden;
        let are_norms = self.attention_norm.is_scale(hidden) && self.mlp_norm.is_scale(hidden);
        ensure(are_norms, "a norm of an encoder layer is not sound")?;
        ensure_linear(&self.query_key_value, (3 * hidden, hidden), precision)?;
        ensure_linear(&self.attention_output, (hidden, hidden), precision)?;
        let mut width = 0;
        for MlpSlice { up, down } in &self.mlp {
            let part = up.outputs();
            ensure((1..=hidden).contains(&part), "a slice of an MLP is not as wide as a frame at most")?;
            ensure_linear(up, (part, hidden), precision)?;
            ensure_linear(down, (hidden, part), precision)?;
            width += part;
        }
        ensure(width == config.sizes.encoder_mlp, "the slices do not make up an encoder layer's MLP")
    }
}

/// Cuts an MLP into slices as wide as its input. The last layer's bias goes to the first slice.
fn slices(up: &LinearWeights, down: &LinearWeights, precision: Precision) -> Vec<MlpSlice> {
    let width = up.inputs;
    (0..up.outputs.div_ceil(width))
        .map(|slice| {
            let part = slice * width..up.outputs.min((slice + 1) * width);
            let columns: Vec<f32> =
                down.weight.chunks_exact(down.inputs).flat_map(|row| &row[part.clone()]).copied().collect();
            let bias = up.bias.as_ref().map(|bias| &bias[part.clone()]);
            let rows = &up.weight[part.start * width..part.end * width];
            MlpSlice {
                up: Linear::new(rows, bias, part.len(), precision),
                down: Linear::new(
                    &columns,
                    down.bias.as_deref().filter(|_| slice == 0),
                    down.outputs,
                    precision,
                ),
            }
        })
        .collect()
}

impl PreparedEncoder {
    pub(crate) fn new(
        weights: &MoonshineWeights,
        config: &Config,
        rotary: Arc<Rotary>,
        precision: Precision,
    ) -> Self {
        let epsilon = config.layer_norm_epsilon;
        PreparedEncoder {
            layers: weights
                .encoder_layers
                .iter()
                .map(|layer| Layer::new(layer, epsilon, precision))
                .collect(),
            norm: Norm::scale(&weights.encoder_norm, epsilon),
            rotary,
            scale: config.attention_scale(),
        }
    }

    /// Whether it is the encoder of such a network, with angles for `positions` positions.
    pub(crate) fn check(
        &self,
        config: &Config,
        precision: Precision,
        positions: usize,
    ) -> Result<(), PackedError> {
        let hidden = config.sizes.hidden;
        ensure(self.layers.len() == config.encoder_layers, "the encoder has another number of layers")?;
        ensure(self.norm.is_scale(hidden), "the encoder's norm is not sound")?;
        ensure(config.has_rotary(&self.rotary, positions), "the encoder's angles are not the network's")?;
        ensure(self.scale == config.attention_scale(), "the encoder's scale is not the network's")?;
        self.layers.iter().try_for_each(|layer| layer.check(config, precision))
    }
}
