//! A PyTorch checkpoint: a ZIP archive of a pickled dictionary and one file for each tensor's numbers.

use super::archive::Archive;
use super::content::{MAX_CHECKPOINT_BYTES, content, shown};
use super::error::{CheckpointError, Problem};
use super::pickle::{self, TensorValue, Value};
use crate::weights::{Tensor, Weights, element_count};
use half::{bf16, f16};
use std::path::Path;

/// What a training script may have put its state dict under.
const STATE_DICTS: [&str; 2] = ["state_dict", "model_state_dict"];

/// The tensors of a checkpoint that `torch.save` wrote of a state dict. Entries that are no tensors are left out.
/// Takes the file's size in memory, and once more for the result.
///
/// # Errors
/// [`CheckpointError`] where the file cannot be read, is damaged, or holds more than tensors of numbers.
pub fn read(file: &Path) -> Result<Weights, CheckpointError> {
    from_bytes(&content(file, MAX_CHECKPOINT_BYTES)?, file)
}

/// As [`read`], of the content of a file that errors call `file`.
///
/// # Errors
/// [`CheckpointError`].
pub fn from_bytes(bytes: &[u8], file: &Path) -> Result<Weights, CheckpointError> {
    parse(bytes).map_err(|problem| problem.within(file))
}

fn parse(bytes: &[u8]) -> Result<Weights, Problem> {
    let archive = Archive::new(bytes)?;
    let (folder, program) = archive
        .find("data.pkl")
        .ok_or_else(|| Problem::damaged("a ZIP archive, but not one of PyTorch's: it has no data.pkl"))?;
    if archive.get(&format!("{folder}/byteorder")).is_some_and(|order| order != b"little") {
        return Err(Problem::unsupported("its numbers are big-endian"));
    }
    let Value::Dict(dict) = pickle::load(program)? else {
        return Err(Problem::damaged("it holds no dictionary"));
    };
    let mut entries = dict.pairs;
    let inner = entries.iter_mut().find_map(|(key, value)| match (key, value) {
        (Value::Text(key), Value::Dict(inner)) if STATE_DICTS.contains(&&**key) => {
            Some(std::mem::take(&mut inner.pairs))
        }
        _ => None,
    });
    let mut weights = Weights::new();
    // Tensors may share their numbers, as tied weights do, but not without end.
    let mut left = bytes.len();
    for (key, value) in inner.unwrap_or(entries) {
        let (Value::Text(name), Value::Tensor(tensor)) = (key, value) else { continue };
        let of_tensor = |what: &str| format!("tensor '{}': {what}", shown(&name));
        let data = archive
            .get(&format!("{folder}/data/{}", tensor.key))
            .ok_or_else(|| Problem::damaged(of_tensor("its numbers are missing")))?;
        let tensor = numbers(&tensor, data, &mut left).map_err(|problem| match problem {
            Problem::Damaged(what) => Problem::damaged(of_tensor(&what)),
            Problem::Unsupported(what) => Problem::unsupported(of_tensor(&what)),
        })?;
        weights
            .insert(name.to_string(), tensor)
            .map_err(|_| Problem::damaged(of_tensor("it is there twice")))?;
    }
    Ok(weights)
}

/// The numbers of a tensor as `f32`, row-major; no more than are `left`.
fn numbers(tensor: &TensorValue, data: &[u8], left: &mut usize) -> Result<Tensor, Problem> {
    let convert: fn(&[u8]) -> f32 = match &*tensor.element {
        "FloatStorage" => |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        "DoubleStorage" => |b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
        "LongStorage" => |b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
        "HalfStorage" => |b| f16::from_le_bytes([b[0], b[1]]).to_f32(),
        "BFloat16Storage" => |b| bf16::from_le_bytes([b[0], b[1]]).to_f32(),
        other => return Err(Problem::unsupported(format!("elements of type {}", shown(other)))),
    };
    let bytes = match &*tensor.element {
        "FloatStorage" => 4,
        "DoubleStorage" | "LongStorage" => 8,
        _ => 2,
    };
    let outside = || Problem::damaged("it reaches beyond its numbers");
    let count = element_count(&tensor.shape).ok_or_else(outside)?;
    if count > 0 {
        let reach =
            tensor.shape.iter().zip(&tensor.strides).try_fold(tensor.offset, |reach, (&size, &stride)| {
                reach.checked_add((size - 1).checked_mul(stride)?)
            });
        let end = reach.and_then(|last| last.checked_add(1)?.checked_mul(bytes));
        // A stride of zero could ask for more elements than there are.
        if end.is_none_or(|end| end > data.len()) || count > data.len() {
            return Err(outside());
        }
    }
    *left = left
        .checked_sub(count)
        .ok_or_else(|| Problem::damaged("the same numbers are used again and again"))?;
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0; tensor.shape.len()];
    for _ in 0..count {
        let place: usize = index.iter().zip(&tensor.strides).map(|(i, stride)| i * stride).sum();
        values.push(convert(&data[(tensor.offset + place) * bytes..][..bytes]));
        for (i, &size) in index.iter_mut().zip(&tensor.shape).rev() {
            *i += 1;
            if *i < size {
                break;
            }
            *i = 0;
        }
    }
    Tensor::new(tensor.shape.clone(), values).ok_or_else(outside)
}
