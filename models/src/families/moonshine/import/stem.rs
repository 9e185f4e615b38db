//! The stem: samples → convolution, tanh, group norm → two convolutions with GELU → hidden frames.

use crate::families::onnx_layers::{convolution, expect_constant, gelu, vector};
use crate::formats::onnx::{Graph, Node, NodeProblem, OnnxError};
use crate::networks::moonshine::weights::StemWeights;

/// The stem's weights, and the value that holds its hidden frames.
pub(super) fn import<'g>(graph: &'g Graph, samples: &'g str) -> Result<(StemWeights, &'g str), OnnxError> {
    let is_layout = |node: &Node| matches!(node.operator.as_str(), "Unsqueeze" | "Reshape" | "Identity");
    let first = graph.reached_from(samples, is_layout, |node| node.operator == "Conv");
    let [first] = first[..] else {
        return Err(graph.structure_error(samples, "one Conv", &graph.describe_consumers(samples)));
    };
    let conv1 = convolution(graph, first, 0)?;
    let activated = graph.output(graph.consumer(graph.output(first)?, "Tanh")?)?;
    let (norm_epsilon, normalized) = group_norm(graph, activated)?;
    let scaled = graph.consumer(normalized, "Mul")?;
    let norm_weight = vector(graph, graph.other_input(scaled, normalized)?, conv1.linear.outputs)?;
    let shifted = graph.consumer(graph.output(scaled)?, "Add")?;
    let norm_bias = vector(graph, graph.other_input(shifted, graph.output(scaled)?)?, conv1.linear.outputs)?;
    let second = graph.consumer(graph.output(shifted)?, "Conv")?;
    let conv2 = convolution(graph, second, 0)?;
    let third = graph.consumer(gelu(graph, graph.output(second)?)?, "Conv")?;
    let conv3 = convolution(graph, third, 0)?;
    let frames = graph.consumer(gelu(graph, graph.output(third)?)?, "Transpose")?;
    if frames.ints("perm") != Some(&[0, 2, 1]) {
        return Err(graph.node_error(frames, NodeProblem::Attribute("perm")));
    }
    if conv1.linear.inputs != conv1.kernel || conv1.linear.bias.is_some() {
        return Err(graph.node_error(first, unsupported("expected one input channel and no bias")));
    }
    for (node, conv, before) in [(second, &conv2, &conv1), (third, &conv3, &conv2)] {
        if conv.linear.inputs != conv.kernel * before.linear.outputs {
            return Err(graph.node_error(node, unsupported("its channels do not fit the ones before")));
        }
    }
    let stem = StemWeights { conv1, norm_weight, norm_bias, norm_epsilon, conv2, conv3 };
    Ok((stem, graph.output(frames)?))
}

/// Epsilon of a norm with one group over time and channels, and the value after it, before its factors.
/// Exported as an instance norm over all values as a single channel.
fn group_norm<'g>(graph: &'g Graph, value: &'g str) -> Result<(f32, &'g str), OnnxError> {
    let flattened = graph.consumer(value, "Reshape")?;
    if graph.integers(graph.input(flattened, 1)?) != Some(&[0, 1, -1]) {
        return Err(graph.node_error(flattened, unsupported("expected one group of all channels")));
    }
    let norm = graph.consumer(graph.output(flattened)?, "InstanceNormalization")?;
    expect_constant(graph, graph.input(norm, 1)?, 1.0)?;
    expect_constant(graph, graph.input(norm, 2)?, 0.0)?;
    let epsilon = norm.float("epsilon", 1e-5);
    let epsilon = epsilon.ok_or_else(|| graph.node_error(norm, NodeProblem::Attribute("epsilon")))?;
    let restored = graph.consumer(graph.output(norm)?, "Reshape")?;
    Ok((epsilon, graph.output(restored)?))
}

fn unsupported(what: &str) -> NodeProblem {
    NodeProblem::Unsupported(what.to_owned())
}
