//! Layers between static grids, as quantizers write them into ONNX graphs: `QuantizeLinear` and `DequantizeLinear` around
//! every operator.

use crate::families::onnx_layers::{expect_constant, vector};
use crate::formats::onnx::{Graph, Node, NodeProblem, OnnxError, TensorProblem};
use crate::layers::norm::NormWeights;
use crate::layers::static_grid::{Grid, GridWeights};

/// The scale of a bias may be rounded differently from the product that it stands for.
const BIAS_SCALE_TOLERANCE: f32 = 1e-4;

/// A value that is rounded to a grid, and its name afterwards.
#[derive(Clone, Copy)]
pub(super) struct Rounded<'g> {
    pub grid: Grid,
    pub value: &'g str,
}

/// A product and the value after it was rounded.
pub(super) struct Product<'g> {
    pub weights: GridWeights,
    pub value: &'g str,
}

/// The grid that `value` is rounded to.
pub(super) fn rounded<'g>(graph: &'g Graph, value: &'g str) -> Result<Rounded<'g>, OnnxError> {
    let quantize = graph.consumer(value, "QuantizeLinear")?;
    let restore = graph.consumer(graph.output(quantize)?, "DequantizeLinear")?;
    let grid = grid(graph, quantize)?;
    if self::grid(graph, restore)? != grid {
        return Err(unsupported(graph, restore, "another grid than the value was rounded to"));
    }
    Ok(Rounded { grid, value: graph.output(restore)? })
}

fn grid(graph: &Graph, node: &Node) -> Result<Grid, OnnxError> {
    let (scale, zero_point) = (graph.input(node, 1)?, graph.input(node, 2)?);
    let number = graph.weight(scale)?.scalar();
    let byte = graph.bytes(zero_point).and_then(|(_, values)| match values {
        [value] => u8::try_from(*value).ok(),
        _ => None,
    });
    match (number, byte) {
        (Some(scale), Some(zero_point)) => Ok(Grid { scale, zero_point }),
        _ => Err(unsupported(graph, node, "expected one scale and one unsigned byte")),
    }
}

/// The product of rows on the grid `from` with the constant matrix of a `MatMul` or `Gemm`.
pub(super) fn product<'g>(graph: &'g Graph, node: &'g Node, from: Grid) -> Result<Product<'g>, OnnxError> {
    let by_output = node.operator == "Gemm";
    let is_plain = node.float("alpha", 1.0) == Some(1.0)
        && node.float("beta", 1.0) == Some(1.0)
        && node.int("transA", 0) == Some(0)
        && node.int("transB", 0) == Some(i64::from(by_output));
    if !is_plain {
        return Err(unsupported(graph, node, "expected rows times columns"));
    }
    let matrix = Matrix::of(graph, node)?;
    let &[rows, columns] = matrix.shape else { return Err(matrix.misshapen("two dimensions")) };
    let (outputs, inputs) = if by_output { (rows, columns) } else { (columns, rows) };
    matrix.check(outputs, i64::from(!by_output))?;
    let at = |output: usize, input: usize| {
        matrix.values[if by_output { output * columns + input } else { input * columns + output }]
    };
    let weight = (0..outputs).flat_map(|output| (0..inputs).map(move |input| at(output, input))).collect();
    finish(graph, node, &matrix, weight, inputs, from)
}

/// A convolution over time with one frame of padding, without dilation or groups; its weights are laid out for
/// channel-last input.
pub(super) fn convolution<'g>(
    graph: &'g Graph,
    node: &'g Node,
    stride: i64,
    from: Grid,
) -> Result<Product<'g>, OnnxError> {
    let has = |name, wanted: &[i64]| node.ints(name) == Some(wanted);
    let is_plain = has("pads", &[1, 1])
        && has("strides", &[stride])
        && (has("dilations", &[1]) || has("dilations", &[]))
        && node.int("group", 1) == Some(1);
    if !is_plain {
        return Err(unsupported(graph, node, "another padding, stride, dilation or number of groups"));
    }
    let matrix = Matrix::of(graph, node)?;
    let &[outputs, channels, kernel] = matrix.shape else { return Err(matrix.misshapen("three dimensions")) };
    matrix.check(outputs, 0)?;
    let mut weight = Vec::with_capacity(matrix.values.len());
    for output in 0..outputs {
        for k in 0..kernel {
            weight.extend((0..channels).map(|c| matrix.values[(output * channels + c) * kernel + k]));
        }
    }
    // The constant holds as many elements as its shape has.
    finish(graph, node, &matrix, weight, kernel * channels, from)
}

fn finish<'g>(
    graph: &'g Graph,
    node: &'g Node,
    matrix: &Matrix<'g>,
    weight: Vec<i16>,
    inputs: usize,
    from: Grid,
) -> Result<Product<'g>, OnnxError> {
    let scales = matrix.scales.to_vec();
    let weight: Result<Vec<i8>, _> = weight.into_iter().map(i8::try_from).collect();
    let weight = weight.map_err(|_| unsupported(graph, node, "expected weights of signed bytes"))?;
    let bias = match node.inputs.get(2).filter(|name| !name.is_empty()) {
        Some(name) => Some(bias(graph, name, from.scale, &scales)?),
        None => None,
    };
    let Rounded { grid: to, value } = rounded(graph, graph.output(node)?)?;
    Ok(Product { weights: GridWeights { weight, scales, bias, inputs, from, to }, value })
}

