//! Quantized weights → floats, and a plain graph around them.
//!
//! What quantizers emit is turned back into the operators they started from:
//!
//! - `DequantizeLinear(W)` → the float constant `W`, also where a `Gather` or `Transpose` lies between;
//! - `Cast(W)` → `Mul` by a scale → `Add` of an offset → the float constant;
//! - `DynamicQuantizeLinear(x)` → `MatMulInteger(x, W)` → `Cast` → `Mul` by both scales → `MatMul(x, W)`.
//!
//! A weight is `scale · (value − zero point)`, with one scale for the tensor or one for each index of an axis.
//! Patterns that are not known stay as they are: an importer then names the operator it did not expect.

use super::error::{OnnxError, TensorProblem};
use super::graph::{Graph, Node};
use super::tensor::{Constant, Values};
use crate::weights::Tensor;
use std::collections::{BTreeMap, HashSet};

/// What to change, found first and done at once.
#[derive(Default)]
struct Changes {
    replaced: Vec<(usize, Node)>,
    removed: HashSet<usize>,
    weights: BTreeMap<String, Tensor>,
}

/// A quantized constant with its scale and zero point, by name.
struct Quantized<'g> {
    values: &'g str,
    scale: &'g str,
    zero_point: Option<&'g str>,
}

impl Graph {
    /// Restores what it can, and finds anew who gives and takes each value.
    pub(super) fn restore_quantized(&mut self) -> Result<(), OnnxError> {
        self.index()?;
        let mut changes = Changes::default();
        for (index, node) in self.nodes.iter().enumerate() {
            match node.operator.as_str() {
                "DequantizeLinear" => self.restore_linear(index, node, &mut changes)?,
                "Cast" => self.restore_affine(index, node, &mut changes)?,
                "MatMulInteger" => self.restore_product(index, node, &mut changes)?,
                _ => {}
            }
        }
        for (index, node) in changes.replaced {
            self.nodes[index] = node;
        }
        let mut index = 0..;
        self.nodes.retain(|_| index.next().is_none_or(|index| !changes.removed.contains(&index)));
        for (name, tensor) in changes.weights {
            // A branch shares constants with the graph around it, where they may have been restored already.
            self.weights.insert(name, tensor).ok();
        }
        self.index()
    }

    fn restore_linear(&self, index: usize, node: &Node, changes: &mut Changes) -> Result<(), OnnxError> {
        let output = self.output(node)?;
        let mut quantized = self.quantized_operands(node, self.input(node, 0)?, 1)?;
        if self.quantized.contains_key(quantized.values) {
            let axis = node.int("axis", 1).unwrap_or(1);
            changes.weights.insert(output.to_owned(), self.dequantize(&quantized, axis)?);
            changes.removed.insert(index);
            return Ok(());
        }
        let Some(between) = self.producer(quantized.values) else { return Ok(()) };
        let Some(source) = between.inputs.first().filter(|name| self.quantized.contains_key(*name)) else {
            return Ok(());
        };
        let one_scale = self.weights.get(quantized.scale).is_some_and(|scale| scale.scalar().is_some());
        if one_scale && matches!(between.operator.as_str(), "Gather" | "Transpose") {
            quantized.values = source;
            let mut moved = between.clone();
            moved.inputs[0] = self.restored(&quantized, changes)?;
            moved.outputs = vec![output.to_owned()];
            changes.replaced.push((index, moved));
        }
        Ok(())
    }

    /// Bytes that are cast to floats, scaled by one number and shifted by another.
    fn restore_affine(&self, index: usize, node: &Node, changes: &mut Changes) -> Result<(), OnnxError> {
        let name = self.input(node, 0)?;
        let Some(Constant { shape, values: Values::Quantized(values) }) = self.quantized.get(name) else {
            return Ok(());
        };
        let cast = self.output(node)?;
        let Some((scaled_by, scaled)) = self.only_step(cast, "Mul") else { return Ok(()) };
        let Some((shifted_by, shifted)) = self.only_step(scaled, "Add") else { return Ok(()) };
        let number = |node: usize, value| {
            let tensor = self.weights.get(self.other_input(&self.nodes[node], value)?);
            Ok(tensor.and_then(Tensor::scalar))
        };
        let (Some(scale), Some(offset)) = (number(scaled_by, cast)?, number(shifted_by, scaled)?) else {
            return Ok(());
        };
        let data = values.iter().map(|&value| f32::from(value) * scale + offset).collect();
        if let Some(tensor) = Tensor::new(shape.clone(), data) {
            changes.weights.insert(shifted.to_owned(), tensor);
            changes.removed.extend([index, scaled_by, shifted_by]);
        }
        Ok(())
    }

