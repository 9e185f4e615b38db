//! The token sequences of a beam as a tree: hypotheses share what they have in common.

use crate::hypothesis::{Hypothesis, Token};

/// A sequence, by the number of its last token; 0 is the empty one.
pub(super) type Prefix = u32;

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    parent: Prefix,
    length: u32,
    /// Of all tokens: sequences of one hash are taken for the same, which is wrong once in 2^64 comparisons.
    hash: u64,
    token: Token,
}

/// Made once for the longest segment; nothing is forgotten within it.
#[derive(Clone, Debug)]
pub(super) struct PrefixTree {
    nodes: Vec<Node>,
    capacity: usize,
}

impl PrefixTree {
    /// Room for `capacity` tokens.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let mut nodes = Vec::with_capacity(capacity + 1);
        nodes.push(Node::default());
        PrefixTree { nodes, capacity: capacity + 1 }
    }

    pub(super) fn clear(&mut self) {
        self.nodes.truncate(1);
    }

    pub(super) fn hash(&self, prefix: Prefix) -> u64 {
        self.nodes[prefix as usize].hash
    }

    pub(super) fn length(&self, prefix: Prefix) -> usize {
        self.nodes[prefix as usize].length as usize
    }

    /// The hash of a sequence with one token more.
    pub(super) fn extended_hash(&self, prefix: Prefix, token: u32) -> u64 {
        let mixed = (self.hash(prefix) ^ (u64::from(token) + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ (mixed >> 29)
    }

    /// The sequence with one token more; the sequence itself where there is no room.
    pub(super) fn extend(&mut self, prefix: Prefix, token: Token) -> Prefix {
        if self.nodes.len() == self.capacity {
            return prefix;
        }
        let node = Node {
            parent: prefix,
            length: self.nodes[prefix as usize].length + 1,
            hash: self.extended_hash(prefix, token.id),
            token,
        };
        self.nodes.push(node);
        (self.nodes.len() - 1) as Prefix
    }

    /// How many tokens two sequences begin with in common.
    pub(super) fn common(&self, mut a: Prefix, mut b: Prefix) -> Prefix {
        while self.hash(a) != self.hash(b) || self.length(a) != self.length(b) {
            if self.length(a) >= self.length(b) {
                a = self.nodes[a as usize].parent;
            } else {
                b = self.nodes[b as usize].parent;
            }
        }
        a
    }

    /// The tokens, the last one first.
    pub(super) fn backwards(&self, mut prefix: Prefix) -> impl Iterator<Item = Token> {
        std::iter::from_fn(move || {
            let node = self.nodes[prefix as usize];
            prefix = node.parent;
            (node.length > 0).then_some(node.token)
        })
    }

    /// Writes the tokens of `prefix` into a hypothesis, the first `stable` of which will not change.
    pub(super) fn write(
        &self,
        prefix: Prefix,
        stable: usize,
        hypothesis: &mut Hypothesis,
        turned: &mut Vec<Token>,
    ) {
        turned.clear();
        turned.extend(self.backwards(prefix).take(turned.capacity()));
        hypothesis.clear();
        for &token in turned.iter().rev() {
            hypothesis.push(token);
        }
        hypothesis.set_stable(stable);
    }
}

/// `ln(e^a + e^b)`.
pub(super) fn log_add(a: f32, b: f32) -> f32 {
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    if small == f32::NEG_INFINITY { large } else { large + (small - large).exp().ln_1p() }
}
