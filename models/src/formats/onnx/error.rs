//! What can be wrong with an ONNX file.

use std::path::PathBuf;
use thiserror::Error;

/// Why a file was not read or not understood. Reading the same file again does not help, except for
/// [`OnnxError::Read`].
#[derive(Debug, Error)]
pub enum OnnxError {
    /// The file system refused.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// Larger than a protobuf message may be.
    #[error("{}: too large for an ONNX file (expected at most 2 GiB, found {bytes} bytes)", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Not protobuf, or cut off.
    #[error("{}: not an ONNX file, or damaged: {source}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where decoding stopped.
        source: prost::DecodeError,
    },
    /// Protobuf, but without a graph.
    #[error("{}: not an ONNX file: it holds no graph", file.display())]
    NoGraph {
        /// The file.
        file: PathBuf,
    },
    /// Two constants, nodes or inputs give the same value.
    #[error("{}: the value '{value}' is defined twice", file.display())]
    DefinedTwice {
        /// The file.
        file: PathBuf,
        /// Name of the value.
        value: String,
    },
    /// A constant cannot be used.
    #[error("{}: tensor '{tensor}': {problem}", file.display())]
    Tensor {
        /// The file.
        file: PathBuf,
        /// Name of the constant.
        tensor: String,
        /// What is wrong with it.
        problem: TensorProblem,
    },
    /// A node is not as it should be.
    #[error("{}: node '{node}' ({operator}): {problem}", file.display())]
    Node {
        /// The file.
        file: PathBuf,
        /// Name of the node.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong with it.
        problem: NodeProblem,
    },
    /// The graph does not go on as expected.
    #[error("{}: after value '{value}': another network (expected {expected}, found {found})", file.display())]
    Structure {
        /// The file.
        file: PathBuf,
        /// Name of the value from which the search started.
        value: String,
        /// What was looked for.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// What is wrong with a constant.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TensorProblem {
    /// A negative dimension, or more elements than memory has addresses.
    #[error("impossible shape (found {0:?})")]
    Shape(Vec<i64>),
    /// Data and shape disagree.
    #[error("another length than its shape has (expected {expected} elements, found {found})")]
    Length {
        /// Elements by the shape.
        expected: usize,
        /// Elements in the file.
        found: usize,
    },
    /// Bytes that are not a whole number of elements.
    #[error("not a whole number of elements (expected a multiple of {element} bytes, found {bytes})")]
    Bytes {
        /// Length of the data.
        bytes: usize,
        /// Size of one element.
        element: usize,
    },
    /// An element type that is not supported.
    #[error("element type not supported (found {0})")]
    Type(i32),
    /// The data are kept in another file.
    #[error("its data are in another file, which is not supported")]
    External,
    /// There is no such constant of that kind.
    #[error("no such constant of kind {0}")]
    Missing(&'static str),
    /// A shape other than the network has.
    #[error("wrong shape (expected {expected}, found {found:?})")]
    UnexpectedShape {
        /// In words or numbers.
        expected: String,
        /// The constant's shape.
        found: Vec<usize>,
    },
    /// Not what the network's formula has there.
    #[error("wrong value (expected {expected}, found {found})")]
    UnexpectedValue {
        /// By the formula.
        expected: f32,
        /// In the file.
        found: f32,
    },
    /// Scales or zero points that do not fit the quantized values.
    #[error("its scales or zero points do not fit its shape {0:?}")]
    Quantization(Vec<usize>),
}

/// What is wrong with a node.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum NodeProblem {
    /// It has fewer inputs or outputs than its operator needs.
    #[error("{what} {index} is missing")]
    Missing {
        /// "input" or "output".
        what: &'static str,
        /// Counted from 0.
        index: usize,
    },
    /// An attribute is missing or of another type.
    #[error("attribute '{0}' is missing or of another type")]
    Attribute(&'static str),
    /// An attribute or operand that the network does not have.
    #[error("{0}")]
    Unsupported(String),
}
