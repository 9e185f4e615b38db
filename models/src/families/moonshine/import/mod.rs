//! Moonshine's weights from its two ONNX files, by their place in the graph.
//!
//! Exporters give matrices names such as `onnx::MatMul_1493`, which change with every export. So nothing here
//! looks at names: each weight is found by walking from the inputs of the graph through the operators of the
//! network, which checks on the way that the file computes what our network computes. A file that was
//! exported again or quantized either gives the same places or an error that says where it parts.

mod attention;
mod decoder;
mod encoder;
mod stem;
#[cfg(all(test, feature = "fetch"))]
mod tests;

pub use crate::families::onnx_layers::ImportError;
use crate::formats::onnx::{self, Graph, OnnxError};
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::weights::{MoonshineSizes, MoonshineWeights};
use attention::Heads;
use decoder::DecoderTensors;
use encoder::EncoderTensors;
use std::path::Path;

/// Reads `encoder_model.onnx` and `decoder_model_merged.onnx`, f32 or quantized.
///
/// Takes about three times the size of the weights in memory while it works.
///
/// # Errors
/// Where a file cannot be read, does not hold a Moonshine network, or does not belong to the other, and where a lane could
/// not run a network of their sizes.
pub fn import(encoder: &Path, decoder: &Path) -> Result<MoonshineWeights, ImportError> {
    // One file after the other, so that only one is in memory.
    let encoder = encoder::import(&onnx::read(encoder)?)?;
    join(encoder, import_decoder(onnx::read(decoder)?)?)
}

/// With a cache the decoder takes `then_branch`, which lacks the matrices of the cross-attention's keys and
/// values: they are needed once, in the first pass.
fn import_decoder(graph: Graph) -> Result<DecoderTensors, OnnxError> {
    decoder::import(&graph.into_branch("else_branch")?)
}

fn join(encoder: EncoderTensors, decoder: DecoderTensors) -> Result<MoonshineWeights, ImportError> {
    agree("the hidden size", encoder.norm.len(), decoder.norm.len())?;
    agree("heads and their size", encoder.heads, decoder.heads)?;
    agree("the number of rotated channels", encoder.rotary.len(), decoder.rotary.len())?;
    if encoder.rotary != decoder.rotary {
        return Err(mismatch("the list of rotary frequencies", &encoder.rotary, &decoder.rotary));
    }
    agree("the layer norms' epsilon", encoder.epsilon, decoder.epsilon)?;
    let Heads { count: heads, size: head_dim } = encoder.heads;
    let sizes = MoonshineSizes {
        hidden: encoder.norm.len(),
        heads,
        head_dim,
        rotary_dim: 2 * encoder.rotary.len(),
        encoder_mlp: encoder.layers.first().map_or(0, |layer| layer.up.outputs),
        decoder_mlp: decoder.layers.first().map_or(0, |layer| layer.down.inputs),
        vocabulary: decoder.embedding.len() / decoder.norm.len(),
    };
    let weights = MoonshineWeights {
        sizes,
        rotary_frequencies: encoder.rotary,
        layer_norm_epsilon: encoder.epsilon,
        stem: encoder.stem,
        encoder_layers: encoder.layers,
        encoder_norm: encoder.norm,
        embedding: decoder.embedding,
        decoder_layers: decoder.layers,
        decoder_norm: decoder.norm,
    };
    Config::new(&weights).fit().map_err(ImportError::Sizes)?;
    Ok(weights)
}

fn agree<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    encoder: T,
    decoder: T,
) -> Result<(), ImportError> {
    if encoder == decoder { Ok(()) } else { Err(mismatch(what, &encoder, &decoder)) }
}

fn mismatch<T: std::fmt::Debug>(what: &'static str, encoder: &T, decoder: &T) -> ImportError {
    ImportError::Mismatch { what, encoder: format!("{encoder:?}"), decoder: format!("{decoder:?}") }
}