    fn restore_product(&self, index: usize, node: &Node, changes: &mut Changes) -> Result<(), OnnxError> {
        let activations = self.producer(self.input(node, 0)?);
        let Some(activations) = activations.filter(|node| node.operator == "DynamicQuantizeLinear") else {
            return Ok(());
        };
        let weight = self.input(node, 1)?;
        let [_, activation_scale, _] = &activations.outputs[..] else { return Ok(()) };
        if !self.quantized.contains_key(weight) {
            return Ok(());
        }
        let Some((cast, floats)) = self.only_step(self.output(node)?, "Cast") else { return Ok(()) };
        let Some((product, output)) = self.only_step(floats, "Mul") else { return Ok(()) };
        let Some(&scales) = self.producers.get(self.other_input(&self.nodes[product], floats)?) else {
            return Ok(());
        };
        if self.nodes[scales].operator != "Mul" {
            return Ok(());
        }
        let quantized = Quantized {
            values: weight,
            scale: self.other_input(&self.nodes[scales], activation_scale)?,
            zero_point: node.inputs.get(3).map(String::as_str).filter(|name| !name.is_empty()),
        };
        let plain = Node {
            name: node.name.clone(),
            operator: "MatMul".to_owned(),
            inputs: vec![self.input(activations, 0)?.to_owned(), self.restored(&quantized, changes)?],
            outputs: vec![output.to_owned()],
            attributes: BTreeMap::new(),
        };
        changes.replaced.push((product, plain));
        changes.removed.extend([index, cast, scales]);
        Ok(())
    }

    /// The one node that takes `value`, if it is an `operator`: its place and its result.
    fn only_step(&self, value: &str, operator: &str) -> Option<(usize, &str)> {
        let [(index, _)] = self.consumers.get(value)?[..] else { return None };
        let node = &self.nodes[index];
        let output = node.outputs.first()?;
        (node.operator == operator).then_some((index, output))
    }

    fn quantized_operands<'g>(
        &self,
        node: &'g Node,
        values: &'g str,
        scale: usize,
    ) -> Result<Quantized<'g>, OnnxError> {
        let zero_point = node.inputs.get(scale + 1).map(String::as_str).filter(|name| !name.is_empty());
        Ok(Quantized { values, scale: self.input(node, scale)?, zero_point })
    }

    /// Name of the restored constant of a matrix whose scales, if several, are one for each column.
    fn restored(&self, quantized: &Quantized, changes: &mut Changes) -> Result<String, OnnxError> {
        let name = format!("{} × {}", quantized.values, quantized.scale);
        if !changes.weights.contains_key(&name) && self.weights.get(&name).is_none() {
            changes.weights.insert(name.clone(), self.dequantize(quantized, -1)?);
        }
        Ok(name)
    }

    /// `axis` is looked at where there are several scales; negative ones count from the last.
    fn dequantize(&self, quantized: &Quantized, axis: i64) -> Result<Tensor, OnnxError> {
        let error = |problem| self.tensor_error(quantized.values, problem);
        let bytes = |name: &str| match self.quantized.get(name).map(|constant| &constant.values) {
            Some(Values::Quantized(bytes)) => Ok(&bytes[..]),
            _ => Err(self.tensor_error(name, TensorProblem::Missing("quantized"))),
        };
        let values = bytes(quantized.values)?;
        let shape = self.quantized[quantized.values].shape.clone();
        let scales = self.weight(quantized.scale)?.data();
        let zero_points = quantized.zero_point.map_or(Ok(&[0][..]), bytes)?;
        let misfit = || error(TensorProblem::Quantization(shape.clone()));
        let (size, inner) = if scales.len() == 1 {
            (1, values.len().max(1))
        } else {
            let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
            let axis = usize::try_from(axis).ok().filter(|&axis| axis < shape.len()).ok_or_else(misfit)?;
            (shape[axis], shape[axis + 1..].iter().product::<usize>().max(1))
        };
        if scales.len() != size || !(zero_points.len() == 1 || zero_points.len() == size) {
            return Err(misfit());
        }
        let restore = |(index, &value): (usize, &i16)| {
            let place = index / inner % size;
            let zero_point = zero_points[if zero_points.len() == 1 { 0 } else { place }];
            scales[place] * f32::from(value - zero_point)
        };
        let data = values.iter().enumerate().map(restore).collect();
        Tensor::new(shape.clone(), data).ok_or_else(misfit)
    }
}
