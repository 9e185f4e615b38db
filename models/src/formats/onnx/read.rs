//! A file's bytes → a [`Graph`].

use super::error::OnnxError;
use super::graph::{Attribute, Graph, Input, Node};
use super::proto::{self, attribute_kind};
use super::tensor::{self, Values};
use crate::regular;
use crate::weights::{Tensor, Weights};
use bytes::Bytes;
use prost::Message;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Protobuf's limit for one message.
const MAX_FILE_BYTES: u64 = 1 << 31;

/// Reads the file. Memory while reading: the file, its float constants as `f32`, and a few kilobytes a node.
///
/// # Errors
/// Where the file cannot be read, is damaged, or holds constants that make no sense.
pub fn read(file: &Path) -> Result<Graph, OnnxError> {
    let (file, model) = open(file)?;
    from_model(file, model)
}

fn open(file: &Path) -> Result<(&Path, proto::Model), OnnxError> {
    let failed = |source| OnnxError::Read { file: file.to_path_buf(), source };
    let bytes = std::fs::metadata(file).map_err(failed)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(OnnxError::TooLarge { file: file.to_path_buf(), bytes });
    }
    let bytes = Bytes::from(regular::read(file, MAX_FILE_BYTES).map_err(failed)?);
    Ok((file, decode(file, bytes)?))
}

fn decode(file: &Path, bytes: Bytes) -> Result<proto::Model, OnnxError> {
    proto::Model::decode(bytes).map_err(|source| OnnxError::Damaged { file: file.to_path_buf(), source })
}

/// Reads what is already in memory; `file` is for messages.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(file: &Path, bytes: Bytes) -> Result<Graph, OnnxError> {
    from_model(file, decode(file, bytes)?)
}

/// Reads the file and restores nothing: quantized constants stay bytes ([`Graph::bytes`]), and all operators that quantizers
/// put around others stay. For networks that run as they were quantized.
///
/// # Errors
/// As [`read`].
pub fn read_as_written(file: &Path) -> Result<Graph, OnnxError> {
    let (file, model) = open(file)?;
    from_graph(file, model)
}

pub(crate) fn from_model(file: &Path, model: proto::Model) -> Result<Graph, OnnxError> {
    let mut graph = from_graph(file, model)?;
    graph.restore_quantized()?;
    Ok(graph)
}

fn from_graph(file: &Path, model: proto::Model) -> Result<Graph, OnnxError> {
    // Nearly any short text is protobuf of some kind; a model says its version and has a graph.
    let (Some(graph), 1..) = (model.graph, model.ir_version) else {
        return Err(OnnxError::NoGraph { file: file.to_path_buf() });
    };
    convert(&Arc::from(file), *graph)
}

/// Depth of branches within branches is bounded by the protobuf decoder.
fn convert(file: &Arc<Path>, source: proto::Graph) -> Result<Graph, OnnxError> {
    let mut graph = Graph {
        file: Arc::clone(file),
        inputs: Vec::new(),
        outputs: source.outputs.into_iter().map(|output| output.name).collect(),
        nodes: Vec::with_capacity(source.nodes.len()),
        weights: Weights::new(),
        integers: HashMap::new(),
        quantized: HashMap::new(),
        producers: HashMap::new(),
        consumers: HashMap::new(),
    };
    for tensor in &source.initializers {
        graph.insert_constant(&tensor.name, tensor)?;
    }
    // Old files list constants among the inputs too.
    let inputs = source.inputs.into_iter().map(input).collect::<Vec<_>>();
    graph.inputs = inputs.into_iter().filter(|input| !graph.is_constant(&input.name)).collect();
    for node in source.nodes {
        graph.insert_node(node)?;
    }
    graph.index()?;
    Ok(graph)
}

fn input(source: proto::ValueInfo) -> Input {
    let shape = source.kind.and_then(|kind| kind.tensor).and_then(|tensor| tensor.shape);
    let size = |dimension: proto::Dimension| dimension.value.and_then(|size| size.try_into().ok());
    Input {
        name: source.name,
        shape: shape.map_or_else(Vec::new, |shape| shape.dims.into_iter().map(size).collect()),
    }
}

impl Graph {
    fn insert_constant(&mut self, name: &str, tensor: &proto::Tensor) -> Result<(), OnnxError> {
        let constant = tensor::decode(tensor).map_err(|problem| self.tensor_error(name, problem))?;
        if self.is_constant(name) {
            return Err(self.defined_twice(name));
        }
        match constant.values {
            Values::Float(data) => {
                // The decoder has compared the shape with the data.
                if let Some(tensor) = Tensor::new(constant.shape, data) {
                    self.weights.insert(name.to_owned(), tensor).ok();
                }
            }
            Values::Integer(data) => {
                self.integers.insert(name.to_owned(), data);
            }
            Values::Quantized(_) => {
                self.quantized.insert(name.to_owned(), constant);
            }
        }
        Ok(())
    }

    /// `Constant` nodes become constants; all others are kept.
    fn insert_node(&mut self, source: proto::Node) -> Result<(), OnnxError> {
        if let ("Constant", [output], [attribute]) =
            (source.operator.as_str(), &source.outputs[..], &source.attributes[..])
            && let Some(tensor) = constant_value(attribute)
        {
            return self.insert_constant(output, &tensor);
        }
        let mut attributes = std::collections::BTreeMap::new();
        for attribute in source.attributes {
            let value = match (attribute.kind, attribute.graph) {
                (attribute_kind::GRAPH, Some(graph)) => {
                    Attribute::Graph(Box::new(convert(&self.file, *graph)?))
                }
                (attribute_kind::INT, _) => Attribute::Int(attribute.int),
                (attribute_kind::FLOAT, _) => Attribute::Float(attribute.float),
                (attribute_kind::STRING, _) => {
                    Attribute::Text(String::from_utf8_lossy(&attribute.text).into_owned())
                }
                (attribute_kind::INTS, _) => Attribute::Ints(attribute.ints),
                (attribute_kind::FLOATS, _) => Attribute::Floats(attribute.floats),
                _ => Attribute::Other,
            };
            attributes.insert(attribute.name, value);
        }
        self.nodes.push(Node {
            name: source.name,
            operator: source.operator,
            inputs: source.inputs,
            outputs: source.outputs,
            attributes,
        });
        Ok(())
    }
}

/// What a `Constant` node gives, where it is a tensor or a number.
fn constant_value(attribute: &proto::Attribute) -> Option<proto::Tensor> {
    use proto::data_type::{FLOAT, INT64};
    let attribute = attribute.clone();
    let length = |count: usize| vec![count as i64];
    Some(match (attribute.kind, attribute.tensor) {
        (attribute_kind::TENSOR, Some(tensor)) => *tensor,
        (attribute_kind::FLOAT, _) => {
            proto::Tensor { data_type: FLOAT, floats: vec![attribute.float], ..Default::default() }
        }
        (attribute_kind::INT, _) => {
            proto::Tensor { data_type: INT64, ints64: vec![attribute.int], ..Default::default() }
        }
        (attribute_kind::FLOATS, _) => proto::Tensor {
            data_type: FLOAT,
            dims: length(attribute.floats.len()),
            floats: attribute.floats,
            ..Default::default()
        },
        (attribute_kind::INTS, _) => proto::Tensor {
            data_type: INT64,
            dims: length(attribute.ints.len()),
            ints64: attribute.ints,
            ..Default::default()
        },
        _ => return None,
    })
}
