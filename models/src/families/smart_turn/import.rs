//! The network's weights from its ONNX file, found by walking from the graph's input.

use super::quantized::{Rounded, biased, convolution, gelu, norm, product, rounded, unsupported};
use crate::families::onnx_layers::residual;
use crate::formats::onnx::{self, Graph, Node, NodeProblem, OnnxError};
use crate::layers::static_grid::GridWeights;
use crate::networks::smart_turn::{
    ClassifierWeights, HEAD_DIM, HEADS, INNER, LAYERS, LayerWeights, POOL, POSITIONS, PoolWeights,
    SmartTurnWeights, WIDTH,
};
use crate::turn::{SmartTurn, SmartTurnError};
use std::path::Path;

/// Reads and prepares `smart-turn-v3.2-cpu.onnx`.
///
/// # Errors
/// Where the file cannot be read or does not hold the network.
pub fn load(file: &Path) -> Result<SmartTurn, SmartTurnError> {
    SmartTurn::new(&import(file)?)
}

/// Reads `smart-turn-v3.2-cpu.onnx`.
///
/// # Errors
/// Where the file cannot be read or does not hold the network.
pub fn import(file: &Path) -> Result<SmartTurnWeights, SmartTurnError> {
    Ok(walk(&onnx::read_as_written(file)?)?)
}

fn walk(graph: &Graph) -> Result<SmartTurnWeights, OnnxError> {
    let Some(features) = graph.inputs().first().map(|input| input.name.as_str()) else {
        return Err(graph.structure_error("", "an input", "none"));
    };
    let input = rounded(graph, features)?;
    let first = convolution(graph, graph.consumer(input.value, "Conv")?, 1, input.grid)?;
    let active = rounded(graph, gelu(graph, first.value)?)?;
    let second = convolution(graph, graph.consumer(active.value, "Conv")?, 2, active.grid)?;
    let turned = graph.consumer(gelu(graph, second.value)?, "Transpose")?;
    if turned.ints("perm") != Some(&[0, 2, 1]) {
        return Err(graph.node_error(turned, NodeProblem::Attribute("perm")));
    }
    let (mut trunk, positions) = biased(graph, graph.output(turned)?, POSITIONS * WIDTH)?;
    let mut layers = Vec::with_capacity(LAYERS);
    for _ in 0..LAYERS {
        let (layer, after) = layer(graph, trunk)?;
        layers.push(layer);
        trunk = after;
    }
    let (norm, normed) = norm(graph, trunk)?;
    let frames = rounded(graph, normed)?;
    let (pool, pooled) = pool(graph, frames)?;
    let classifier = classifier(graph, pooled)?;
    Ok(SmartTurnWeights {
        first: first.weights,
        second: second.weights,
        positions,
        layers,
        norm,
        pool,
        classifier,
    })
}

/// The layer that takes `trunk`, and the value after it.
fn layer<'g>(graph: &'g Graph, trunk: &'g str) -> Result<(LayerWeights, &'g str), OnnxError> {
    let (attention_norm, normed) = norm(graph, trunk)?;
    let Heads { query, key, value } = heads(graph, rounded(graph, normed)?)?;
    let scores = rounded(graph, joined(graph, query.rounded.value, key.rounded.value)?)?;
    let weights = rounded(graph, softmax(graph, scores.value, [-1, 3])?)?;
    let summed = rounded(graph, joined(graph, weights.value, value.rounded.value)?)?;
    let merged = reshaped(graph, summed.value, &["QuantizeLinear"])?;
    let merged = rounded(graph, graph.input(merged, 0)?)?;
    if merged.grid != summed.grid {
        return Err(graph.structure_error(merged.value, "the grid of the heads", "another grid"));
    }
    let output = product(graph, graph.consumer(merged.value, "MatMul")?, merged.grid)?;
    let (branch, output_bias) = biased(graph, output.value, WIDTH)?;
    let trunk = residual(graph, trunk, branch)?;

    let (mlp_norm, normed) = norm(graph, trunk)?;
    let normed = rounded(graph, normed)?;
    let widen = product(graph, graph.consumer(normed.value, "MatMul")?, normed.grid)?;
    let (wide, widen_bias) = biased(graph, widen.value, INNER)?;
    let active = rounded(graph, gelu(graph, wide)?)?;
    let narrow = product(graph, graph.consumer(active.value, "MatMul")?, active.grid)?;
    let (branch, narrow_bias) = biased(graph, narrow.value, WIDTH)?;
    let after = residual(graph, trunk, branch)?;
    let layer = LayerWeights {
        attention_norm,
        query_bias: query.bias,
        key: key.weights,
        factors: [query.factor, key.factor],
        multiplied: [query.rounded.grid, key.rounded.grid],
        query: query.weights,
        value: value.weights,
        value_bias: value.bias,
        values: value.rounded.grid,
        scores: scores.grid,
        weights: weights.grid,
        output: output.weights,
        output_bias,
        mlp_norm,
        widen: widen.weights,
        widen_bias,
        narrow: narrow.weights,
        narrow_bias,
    };
    Ok((layer, after))
}

/// What attention is computed from.
struct Heads<'g> {
    query: Branch<'g>,
    key: Branch<'g>,
    value: Branch<'g>,
}

/// A product, what is done to it in floats, and what it is rounded to then.
struct Branch<'g> {
    weights: GridWeights,
    /// Empty where there is none.
    bias: Vec<f32>,
    /// 1 where there is none.
    factor: f32,
    rounded: Rounded<'g>,
}

