//! Attention, found backwards from its softmax.

use crate::families::onnx_layers::{is_linear, linear};
use crate::formats::onnx::{Graph, Node, NodeProblem, OnnxError};
use crate::layers::linear::LinearWeights;
use crate::networks::moonshine::weights::AttentionWeights;

/// How hidden channels are split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heads {
    pub count: usize,
    pub size: usize,
}

/// An attention block and the value after its output projection.
pub(super) struct Attention<'g> {
    pub weights: AttentionWeights,
    pub heads: Heads,
    /// Frequencies of the rotation of queries and keys; empty where they are not rotated.
    pub rotary: Vec<f32>,
    pub output: &'g str,
}

/// The attention block whose queries are made from `queries` and whose keys and values are made from `memory`.
pub(super) fn attention<'g>(
    graph: &'g Graph,
    queries: &'g str,
    memory: &'g str,
) -> Result<Attention<'g>, OnnxError> {
    let wrong = |found: &str| graph.structure_error(queries, "an attention block", found);
    // Queries and keys run into the scores, values only into what comes after the softmax.
    let through = |node: &Node| is_on_the_way(node) || is_linear(graph, node);
    let scores = graph.reached_from(queries, through, |node| is_scores(graph, node));
    let [scores] = scores[..] else {
        return Err(wrong(&format!("{} products before a softmax", scores.len())));
    };
    let softmax = softmax_after(graph, scores).ok_or_else(|| wrong("no softmax"))?;
    let context = graph.consumer(graph.output(softmax)?, "MatMul")?;
    if graph.input(context, 0)? != graph.output(softmax)? {
        return Err(graph.node_error(context, NodeProblem::Unsupported("the softmax is on its right".into())));
    }
    let query = projection(graph, graph.input(scores, 0)?, queries, Layout::Rows)?;
    let key = projection(graph, graph.input(scores, 1)?, memory, Layout::Columns)?;
    let value = projection(graph, graph.input(context, 1)?, memory, Layout::Rows)?;
    if [key.heads, value.heads] != [query.heads; 2] || query.rotary != key.rotary || !value.rotary.is_empty()
    {
        return Err(wrong("queries, keys and values with different heads or rotations"));
    }
    check_scale(graph, scores, query.heads)?;
    let is_layout = |node: &Node| matches!(node.operator.as_str(), "Transpose" | "Reshape");
    let joined = graph.reached_from(graph.output(context)?, is_layout, |node| is_linear(graph, node));
    let [joined] = joined[..] else { return Err(wrong("no output projection")) };
    let output = linear(graph, joined)?;
    let weights = AttentionWeights {
        query: query.weights,
        key: key.weights,
        value: value.weights,
        output: output.weights,
    };
    let width = query.heads.count * query.heads.size;
    let all = [&weights.query, &weights.key, &weights.value, &weights.output];
    if all.iter().any(|linear| linear.inputs != width || linear.outputs != width || linear.bias.is_some()) {
        return Err(wrong(
            "projections that are not square, without bias, and as wide as the heads together",
        ));
    }
    Ok(Attention { weights, heads: query.heads, rotary: query.rotary, output: output.output })
}

/// Operators between a projection and the scores: layout, rotation and scaling.
fn is_on_the_way(node: &Node) -> bool {
    const OPERATORS: [&str; 13] = [
        "Reshape",
        "Transpose",
        "Slice",
        "Split",
        "Unsqueeze",
        "Squeeze",
        "Concat",
        "Neg",
        "Mul",
        "Div",
        "Add",
        "Cast",
        "Identity",
    ];
    OPERATORS.contains(&node.operator.as_str())
}

/// A product of two computed values that runs into a softmax.
fn is_scores(graph: &Graph, node: &Node) -> bool {
    node.operator == "MatMul"
        && !node.inputs.iter().any(|input| graph.is_constant(input))
        && softmax_after(graph, node).is_some()
}

/// The softmax after scores, which may be scaled and masked in between.
fn softmax_after<'g>(graph: &'g Graph, scores: &'g Node) -> Option<&'g Node> {
    let through = |node: &Node| matches!(node.operator.as_str(), "Add" | "Mul" | "Div" | "Where");
    let output = scores.outputs.first()?;
    graph.reached_from(output, through, |node| node.operator == "Softmax").first().copied()
}

/// How an operand lies before the product, apart from batch and heads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// Frames × channels.
    Rows,
    /// Channels × frames.
    Columns,
}

struct Projection {
    weights: LinearWeights,
    heads: Heads,
    rotary: Vec<f32>,
}

/// The matrix from which an operand of the attention comes; it must multiply `source`.
fn projection(graph: &Graph, operand: &str, source: &str, layout: Layout) -> Result<Projection, OnnxError> {
    let transposes = graph.leading_to(operand, is_on_the_way, |node| node.operator == "Transpose");
    let found = match transposes.first().and_then(|nearest| nearest.ints("perm")) {
        Some([0, 2, 1, 3]) => Some(Layout::Rows),
        Some([0, 1, 3, 2] | [0, 2, 3, 1]) => Some(Layout::Columns),
        _ => None,
    };
    if found != Some(layout) {
        let expected = format!("{layout:?} of [batch, head, frame, channel] before the attention's product");
        let found = found.map_or_else(|| "another layout".to_owned(), |found| format!("{found:?}"));
        return Err(graph.structure_error(operand, &expected, &found));
    }
    let found = graph.leading_to(operand, is_on_the_way, |node| is_linear(graph, node));
    let [node] = found[..] else {
        let found = format!("{} such products", found.len());
        return Err(graph.structure_error(operand, "one product with a constant matrix before it", &found));
    };
    if graph.input(node, 0)? != source {
        let found = format!("a projection of '{}'", graph.input(node, 0)?);
        return Err(graph.structure_error(operand, &format!("a projection of '{source}'"), &found));
    }
    let linear = linear(graph, node)?;
    let heads = heads(graph, linear.output)?;
    Ok(Projection { weights: linear.weights, heads, rotary: rotary(graph, operand)? })
}

