//! The decoder's file, as it runs without a cache: embedding, layers, last norm, tied output projection.

use super::attention::{Heads, attention, check_width};
use crate::families::onnx_layers::{is_linear, layer_norm, residual, sized_linear_after, unexpected_shape};
use crate::formats::onnx::{Graph, Node, OnnxError};
use crate::networks::moonshine::weights::DecoderLayerWeights;
use crate::weights::Tensor;

/// What the decoder's file holds.
pub(super) struct DecoderTensors {
    pub embedding: Vec<f32>,
    pub layers: Vec<DecoderLayerWeights>,
    pub norm: Vec<f32>,
    pub heads: Heads,
    pub rotary: Vec<f32>,
    pub epsilon: f32,
}

pub(super) fn import(graph: &Graph) -> Result<DecoderTensors, OnnxError> {
    let (embedding_name, mut trunk) = embedding(graph)?;
    let embedding = graph.weight(embedding_name)?;
    let &[_, hidden] = embedding.shape() else {
        return Err(unexpected_shape(graph, embedding_name, "[vocabulary, hidden]", embedding));
    };
    let frames = encoder_frames(graph)?;
    let mut layers = Vec::new();
    let mut form = None;
    loop {
        let norm = layer_norm(graph, trunk)?;
        if norm.weight.len() != hidden {
            let found = format!("{}", norm.weight.len());
            return Err(graph.structure_error(trunk, &format!("a norm of {hidden} channels"), &found));
        }
        if let Some(projection) = output_projection(graph, norm.output) {
            check_tied(graph, projection, embedding)?;
            let Some((heads, rotary)) = form else {
                return Err(graph.structure_error(trunk, "a decoder layer", "the end of the graph"));
            };
            let (embedding, epsilon) = (embedding.data().to_vec(), norm.epsilon);
            return Ok(DecoderTensors { embedding, layers, norm: norm.weight, heads, rotary, epsilon });
        }
        let attended = attention(graph, norm.output, norm.output)?;
        check_width(graph, norm.output, attended.heads, hidden)?;
        let this = (attended.heads, attended.rotary);
        if form.get_or_insert_with(|| this.clone()) != &this {
            return Err(graph.structure_error(trunk, "heads and rotation as in the first layer", "others"));
        }
        trunk = residual(graph, trunk, attended.output)?;
        let cross_norm = layer_norm(graph, trunk)?;
        let crossed = attention(graph, cross_norm.output, frames)?;
        if crossed.heads != this.0 || !crossed.rotary.is_empty() {
            return Err(graph.structure_error(
                trunk,
                "a cross-attention with the same heads, not rotated",
                "other",
            ));
        }
        trunk = residual(graph, trunk, crossed.output)?;
        let mlp_norm = layer_norm(graph, trunk)?;
        let up = sized_linear_after(graph, mlp_norm.output, hidden, true)?;
        let gated = gated(graph, up.output, up.weights.outputs)?;
        let down = sized_linear_after(graph, gated, up.weights.outputs / 2, true)?;
        trunk = residual(graph, trunk, down.output)?;
        if [cross_norm.epsilon, mlp_norm.epsilon] != [norm.epsilon; 2] {
            return Err(graph.structure_error(trunk, "one epsilon in all layer norms", "several"));
        }
        layers.push(DecoderLayerWeights {
            self_norm: norm.weight,
            self_attention: attended.weights,
            cross_norm: cross_norm.weight,
            cross_attention: crossed.weights,
            mlp_norm: mlp_norm.weight,
            up: up.weights,
            down: down.weights,
        });
    }
}

/// Name of the embedding, and the value that holds the tokens' rows of it.
fn embedding(graph: &Graph) -> Result<(&str, &str), OnnxError> {
    for input in graph.inputs() {
        for (node, operand) in graph.consumers(&input.name) {
            let table = node.inputs.first().filter(|table| graph.weights().get(table).is_some());
            if let ("Gather", 1, Some(table)) = (node.operator.as_str(), operand, table) {
                return Ok((table, graph.output(node)?));
            }
        }
    }
    Err(graph.structure_error("", "an input that looks up rows of an embedding", "none"))
}

