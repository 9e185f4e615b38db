//! Layers as exporters write them into ONNX graphs: norm, matrix with bias, convolution, GELU, residual.

use crate::formats::onnx::{Graph, Node, NodeProblem, OnnxError, TensorProblem};
use crate::layers::conv::ConvWeights;
use crate::layers::linear::LinearWeights;
use crate::weights::Tensor;
use thiserror::Error;

/// Why the files did not give a network.
#[derive(Debug, Error)]
pub enum ImportError {
    /// One of the files cannot be read, or is not a Moonshine network.
    #[error(transparent)]
    File(#[from] OnnxError),
    /// Each file is fine, but they do not belong together.
    #[error(
        "encoder and decoder: they do not belong together: {what} is {encoder} in one and {decoder} in the other"
    )]
    Mismatch {
        /// What differs.
        what: &'static str,
        /// In the encoder's file.
        encoder: String,
        /// In the decoder's file.
        decoder: String,
    },
    /// They belong together, but a lane cannot run a network of their sizes.
    #[error("encoder and decoder: they make no network: {0}")]
    Sizes(&'static str),
}

/// Constants of a formula may be rounded differently by each exporter.
const CONSTANT_TOLERANCE: f32 = 1e-5;

/// A layer norm and the value after it.
pub(super) struct LayerNorm<'g> {
    pub weight: Vec<f32>,
    pub epsilon: f32,
    pub output: &'g str,
}

/// A matrix product with its bias and the value after it.
pub(super) struct Linear<'g> {
    pub weights: LinearWeights,
    pub output: &'g str,
}

/// Whether `node` multiplies a computed value by a constant matrix from the right.
pub(super) fn is_linear(graph: &Graph, node: &Node) -> bool {
    matches!(node.operator.as_str(), "MatMul" | "Gemm")
        && node.inputs.len() >= 2
        && !graph.is_constant(&node.inputs[0])
        && graph.weights().get(&node.inputs[1]).is_some_and(|weight| weight.shape().len() == 2)
}

/// The layer norm that takes `value`: one operator, or the formula
/// `(x − mean(x)) / sqrt(mean((x − mean(x))²) + ε) · weight` written out.
pub(super) fn layer_norm<'g>(graph: &'g Graph, value: &'g str) -> Result<LayerNorm<'g>, OnnxError> {
    let whole = graph.consumers(value).find(|(node, _)| node.operator == "LayerNormalization");
    if let Some((node, 0)) = whole {
        return fused_layer_norm(graph, node);
    }
    let centered_by = graph.consumer(value, "Sub")?;
    let mean = graph.other_input(centered_by, value)?;
    let mean_of = graph.producer(mean).filter(|node| node.operator == "ReduceMean");
    if mean_of.and_then(|node| node.inputs.first()).is_none_or(|input| input != value) {
        return Err(graph.structure_error(value, "a layer norm", "a Sub of something else than its mean"));
    }
    let centered = graph.output(centered_by)?;
    let divided_by = graph.consumer(centered, "Div")?;
    let epsilon = layer_norm_epsilon(graph, centered, graph.other_input(divided_by, centered)?)?;
    let normalized = graph.output(divided_by)?;
    let scaled_by = graph.consumer(normalized, "Mul")?;
    let weight = graph.weight(graph.other_input(scaled_by, normalized)?)?.data().to_vec();
    let output = graph.output(scaled_by)?;
    Ok(LayerNorm { weight, epsilon, output })
}

/// Follows `sqrt(mean(centered²) + ε)` backwards.
fn layer_norm_epsilon(graph: &Graph, centered: &str, deviation: &str) -> Result<f32, OnnxError> {
    let wrong = || graph.structure_error(centered, "the variance of a layer norm", "another formula");
    let producer = |value: &str, operators: &[&str]| {
        let node = graph.producer(value);
        node.filter(|node| operators.contains(&node.operator.as_str())).ok_or_else(wrong)
    };
    let added = producer(graph.input(producer(deviation, &["Sqrt"])?, 0)?, &["Add"])?;
    let (first, second) = (graph.input(added, 0)?, graph.input(added, 1)?);
    let (variance, epsilon) = if graph.is_constant(first) { (second, first) } else { (first, second) };
    let squared = producer(graph.input(producer(variance, &["ReduceMean"])?, 0)?, &["Pow", "Mul"])?;
    if graph.input(squared, 0)? != centered {
        return Err(wrong());
    }
    match squared.operator.as_str() {
        "Pow" => expect_constant(graph, graph.input(squared, 1)?, 2.0)?,
        _ if graph.input(squared, 1)? == centered => {}
        _ => return Err(wrong()),
    }
    let epsilon = graph.weight(epsilon)?;
    epsilon.scalar().ok_or_else(wrong)
}