/// How the projected `value` is split: the last two numbers of the shape it gets.
fn heads(graph: &Graph, value: &str) -> Result<Heads, OnnxError> {
    let node = graph.consumer(value, "Reshape")?;
    let shape = graph.input(node, 1)?;
    let numbers = match (graph.integers(shape), graph.producer(shape)) {
        (Some(numbers), _) => numbers.to_vec(),
        (None, Some(concat)) if concat.operator == "Concat" => {
            concat.inputs.iter().filter_map(|part| graph.integers(part)).flatten().copied().collect()
        }
        _ => Vec::new(),
    };
    match numbers[..] {
        [.., count, size] if count > 0 && size > 0 && count.checked_mul(size).is_some() => {
            Ok(Heads { count: count as usize, size: size as usize })
        }
        _ => Err(graph.node_error(node, NodeProblem::Unsupported("a shape without constant heads".into()))),
    }
}

/// The frequencies that turn the value which becomes `operand`; empty where it is not turned.
///
/// Turned pairs are neighbors: every second channel is taken, its pair negated. The angles come from a product
/// of constant frequencies with positions, which runs through a cosine.
fn rotary(graph: &Graph, operand: &str) -> Result<Vec<f32>, OnnxError> {
    let within = |node: &Node| is_on_the_way(node) && !is_linear(graph, node);
    let negations = graph.leading_to(operand, within, |node| node.operator == "Neg");
    let Some(negation) = negations.first() else { return Ok(Vec::new()) };
    let halved = graph.producer(graph.input(negation, 0)?);
    let step = halved.filter(|node| node.operator == "Slice").and_then(|node| node.inputs.get(4));
    if step.and_then(|step| graph.integers(step)) != Some(&[2]) {
        return Err(
            graph.node_error(negation, NodeProblem::Unsupported("pairs that are not neighbors".into()))
        );
    }
    let cosines = graph.leading_to(operand, within, |node| node.operator == "Cos");
    let [cosine] = cosines[..] else {
        return Err(graph.structure_error(operand, "one Cos before it", &format!("{}", cosines.len())));
    };
    let angles = graph.input(cosine, 0)?;
    let products = graph.leading_to(angles, is_on_the_way, |node| node.operator == "MatMul");
    let [product] = products[..] else {
        return Err(graph.structure_error(angles, "one MatMul before it", &format!("{}", products.len())));
    };
    let frequencies = product.inputs.iter().find_map(|input| graph.weights().get(input));
    let frequencies = frequencies.ok_or_else(|| {
        graph.node_error(product, NodeProblem::Unsupported("its frequencies are not constant".into()))
    })?;
    Ok(frequencies.data().to_vec())
}

/// Where the factors of queries and keys are constants, their product must be `1/√size`. (Some exporters
/// compute them from the shape while running; nothing is known of them then.)
fn check_scale(graph: &Graph, scores: &Node, heads: Heads) -> Result<(), OnnxError> {
    let mut scale = 1.0;
    for operand in [graph.input(scores, 0)?, graph.input(scores, 1)?] {
        let Some(node) = graph.producer(operand).filter(|node| node.operator == "Mul") else { return Ok(()) };
        let factor = node.inputs.iter().find_map(|input| graph.weights().get(input)?.scalar());
        let Some(factor) = factor else { return Ok(()) };
        scale *= factor;
    }
    let expected = 1.0 / (heads.size as f32).sqrt();
    if (scale - expected).abs() > 1e-4 * expected {
        let problem = format!("its operands are scaled by {scale} together, not by {expected}");
        return Err(graph.node_error(scores, NodeProblem::Unsupported(problem)));
    }
    Ok(())
}

/// Checks that hidden frames of `hidden` channels go through the block.
pub(super) fn check_width(graph: &Graph, value: &str, heads: Heads, hidden: usize) -> Result<(), OnnxError> {
    if heads.count * heads.size == hidden {
        return Ok(());
    }
    let found = format!("{} heads of {}", heads.count, heads.size);
    Err(graph.structure_error(value, &format!("heads that make {hidden} channels"), &found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::onnx::{proto, read_bytes};
    use prost::Message;
    use std::path::Path;

    #[test]
    fn heads_that_overflow_together_are_refused() {
        let shape = |sizes: [i64; 2]| {
            let shape = proto::Tensor {
                name: "shape".into(),
                dims: vec![2],
                data_type: proto::data_type::INT64,
                ints64: sizes.to_vec(),
                ..Default::default()
            };
            let reshape = proto::Node {
                operator: "Reshape".into(),
                inputs: vec!["x".into(), "shape".into()],
                outputs: vec!["y".into()],
                ..Default::default()
            };
            let graph =
                proto::Graph { nodes: vec![reshape], initializers: vec![shape], ..Default::default() };
            let model = proto::Model { ir_version: 7, graph: Some(Box::new(graph)) };
            let graph = read_bytes(Path::new("m.onnx"), model.encode_to_vec().into()).unwrap();
            heads(&graph, "x")
        };
        assert_eq!(shape([8, 36]).unwrap(), Heads { count: 8, size: 36 });
        assert!(shape([1 << 32, 1 << 32]).is_err());
        assert!(shape([0, 36]).is_err());
    }
}
