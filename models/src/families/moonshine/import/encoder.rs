//! The encoder's file: stem, layers, last norm.

use super::attention::{Heads, attention, check_width};
use crate::families::onnx_layers::{gelu, layer_norm, residual, sized_linear_after};
use crate::formats::onnx::{Graph, OnnxError};
use crate::networks::moonshine::weights::{EncoderLayerWeights, StemWeights};

/// What the encoder's file holds.
pub(super) struct EncoderTensors {
    pub stem: StemWeights,
    pub layers: Vec<EncoderLayerWeights>,
    pub norm: Vec<f32>,
    pub heads: Heads,
    pub rotary: Vec<f32>,
    pub epsilon: f32,
}

pub(super) fn import(graph: &Graph) -> Result<EncoderTensors, OnnxError> {
    let [samples] = graph.inputs() else {
        let found = format!("{} inputs", graph.inputs().len());
        return Err(graph.structure_error("", "an encoder with one input", &found));
    };
    let (stem, mut trunk) = super::stem::import(graph, &samples.name)?;
    let hidden = stem.conv3.linear.outputs;
    let mut layers = Vec::new();
    let mut form = None;
    loop {
        let norm = layer_norm(graph, trunk)?;
        if norm.weight.len() != hidden {
            let found = format!("{}", norm.weight.len());
            return Err(graph.structure_error(trunk, &format!("a norm of {hidden} channels"), &found));
        }
        if graph.outputs().iter().any(|output| output == norm.output) {
            let Some((heads, rotary)) = form else {
                return Err(graph.structure_error(trunk, "an encoder layer", "the end of the graph"));
            };
            return Ok(EncoderTensors {
                stem,
                layers,
                norm: norm.weight,
                heads,
                rotary,
                epsilon: norm.epsilon,
            });
        }
        let attended = attention(graph, norm.output, norm.output)?;
        check_width(graph, norm.output, attended.heads, hidden)?;
        let this = (attended.heads, attended.rotary);
        if form.get_or_insert_with(|| this.clone()) != &this {
            return Err(graph.structure_error(trunk, "heads and rotation as in the first layer", "others"));
        }
        trunk = residual(graph, trunk, attended.output)?;
        let mlp_norm = layer_norm(graph, trunk)?;
        let up = sized_linear_after(graph, mlp_norm.output, hidden, true)?;
        let down = sized_linear_after(graph, gelu(graph, up.output)?, up.weights.outputs, true)?;
        trunk = residual(graph, trunk, down.output)?;
        if norm.epsilon != mlp_norm.epsilon {
            return Err(graph.structure_error(trunk, "one epsilon in all layer norms", "several"));
        }
        layers.push(EncoderLayerWeights {
            attention_norm: norm.weight,
            attention: attended.weights,
            mlp_norm: mlp_norm.weight,
            up: up.weights,
            down: down.weights,
        });
    }
}