fn fused_layer_norm<'g>(graph: &'g Graph, node: &'g Node) -> Result<LayerNorm<'g>, OnnxError> {
    if let Some(bias) = node.inputs.get(2).filter(|name| !name.is_empty())
        && graph.weight(bias)?.data().iter().any(|&offset| offset != 0.0)
    {
        return Err(graph.node_error(node, NodeProblem::Unsupported("it adds an offset".to_owned())));
    }
    let epsilon = node.float("epsilon", 1e-5);
    Ok(LayerNorm {
        weight: graph.weight(graph.input(node, 1)?)?.data().to_vec(),
        epsilon: epsilon.ok_or_else(|| graph.node_error(node, NodeProblem::Attribute("epsilon")))?,
        output: graph.output(node)?,
    })
}

/// The only constant matrix that multiplies `value`.
fn linear_after<'g>(graph: &'g Graph, value: &'g str) -> Result<Linear<'g>, OnnxError> {
    let mut candidates = graph.consumers(value).filter(|(node, _)| is_linear(graph, node));
    match (candidates.next(), candidates.next()) {
        (Some((node, _)), None) => linear(graph, node),
        _ => {
            let found = graph.describe_consumers(value);
            Err(graph.structure_error(value, "one product with a constant matrix", &found))
        }
    }
}

/// Takes the matrix of a node that [`is_linear`] accepts, and the bias that is added to its result.
pub(super) fn linear<'g>(graph: &'g Graph, node: &'g Node) -> Result<Linear<'g>, OnnxError> {
    let weight = graph.weight(graph.input(node, 1)?)?;
    let is_gemm = node.operator == "Gemm";
    let is_transposed = is_gemm && node.int("transB", 0) == Some(1);
    let unscaled = node.float("alpha", 1.0) == Some(1.0) && node.float("beta", 1.0) == Some(1.0);
    if is_gemm && !(unscaled && node.int("transA", 0) == Some(0)) {
        return Err(
            graph.node_error(node, NodeProblem::Unsupported("a scaled or transposed Gemm".to_owned()))
        );
    }
    let by_output = if is_transposed { weight.clone() } else { weight.transposed() };
    let (outputs, inputs) = (by_output.shape()[0], by_output.shape()[1]);
    let mut output = graph.output(node)?;
    let mut bias = node.inputs.get(2).map(String::as_str).filter(|name| is_gemm && !name.is_empty());
    if bias.is_none()
        && let Ok(add) = graph.consumer(output, "Add")
        && let other = graph.other_input(add, output)?
        && graph.weights().get(other).is_some_and(|tensor| tensor.shape() == [outputs])
    {
        (bias, output) = (Some(other), graph.output(add)?);
    }
    let bias = bias.map(|name| vector(graph, name, outputs)).transpose()?;
    Ok(Linear { weights: LinearWeights { weight: by_output.into_data(), bias, outputs, inputs }, output })
}

/// As [`linear_after`], for a layer that must have `inputs` inputs and, if `has_bias`, a bias.
pub(super) fn sized_linear_after<'g>(
    graph: &'g Graph,
    value: &'g str,
    inputs: usize,
    has_bias: bool,
) -> Result<Linear<'g>, OnnxError> {
    let linear = linear_after(graph, value)?;
    if linear.weights.inputs != inputs || linear.weights.bias.is_some() != has_bias {
        let bias = |has_bias| if has_bias { "a bias" } else { "no bias" };
        let describe = |inputs, has_bias| format!("a matrix with {inputs} inputs and {}", bias(has_bias));
        let found = describe(linear.weights.inputs, linear.weights.bias.is_some());
        return Err(graph.structure_error(value, &describe(inputs, has_bias), &found));
    }
    Ok(linear)
}

