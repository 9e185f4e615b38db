//! Reading ONNX files: the graph, and the weights apart from it. Nothing is executed.
//!
//! [`read`] gives a [`Graph`] that an importer walks to learn what each weight is for. Its float constants
//! are already [`Weights`](crate::weights::Weights): quantized ones are restored, and the operators that
//! quantizers put around them are replaced by plain ones, so that an importer sees one graph whatever the
//! precision of the file.

mod error;
mod graph;
pub(crate) mod proto;
mod quantized;
mod read;
mod tensor;
mod walk;

pub use error::{NodeProblem, OnnxError, TensorProblem};
pub use graph::{Attribute, Graph, Input, Node};
#[cfg(all(test, feature = "fetch"))]
pub(crate) use read::from_model;
pub use read::{read, read_as_written, read_bytes};
