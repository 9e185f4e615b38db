//! Silero's weights from its ONNX file.
//!
//! The convolutions are found by walking from the graph's input, which checks their order and strides. The
//! recurrent layer lies within branches that only look at the number of dimensions; its matrices are found by
//! their names.

use crate::families::onnx_layers::{convolution, expect_constant, unexpected_shape, vector};
use crate::formats::onnx::{self, Attribute, Graph, Node, NodeProblem, OnnxError};
use crate::layers::conv::ConvWeights;
use crate::layers::linear::LinearWeights;
use crate::networks::silero::SileroWeights;
use crate::voice::{Silero, SileroError};
use std::path::Path;

/// Frames of zeros on either side of a convolution's input.
const PADDING: i64 = 1;
/// Strides of the four convolutions.
const STRIDES: [usize; 4] = [1, 2, 2, 1];

/// Reads and prepares `silero_vad_16k_op15.onnx`.
///
/// # Errors
/// Where the file cannot be read or does not hold the network.
pub fn load(file: &Path) -> Result<Silero, SileroError> {
    Silero::new(&import(file)?)
}

/// Reads `silero_vad_16k_op15.onnx`.
///
/// # Errors
/// Where the file cannot be read or does not hold the network.
pub fn import(file: &Path) -> Result<SileroWeights, SileroError> {
    Ok(walk(&onnx::read(file)?)?)
}

fn walk(graph: &Graph) -> Result<SileroWeights, OnnxError> {
    let Some(samples) = graph.inputs().first().map(|input| input.name.as_str()) else {
        return Err(graph.structure_error("", "an input", "none"));
    };
    let padded = graph.consumer(samples, "Pad")?;
    if !matches!(padded.attributes.get("mode"), Some(Attribute::Text(mode)) if mode == "reflect") {
        return Err(graph.node_error(padded, NodeProblem::Attribute("mode")));
    }
    let transform =
        graph.consumer(graph.output(graph.consumer(graph.output(padded)?, "Unsqueeze")?)?, "Conv")?;
    let spectrum = convolution(graph, transform, 0)?;
    let mut value = magnitude(graph, graph.output(transform)?)?;
    let mut convs = Vec::with_capacity(STRIDES.len());
    for stride in STRIDES {
        let node = graph.consumer(value, "Conv")?;
        let conv = convolution(graph, node, PADDING)?;
        if conv.stride != stride || conv.linear.bias.is_none() {
            let wanted = format!("expected a bias and a stride of {stride}");
            return Err(graph.node_error(node, NodeProblem::Unsupported(wanted)));
        }
        value = graph.output(graph.consumer(graph.output(node)?, "Relu")?)?;
        convs.push(conv);
    }
    let convs: [ConvWeights; 4] =
        convs.try_into().map_err(|_| graph.structure_error(value, "four convolutions", "another number"))?;
    let gates = gates(graph, convs[3].linear.outputs)?;
    Ok(SileroWeights { spectrum, convs, gates, output: output(graph)? })
}

/// The value after `sqrt(re² + im²)`.
fn magnitude<'g>(graph: &'g Graph, spectrum: &'g str) -> Result<&'g str, OnnxError> {
    let is_part = |node: &Node| matches!(node.operator.as_str(), "Slice" | "Cast");
    let squares = graph.reached_from(spectrum, is_part, |node| node.operator == "Pow");
    let [re, im] = squares[..] else {
        let found = format!("{} squares", squares.len());
        return Err(graph.structure_error(spectrum, "the squares of two parts", &found));
    };
    for square in [re, im] {
        expect_constant(graph, graph.input(square, 1)?, 2.0)?;
    }
    let sum = graph.consumer(graph.output(re)?, "Add")?;
    if graph.other_input(sum, graph.output(re)?)? != graph.output(im)? {
        return Err(graph.structure_error(spectrum, "a sum of two squares", "another sum"));
    }
    graph.output(graph.consumer(graph.output(sum)?, "Sqrt")?)
}

/// Both products of the recurrent layer as one: their matrices side by side, the sum of their biases.
fn gates(graph: &Graph, size: usize) -> Result<LinearWeights, OnnxError> {
    let matrix = |part: &str| {
        let name = format!("model.decoder.rnn.weight_{part}");
        let tensor = graph.weight(&name)?;
        if tensor.shape() != [4 * size, size] {
            return Err(unexpected_shape(graph, &name, &format!("[{}, {size}]", 4 * size), tensor));
        }
        Ok(tensor.data())
    };
    let bias = |part: &str| vector(graph, &format!("model.decoder.rnn.bias_{part}"), 4 * size);
    let (inputs, hidden) = (matrix("ih")?, matrix("hh")?);
    let rows = inputs.chunks_exact(size).zip(hidden.chunks_exact(size));
    let bias = bias("ih")?.iter().zip(&bias("hh")?).map(|(a, b)| a + b).collect();
    Ok(LinearWeights {
        weight: rows.flat_map(|(inputs, hidden)| [inputs, hidden].concat()).collect(),
        bias: Some(bias),
        outputs: 4 * size,
        inputs: 2 * size,
    })
}

/// The product before the logistic function.
fn output(graph: &Graph) -> Result<LinearWeights, OnnxError> {
    let Some(probability) = graph.outputs().first() else {
        return Err(graph.structure_error("", "an output", "none"));
    };
    let is_other = |node: &Node| node.operator != "Conv";
    let found = graph.leading_to(probability, is_other, |node| node.operator == "Conv");
    let [conv] = found[..] else {
        let found = format!("{} of them", found.len());
        return Err(graph.structure_error(probability, "one Conv before it", &found));
    };
    graph.consumer(graph.output(conv)?, "Sigmoid")?;
    Ok(convolution(graph, conv, 0)?.linear)
}