/// The value after `x/2 · (1 + erf(x/√2))`, as one operator or written out.
pub(super) fn gelu<'g>(graph: &'g Graph, value: &'g str) -> Result<&'g str, OnnxError> {
    if let Ok(node) = graph.consumer(value, "Gelu") {
        return match node.attributes.get("approximate") {
            Some(crate::formats::onnx::Attribute::Text(text)) if text != "none" => {
                Err(graph.node_error(node, NodeProblem::Unsupported("an approximate GELU".to_owned())))
            }
            _ => graph.output(node),
        };
    }
    let step = |value: &'g str, operator, constant: f32| -> Result<&'g str, OnnxError> {
        let node = graph.consumer(value, operator)?;
        expect_constant(graph, graph.other_input(node, value)?, constant)?;
        graph.output(node)
    };
    let scaled = step(value, "Div", std::f32::consts::SQRT_2)?;
    let erf = graph.output(graph.consumer(scaled, "Erf")?)?;
    let gate = step(erf, "Add", 1.0)?;
    let product = graph.consumer(gate, "Mul")?;
    if graph.other_input(product, gate)? != value {
        return Err(graph.structure_error(value, "GELU", "another use of erf"));
    }
    step(graph.output(product)?, "Mul", 0.5)
}

/// The value after `branch` was added to `trunk`.
pub(super) fn residual<'g>(graph: &'g Graph, trunk: &'g str, branch: &'g str) -> Result<&'g str, OnnxError> {
    let add = graph.consumer(branch, "Add")?;
    if graph.other_input(add, branch)? != trunk {
        return Err(graph.structure_error(branch, &format!("a residual to '{trunk}'"), "another sum"));
    }
    graph.output(add)
}

/// A constant of `length` elements, whatever its shape.
pub(super) fn vector(graph: &Graph, name: &str, length: usize) -> Result<Vec<f32>, OnnxError> {
    let tensor = graph.weight(name)?;
    if tensor.data().len() != length {
        return Err(unexpected_shape(graph, name, &format!("[{length}]"), tensor));
    }
    Ok(tensor.data().to_vec())
}

pub(super) fn unexpected_shape(graph: &Graph, name: &str, expected: &str, tensor: &Tensor) -> OnnxError {
    let found = tensor.shape().to_vec();
    graph.tensor_error(name, TensorProblem::UnexpectedShape { expected: expected.to_owned(), found })
}

/// Checks that the constant `name` is filled with `expected`.
pub(super) fn expect_constant(graph: &Graph, name: &str, expected: f32) -> Result<(), OnnxError> {
    let differs = |&&found: &&f32| (found - expected).abs() > CONSTANT_TOLERANCE * expected.abs();
    match graph.weight(name)?.data().iter().find(differs) {
        None => Ok(()),
        Some(&found) => Err(graph.tensor_error(name, TensorProblem::UnexpectedValue { expected, found })),
    }
}

/// A convolution over time with `padding` zeros on either side, without dilation or groups; its weights are laid
/// out for channel-last input.
pub(super) fn convolution(graph: &Graph, node: &Node, padding: i64) -> Result<ConvWeights, OnnxError> {
    let all =
        |name, wanted| node.ints(name).is_some_and(|values| values.iter().all(|&value| value == wanted));
    let is_padded = all("pads", padding) && (padding == 0 || node.attributes.contains_key("pads"));
    let is_plain = is_padded && all("dilations", 1) && node.int("group", 1) == Some(1);
    if !is_plain || node.attributes.contains_key("auto_pad") {
        return Err(graph.node_error(node, unsupported("padding, dilation or groups")));
    }
    let stride = match node.ints("strides") {
        Some([]) => 1,
        Some(&[stride]) if stride > 0 => stride as usize,
        _ => return Err(graph.node_error(node, NodeProblem::Attribute("strides"))),
    };
    let name = graph.input(node, 1)?;
    let weight = graph.weight(name)?;
    let (&[outputs, channels, kernel], false) = (weight.shape(), weight.data().is_empty()) else {
        return Err(unexpected_shape(graph, name, "[outputs, channels, kernel], none of them 0", weight));
    };
    let bias = node.inputs.get(2).filter(|name| !name.is_empty());
    let bias = bias.map(|name| vector(graph, name, outputs)).transpose()?;
    // [output][channel][k] -> [output][k][channel]
    let weight = weight.transposed().into_data();
    let linear = LinearWeights { weight, bias, outputs, inputs: kernel * channels };
    Ok(ConvWeights { linear, kernel, stride })
}

fn unsupported(what: &str) -> NodeProblem {
    NodeProblem::Unsupported(what.to_owned())
}