/// The three products of `normed`: the one without a bias makes keys, the one without a factor values.
fn heads<'g>(graph: &'g Graph, normed: Rounded<'g>) -> Result<Heads<'g>, OnnxError> {
    let (mut query, mut key, mut value) = (None, None, None);
    for (node, _) in graph.consumers(normed.value).filter(|(node, _)| node.operator == "MatMul") {
        let product = product(graph, node, normed.grid)?;
        let has_bias = graph.consumers(product.value).any(|(node, _)| node.operator == "Add");
        let (after, bias) =
            if has_bias { biased(graph, product.value, WIDTH)? } else { (product.value, Vec::new()) };
        let next = reshaped(graph, after, &["Mul", "QuantizeLinear"])?;
        let has_factor = next.operator == "Mul";
        let (factor, last) = if has_factor {
            let factor = next.inputs.iter().find_map(|name| graph.weights().get(name)?.scalar());
            (factor.ok_or_else(|| unsupported(graph, next, "expected one factor"))?, graph.output(next)?)
        } else {
            (1.0, graph.input(next, 0)?)
        };
        let place = match (has_bias, has_factor) {
            (true, true) => {
                check_heads(graph, after)?;
                &mut query
            }
            (false, _) => &mut key,
            (true, false) => &mut value,
        };
        let rounded = rounded(graph, last)?;
        if place.replace(Branch { weights: product.weights, bias, factor, rounded }).is_some() {
            return Err(unsupported(graph, node, "a second product of the same kind"));
        }
    }
    match (query, key, value) {
        (Some(query), Some(key), Some(value)) => Ok(Heads { query, key, value }),
        _ => {
            let found = graph.describe_consumers(normed.value);
            Err(graph.structure_error(normed.value, "products for queries, keys and values", &found))
        }
    }
}

/// Whether queries are split into the heads of the network.
fn check_heads(graph: &Graph, queries: &str) -> Result<(), OnnxError> {
    let split = graph.consumer(queries, "Reshape")?;
    let shape = graph.producer(graph.input(split, 1)?).filter(|node| node.operator == "Concat");
    let sizes = shape.map(|shape| shape.inputs.iter().rev().take(2).map(|name| graph.integers(name)));
    let expected = [Some(&[HEAD_DIM as i64][..]), Some(&[HEADS as i64][..])];
    if sizes.is_some_and(|sizes| sizes.eq(expected)) {
        return Ok(());
    }
    Err(unsupported(graph, split, &format!("expected {HEADS} heads of {HEAD_DIM}")))
}

/// The only node of one of these kinds behind changes of shape.
fn reshaped<'g>(graph: &'g Graph, value: &'g str, wanted: &[&str]) -> Result<&'g Node, OnnxError> {
    let is_shape = |node: &Node| matches!(node.operator.as_str(), "Reshape" | "Transpose");
    match graph.reached_from(value, is_shape, |node| wanted.contains(&node.operator.as_str()))[..] {
        [node] => Ok(node),
        _ => {
            let found = graph.describe_consumers(value);
            Err(graph.structure_error(value, &format!("one {} later", wanted.join(" or ")), &found))
        }
    }
}

/// The value after the product of two computed matrices.
fn joined<'g>(graph: &'g Graph, left: &'g str, right: &str) -> Result<&'g str, OnnxError> {
    let node = graph.consumer(left, "MatMul")?;
    if graph.input(node, 0)? != left || graph.input(node, 1)? != right {
        return Err(graph.structure_error(left, &format!("a product with '{right}'"), "another product"));
    }
    graph.output(node)
}

fn softmax<'g>(graph: &'g Graph, value: &'g str, axes: [i64; 2]) -> Result<&'g str, OnnxError> {
    let node = graph.consumer(value, "Softmax")?;
    match node.int("axis", -1) {
        Some(axis) if axes.contains(&axis) => graph.output(node),
        _ => Err(graph.node_error(node, NodeProblem::Attribute("axis"))),
    }
}

/// The pooling of frames, and the value after it.
fn pool<'g>(graph: &'g Graph, frames: Rounded<'g>) -> Result<(PoolWeights, &'g str), OnnxError> {
    let hidden = product(graph, graph.consumer(frames.value, "MatMul")?, frames.grid)?;
    let (before, hidden_bias) = biased(graph, hidden.value, POOL)?;
    let active = rounded(graph, graph.output(graph.consumer(before, "Tanh")?)?)?;
    let output = product(graph, graph.consumer(active.value, "MatMul")?, active.grid)?;
    let (logits, output_bias) = biased(graph, output.value, 1)?;
    let shares = softmax(graph, logits, [1, 1])?;
    let weighted = graph.consumer(shares, "Mul")?;
    if graph.other_input(weighted, shares)? != frames.value {
        return Err(graph.structure_error(shares, "a weighted sum of the frames", "another product"));
    }
    let summed = graph.output(graph.consumer(graph.output(weighted)?, "ReduceSum")?)?;
    let weights = PoolWeights {
        hidden: hidden.weights,
        hidden_bias,
        output: output.weights,
        output_bias: output_bias[0],
    };
    Ok((weights, summed))
}

/// The classifier behind the pooled frame, up to the graph's output.
fn classifier(graph: &Graph, pooled: &str) -> Result<ClassifierWeights, OnnxError> {
    let layer = |value| {
        let input = rounded(graph, value)?;
        let product = product(graph, graph.consumer(input.value, "Gemm")?, input.grid)?;
        if product.weights.bias.is_none() {
            return Err(graph.structure_error(input.value, "a product with a bias", "none"));
        }
        Ok(product)
    };
    let first = layer(pooled)?;
    let (norm, normed) = norm(graph, first.value)?;
    let second = layer(gelu(graph, normed)?)?;
    let third = layer(gelu(graph, second.value)?)?;
    graph.consumer(third.value, "Sigmoid")?;
    Ok(ClassifierWeights { products: [first.weights, second.weights, third.weights], norm })
}
