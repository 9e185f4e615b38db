//! A graph of operators, with its constants set apart.

use super::error::{NodeProblem, OnnxError, TensorProblem};
use super::tensor::{Constant, Values};
use crate::weights::{Tensor, Weights};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// A graph. Values are known by name, and each is given by one node, constant or input.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(super) file: Arc<Path>,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<String>,
    pub(super) nodes: Vec<Node>,
    pub(super) weights: Weights,
    pub(super) integers: HashMap<String, Vec<i64>>,
    /// Quantized weights and zero points, as they are in the file.
    pub(super) quantized: HashMap<String, Constant>,
    /// Value → the node that gives it.
    pub(super) producers: HashMap<String, usize>,
    /// Value → nodes that take it, and as which operand; in the order of the nodes.
    pub(super) consumers: HashMap<String, Vec<(usize, usize)>>,
}

/// An input of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Name of the value.
    pub name: String,
    /// Sizes; `None` where the file leaves them open.
    pub shape: Vec<Option<usize>>,
}

/// An operator.
#[derive(Clone, Debug)]
pub struct Node {
    /// For messages; may be empty.
    pub name: String,
    /// What it computes.
    pub operator: String,
    /// Names of the values it takes; an empty name stands for an operand that is left out.
    pub inputs: Vec<String>,
    /// Names of the values it gives.
    pub outputs: Vec<String>,
    /// Settings by name.
    pub attributes: BTreeMap<String, Attribute>,
}

/// A setting of an operator.
#[derive(Clone, Debug)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f32),
    /// A text.
    Text(String),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Numbers.
    Floats(Vec<f32>),
    /// A branch.
    Graph(Box<Graph>),
    /// Of a type that no importer looks at.
    Other,
}

impl Node {
    /// The attribute as a whole number, `default` where it is left out.
    pub fn int(&self, name: &str, default: i64) -> Option<i64> {
        match self.attributes.get(name) {
            None => Some(default),
            Some(Attribute::Int(value)) => Some(*value),
            Some(_) => None,
        }
    }

    /// The attribute as whole numbers; empty where it is left out.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            None => Some(&[]),
            Some(Attribute::Ints(values)) => Some(values),
            Some(_) => None,
        }
    }

    /// The attribute as a number, `default` where it is left out.
    pub fn float(&self, name: &str, default: f32) -> Option<f32> {
        match self.attributes.get(name) {
            None => Some(default),
            Some(Attribute::Float(value)) => Some(*value),
            Some(_) => None,
        }
    }
}

impl Graph {
    /// The file it came from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What it takes, constants left out.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Names of what it gives.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Its operators, in the order of the file.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All float constants.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The whole-number constant called `name`, row-major.
    pub fn integers(&self, name: &str) -> Option<&[i64]> {
        self.integers.get(name).map(Vec::as_slice)
    }

    /// Shape and numbers of the constant of signed or unsigned bytes called `name`, row-major.
    pub fn bytes(&self, name: &str) -> Option<(&[usize], &[i16])> {
        match self.quantized.get(name) {
            Some(Constant { shape, values: Values::Quantized(values) }) => Some((shape, values)),
            _ => None,
        }
    }

    /// The float constant called `name`.
    ///
    /// # Errors
    /// [`TensorProblem::Missing`] where there is none.
    pub fn weight(&self, name: &str) -> Result<&Tensor, OnnxError> {
        self.weights.get(name).ok_or_else(|| self.tensor_error(name, TensorProblem::Missing("float")))
    }

    /// Whether the value is a float, whole-number or quantized constant.
    pub fn is_constant(&self, name: &str) -> bool {
        self.weights.get(name).is_some()
            || self.integers.contains_key(name)
            || self.quantized.contains_key(name)
    }

    /// The graph as it runs when its only `If` takes the branch called `attribute` (`then_branch` or
    /// `else_branch`): the nodes around the `If` and those of the branch.
    ///
    /// # Errors
    /// Where there is not exactly one `If` with that branch, or the two define the same value.
    pub fn into_branch(mut self, attribute: &'static str) -> Result<Graph, OnnxError> {
        let mut found = self.nodes.extract_if(.., |node| node.operator == "If").collect::<Vec<_>>();
        let (Some(mut node), true) = (found.pop(), found.is_empty()) else {
            let found = format!("{}", found.len());
            return Err(self.structure_error("", "one node 'If'", &found));
        };
        let Some(Attribute::Graph(branch)) = node.attributes.remove(attribute) else {
            return Err(self.node_error(&node, NodeProblem::Attribute(attribute)));
        };
        let Graph { nodes, outputs, weights, integers, quantized, .. } = *branch;
        self.nodes.extend(nodes);
        self.outputs = outputs;
        for (name, tensor) in weights {
            if self.weights.get(&name).is_some() {
                return Err(self.defined_twice(&name));
            }
            self.weights.insert(name, tensor).ok();
        }
        self.integers.extend(integers);
        self.quantized.extend(quantized);
        self.restore_quantized()?;
        Ok(self)
    }

    /// Finds who gives and who takes each value. To be called when nodes or constants were changed.
    pub(super) fn index(&mut self) -> Result<(), OnnxError> {
        self.producers.clear();
        self.consumers.clear();
        let mut producers = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for output in node.outputs.iter().filter(|name| !name.is_empty()) {
                if producers.insert(output.clone(), index).is_some() || self.is_constant(output) {
                    return Err(self.defined_twice(output));
                }
            }
            for (operand, input) in node.inputs.iter().enumerate() {
                self.consumers.entry(input.clone()).or_default().push((index, operand));
            }
        }
        if let Some(input) = self.inputs.iter().find(|input| producers.contains_key(&input.name)) {
            return Err(self.defined_twice(&input.name));
        }
        self.producers = producers;
        Ok(())
    }

    pub(super) fn defined_twice(&self, value: &str) -> OnnxError {
        OnnxError::DefinedTwice { file: self.file.to_path_buf(), value: value.to_owned() }
    }

    /// An error about the constant called `name`.
    pub fn tensor_error(&self, name: &str, problem: TensorProblem) -> OnnxError {
        OnnxError::Tensor { file: self.file.to_path_buf(), tensor: name.to_owned(), problem }
    }

    /// An error about `node`.
    pub fn node_error(&self, node: &Node, problem: NodeProblem) -> OnnxError {
        OnnxError::Node {
            file: self.file.to_path_buf(),
            node: node.name.clone(),
            operator: node.operator.clone(),
            problem,
        }
    }

    /// An error about what comes before or after `value`.
    pub fn structure_error(&self, value: &str, expected: &str, found: &str) -> OnnxError {
        OnnxError::Structure {
            file: self.file.to_path_buf(),
            value: value.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }
}