/// The input that holds the encoder's frames: the only one that is multiplied by constant matrices.
fn encoder_frames(graph: &Graph) -> Result<&str, OnnxError> {
    let mut candidates = graph
        .inputs()
        .iter()
        .filter(|input| graph.consumers(&input.name).any(|(node, _)| is_linear(graph, node)));
    match (candidates.next(), candidates.next()) {
        (Some(input), None) => Ok(&input.name),
        _ => {
            Err(graph.structure_error("", "one input that is projected to keys and values", "another number"))
        }
    }
}

/// The product that gives the logits, if it is what takes `value`.
fn output_projection<'g>(graph: &'g Graph, value: &'g str) -> Option<&'g Node> {
    let logits = graph.outputs().first()?;
    let mut candidates = graph.consumers(value).map(|(node, _)| node);
    candidates.find(|node| node.operator == "MatMul" && node.outputs.first() == Some(logits))
}

/// The output projection must be the embedding, transposed while running or in the file.
fn check_tied(graph: &Graph, node: &Node, embedding: &Tensor) -> Result<(), OnnxError> {
    let matrix = graph.input(node, 1)?;
    let is_tied = match graph.producer(matrix) {
        Some(transpose) if transpose.operator == "Transpose" => {
            let source = graph.weights().get(graph.input(transpose, 0)?);
            matches!(transpose.ints("perm"), Some([] | [1, 0]))
                && source.is_some_and(|source| source == embedding)
        }
        Some(_) => false,
        None => graph.weight(matrix)?.transposed() == *embedding,
    };
    if is_tied {
        return Ok(());
    }
    Err(graph.structure_error(matrix, "the transposed embedding as output projection", "another matrix"))
}

/// The value after `silu(second half) · first half` of `value`, which has `width` channels.
fn gated<'g>(graph: &'g Graph, value: &'g str, width: usize) -> Result<&'g str, OnnxError> {
    let wrong = |found: &str| graph.structure_error(value, "silu(second half) · first half", found);
    let [first, second] = halves(graph, value, width)?;
    let sigmoid = graph.output(graph.consumer(second, "Sigmoid").map_err(|_| wrong("no sigmoid of it"))?)?;
    let silu = graph.consumer(sigmoid, "Mul")?;
    if graph.other_input(silu, sigmoid)? != second {
        return Err(wrong("another use of the sigmoid"));
    }
    let product = graph.consumer(first, "Mul")?;
    if graph.other_input(product, first)? != graph.output(silu)? {
        return Err(wrong("another product of the halves"));
    }
    graph.output(product)
}

/// Both halves of the channels of `value`, cut by a `Split` or two `Slice`s.
fn halves<'g>(graph: &'g Graph, value: &'g str, width: usize) -> Result<[&'g str; 2], OnnxError> {
    let wrong = || graph.structure_error(value, "two halves", &graph.describe_consumers(value));
    if let Ok(split) = graph.consumer(value, "Split") {
        let [first, second] = &split.outputs[..] else { return Err(wrong()) };
        return Ok([first, second]);
    }
    let half = width as i64 / 2;
    let (mut first, mut second) = (None, None);
    for (node, _) in graph.consumers(value).filter(|(node, _)| node.operator == "Slice") {
        let number = |operand: usize| match node.inputs.get(operand).and_then(|name| graph.integers(name)) {
            Some(&[number]) => Some(number),
            _ => None,
        };
        match (number(1), number(2)) {
            (Some(0), Some(end)) if end == half => first = Some(graph.output(node)?),
            (Some(start), Some(end)) if start == half && end >= width as i64 => {
                second = Some(graph.output(node)?)
            }
            _ => return Err(wrong()),
        }
    }
    first.zip(second).map(|(first, second)| [first, second]).ok_or_else(wrong)
}
