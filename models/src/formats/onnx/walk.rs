//! Finding one's way in a graph.

use super::error::{NodeProblem, OnnxError};
use super::graph::{Graph, Node};
use std::collections::{HashSet, VecDeque};

impl Graph {
    /// The node that gives `value`; `None` for inputs and constants.
    pub fn producer(&self, value: &str) -> Option<&Node> {
        self.producers.get(value).map(|&index| &self.nodes[index])
    }

    /// The nodes that take `value`, with the number of the operand.
    pub fn consumers(&self, value: &str) -> impl Iterator<Item = (&Node, usize)> {
        let uses = self.consumers.get(value).map_or(&[][..], Vec::as_slice);
        uses.iter().map(|&(index, operand)| (&self.nodes[index], operand))
    }

    /// The only node of kind `operator` that takes `value`; nodes of other kinds may take it too.
    ///
    /// # Errors
    /// Where there is none, or several.
    pub fn consumer(&self, value: &str, operator: &str) -> Result<&Node, OnnxError> {
        let mut candidates = self.consumers(value).filter(|(node, _)| node.operator == operator);
        match (candidates.next(), candidates.next()) {
            (Some((node, _)), None) => Ok(node),
            _ => {
                Err(self.structure_error(value, &format!("one {operator}"), &self.describe_consumers(value)))
            }
        }
    }

    /// The kinds of nodes that take `value`, for messages.
    pub fn describe_consumers(&self, value: &str) -> String {
        let mut kinds = self.consumers(value).map(|(node, _)| node.operator.as_str()).collect::<Vec<_>>();
        if self.outputs.iter().any(|output| output == value) {
            kinds.push("an output of the graph");
        }
        if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
    }

    /// Operand `index` of `node`.
    ///
    /// # Errors
    /// Where it is left out.
    pub fn input<'g>(&self, node: &'g Node, index: usize) -> Result<&'g str, OnnxError> {
        let operand = node.inputs.get(index).filter(|name| !name.is_empty());
        operand
            .map(String::as_str)
            .ok_or_else(|| self.node_error(node, NodeProblem::Missing { what: "input", index }))
    }

    /// The first result of `node`.
    ///
    /// # Errors
    /// Where it has none.
    pub fn output<'g>(&self, node: &'g Node) -> Result<&'g str, OnnxError> {
        let output = node.outputs.first().filter(|name| !name.is_empty());
        output
            .map(String::as_str)
            .ok_or_else(|| self.node_error(node, NodeProblem::Missing { what: "output", index: 0 }))
    }

    /// The other operand of a node with two operands, one of which is `value`.
    ///
    /// # Errors
    /// Where `value` is no operand of it, or it has another number of them.
    pub fn other_input<'g>(&self, node: &'g Node, value: &str) -> Result<&'g str, OnnxError> {
        match &node.inputs[..] {
            [first, second] if first == value => Ok(second),
            [first, second] if second == value => Ok(first),
            _ => Err(self
                .node_error(node, NodeProblem::Unsupported(format!("expected two operands, one '{value}'")))),
        }
    }

    /// Every node that `wanted` accepts and that `value` reaches, going only through nodes that `through`
    /// accepts; nearest first, each once.
    pub fn reached_from<'g>(
        &'g self,
        value: &'g str,
        through: impl Fn(&Node) -> bool,
        wanted: impl Fn(&Node) -> bool,
    ) -> Vec<&'g Node> {
        let next = |value: &'g str| self.consumers.get(value).into_iter().flatten().map(|&(index, _)| index);
        self.search(value, next, |node| &node.outputs, through, wanted)
    }

    /// Every node that `wanted` accepts and that reaches `value`, likewise.
    pub fn leading_to<'g>(
        &'g self,
        value: &'g str,
        through: impl Fn(&Node) -> bool,
        wanted: impl Fn(&Node) -> bool,
    ) -> Vec<&'g Node> {
        let next = |value: &'g str| self.producers.get(value).copied().into_iter();
        self.search(value, next, |node| &node.inputs, through, wanted)
    }

    /// Breadth first; a node is visited once, so that a damaged file with a cycle ends too.
    fn search<'g, I: Iterator<Item = usize>>(
        &'g self,
        start: &'g str,
        next: impl Fn(&'g str) -> I,
        onwards: impl Fn(&'g Node) -> &'g [String],
        through: impl Fn(&Node) -> bool,
        wanted: impl Fn(&Node) -> bool,
    ) -> Vec<&'g Node> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let mut open = VecDeque::from([start]);
        while let Some(value) = open.pop_front() {
            for index in next(value).filter(|&index| seen.insert(index)) {
                let node = &self.nodes[index];
                if wanted(node) {
                    found.push(node);
                } else if through(node) {
                    open.extend(onwards(node).iter().map(String::as_str));
                }
            }
        }
        found
    }
}