/// A bias in units of the input's scale times that of each output.
fn bias(graph: &Graph, value: &str, from: f32, scales: &[f32]) -> Result<Vec<i32>, OnnxError> {
    let node = dequantize(graph, value)?;
    let name = graph.input(node, 0)?;
    let integers = graph
        .integers(name)
        .ok_or_else(|| graph.tensor_error(name, TensorProblem::Missing("whole-number")))?;
    let found = graph.weight(graph.input(node, 1)?)?.data();
    let is_zero = node.inputs.get(2).is_none_or(|zero| graph.integers(zero).is_some_and(all_zero));
    let fits = |(found, scale): (&f32, &f32)| {
        let expected = from * scale;
        (found - expected).abs() <= BIAS_SCALE_TOLERANCE * expected.abs()
    };
    if [integers.len(), found.len()] != [scales.len(); 2] || !is_zero || !found.iter().zip(scales).all(fits) {
        return Err(unsupported(graph, node, "a bias in other units than its product"));
    }
    let bias: Result<Vec<i32>, _> = integers.iter().map(|&value| i32::try_from(value)).collect();
    bias.map_err(|_| unsupported(graph, node, "a bias of more than 32 bits"))
}

fn all_zero(values: &[i64]) -> bool {
    values.iter().all(|&value| value == 0)
}

/// The constant matrix of a node, as bytes.
struct Matrix<'g> {
    graph: &'g Graph,
    node: &'g Node,
    name: &'g str,
    shape: &'g [usize],
    values: &'g [i16],
    scales: &'g [f32],
}

impl<'g> Matrix<'g> {
    fn of(graph: &'g Graph, product: &'g Node) -> Result<Self, OnnxError> {
        let node = dequantize(graph, graph.input(product, 1)?)?;
        let name = graph.input(node, 0)?;
        let missing = |name| graph.tensor_error(name, TensorProblem::Missing("quantized"));
        let (shape, values) = graph.bytes(name).ok_or_else(|| missing(name))?;
        let scales = graph.weight(graph.input(node, 1)?)?.data();
        if let Some(zero) = node.inputs.get(2) {
            let (_, zeros) = graph.bytes(zero).ok_or_else(|| missing(zero))?;
            if zeros.iter().any(|&zero| zero != 0) {
                return Err(unsupported(graph, node, "weights with another zero than 0"));
            }
        }
        Ok(Matrix { graph, node, name, shape, values, scales })
    }

    /// Whether there is one scale for each output, which lies along `axis`.
    fn check(&self, outputs: usize, axis: i64) -> Result<(), OnnxError> {
        let is_along = self.scales.len() == 1 || self.node.int("axis", 1) == Some(axis);
        if self.scales.len() == outputs && is_along && !self.values.is_empty() {
            return Ok(());
        }
        Err(self.graph.tensor_error(self.name, TensorProblem::Quantization(self.shape.to_vec())))
    }

    fn misshapen(&self, expected: &str) -> OnnxError {
        let problem =
            TensorProblem::UnexpectedShape { expected: expected.to_owned(), found: self.shape.to_vec() };
        self.graph.tensor_error(self.name, problem)
    }
}

fn dequantize<'g>(graph: &'g Graph, value: &str) -> Result<&'g Node, OnnxError> {
    let node = graph.producer(value).filter(|node| node.operator == "DequantizeLinear");
    node.ok_or_else(|| graph.structure_error(value, "a quantized constant before it", "something else"))
}

/// The value after a bias of `length` values is added in floats, and the bias.
pub(super) fn biased<'g>(
    graph: &'g Graph,
    value: &'g str,
    length: usize,
) -> Result<(&'g str, Vec<f32>), OnnxError> {
    let add = graph.consumer(value, "Add")?;
    Ok((graph.output(add)?, vector(graph, graph.other_input(add, value)?, length)?))
}

/// The layer norm over the last dimension that takes `value`, and the value after it.
pub(super) fn norm<'g>(graph: &'g Graph, value: &'g str) -> Result<(NormWeights, &'g str), OnnxError> {
    let node = graph.consumer(value, "LayerNormalization")?;
    if node.int("axis", -1) != Some(-1) {
        return Err(graph.node_error(node, NodeProblem::Attribute("axis")));
    }
    let epsilon = node.float("epsilon", 1e-5);
    let weights = NormWeights {
        weight: graph.weight(graph.input(node, 1)?)?.data().to_vec(),
        bias: graph.weight(graph.input(node, 2)?)?.data().to_vec(),
        epsilon: epsilon.ok_or_else(|| graph.node_error(node, NodeProblem::Attribute("epsilon")))?,
    };
    Ok((weights, graph.output(node)?))
}

/// The value after `x · (0.5 · (erf(x / √2) + 1))`, in this order.
pub(super) fn gelu<'g>(graph: &'g Graph, value: &'g str) -> Result<&'g str, OnnxError> {
    let step = |value: &'g str, operator, constant: f32| -> Result<&'g str, OnnxError> {
        let node = graph.consumer(value, operator)?;
        expect_constant(graph, graph.other_input(node, value)?, constant)?;
        graph.output(node)
    };
    let scaled = step(value, "Div", std::f32::consts::SQRT_2)?;
    let erf = graph.output(graph.consumer(scaled, "Erf")?)?;
    let gate = step(step(erf, "Add", 1.0)?, "Mul", 0.5)?;
    let product = graph.consumer(gate, "Mul")?;
    if graph.other_input(product, gate)? != value {
        return Err(graph.structure_error(value, "GELU", "another use of erf"));
    }
    graph.output(product)
}

pub(super) fn unsupported(graph: &Graph, node: &Node, what: &str) -> OnnxError {
    graph.node_error(node, NodeProblem::Unsupported(what.to_owned()))
}
