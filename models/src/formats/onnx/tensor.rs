//! One constant of a file → numbers.

use super::error::TensorProblem;
use super::proto::{self, data_type};
use crate::weights::element_count;
use half::{bf16, f16};

/// A constant's shape and numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub shape: Vec<usize>,
    pub values: Values,
}

/// Numbers by what they are used for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// Weights, from any float type.
    Float(Vec<f32>),
    /// Shapes, axes, positions and flags.
    Integer(Vec<i64>),
    /// Quantized weights and zero points, from signed or unsigned bytes.
    Quantized(Vec<i16>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Float(v) => v.len(),
            Values::Integer(v) => v.len(),
            Values::Quantized(v) => v.len(),
        }
    }
}

/// Decodes `tensor`. Allocates no more than in proportion to the data that the file really holds.
pub(super) fn decode(tensor: &proto::Tensor) -> Result<Constant, TensorProblem> {
    if tensor.location == proto::LOCATION_EXTERNAL {
        return Err(TensorProblem::External);
    }
    let shape = shape(&tensor.dims)?;
    let expected = element_count(&shape).ok_or_else(|| TensorProblem::Shape(tensor.dims.clone()))?;
    let values = values(tensor)?;
    if values.len() != expected {
        return Err(TensorProblem::Length { expected, found: values.len() });
    }
    Ok(Constant { shape, values })
}

fn shape(dims: &[i64]) -> Result<Vec<usize>, TensorProblem> {
    dims.iter().map(|&size| usize::try_from(size).map_err(|_| TensorProblem::Shape(dims.to_vec()))).collect()
}

fn values(tensor: &proto::Tensor) -> Result<Values, TensorProblem> {
    let raw = &tensor.raw[..];
    let typed = raw.is_empty();
    Ok(match tensor.data_type {
        data_type::FLOAT if typed => Values::Float(tensor.floats.clone()),
        data_type::FLOAT => Values::Float(elements(raw, f32::from_le_bytes)?),
        data_type::DOUBLE if typed => Values::Float(tensor.doubles.iter().map(|&x| x as f32).collect()),
        data_type::DOUBLE => Values::Float(elements(raw, |b| f64::from_le_bytes(b) as f32)?),
        // Half floats outside `raw` are kept as bit patterns, one in each 32-bit integer.
        data_type::FLOAT16 if typed => half_bits(tensor, |bits| f16::from_bits(bits).to_f32()),
        data_type::FLOAT16 => Values::Float(elements(raw, |b| f16::from_le_bytes(b).to_f32())?),
        data_type::BFLOAT16 if typed => half_bits(tensor, |bits| bf16::from_bits(bits).to_f32()),
        data_type::BFLOAT16 => Values::Float(elements(raw, |b| bf16::from_le_bytes(b).to_f32())?),
        data_type::INT64 if typed => Values::Integer(tensor.ints64.clone()),
        data_type::INT64 => Values::Integer(elements(raw, i64::from_le_bytes)?),
        data_type::INT32 | data_type::BOOL if typed => {
            Values::Integer(tensor.ints32.iter().map(|&x| x.into()).collect())
        }
        data_type::INT32 => Values::Integer(elements(raw, |b| i32::from_le_bytes(b).into())?),
        data_type::BOOL => Values::Integer(elements(raw, |[b]| b.into())?),
        data_type::INT8 if typed => {
            Values::Quantized(tensor.ints32.iter().map(|&x| x as i8 as i16).collect())
        }
        data_type::INT8 => Values::Quantized(elements(raw, |[b]| (b as i8).into())?),
        data_type::UINT8 if typed => {
            Values::Quantized(tensor.ints32.iter().map(|&x| x as u8 as i16).collect())
        }
        data_type::UINT8 => Values::Quantized(elements(raw, |[b]| b.into())?),
        other => return Err(TensorProblem::Type(other)),
    })
}

fn elements<T, const SIZE: usize>(
    raw: &[u8],
    decode: impl Fn([u8; SIZE]) -> T,
) -> Result<Vec<T>, TensorProblem> {
    let (whole, rest) = raw.as_chunks::<SIZE>();
    if !rest.is_empty() {
        return Err(TensorProblem::Bytes { bytes: raw.len(), element: SIZE });
    }
    Ok(whole.iter().map(|&bytes| decode(bytes)).collect())
}

fn half_bits(tensor: &proto::Tensor, decode: impl Fn(u16) -> f32) -> Values {
    Values::Float(tensor.ints32.iter().map(|&bits| decode(bits as u16)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(data_type: i32, dims: &[i64], raw: &[u8]) -> proto::Tensor {
        let raw = bytes::Bytes::copy_from_slice(raw);
        proto::Tensor { data_type, dims: dims.to_vec(), raw, ..Default::default() }
    }

    #[test]
    fn every_type_gives_its_numbers() {
        let float = |tensor| decode(&tensor).unwrap().values;
        assert_eq!(float(raw(data_type::FLOAT, &[1], &1.5f32.to_le_bytes())), Values::Float(vec![1.5]));
        assert_eq!(float(raw(data_type::DOUBLE, &[], &1.5f64.to_le_bytes())), Values::Float(vec![1.5]));
        let halves = [0x00, 0x3c, 0x01, 0x00, 0x00, 0xfc, 0xff, 0x7b];
        let expected = Values::Float(vec![1.0, 2f32.powi(-24), f32::NEG_INFINITY, 65504.0]);
        assert_eq!(float(raw(data_type::FLOAT16, &[4], &halves)), expected);
        assert_eq!(float(raw(data_type::BFLOAT16, &[1], &[0xc0, 0x3f])), Values::Float(vec![1.5]));
        assert_eq!(float(raw(data_type::INT8, &[2], &[0xff, 2])), Values::Quantized(vec![-1, 2]));
        assert_eq!(float(raw(data_type::UINT8, &[2], &[0xff, 2])), Values::Quantized(vec![255, 2]));
        assert_eq!(float(raw(data_type::INT32, &[1], &[0xff; 4])), Values::Integer(vec![-1]));
        let typed = proto::Tensor { floats: vec![2.0, 3.0], ..raw(data_type::FLOAT, &[2, 1], &[]) };
        assert_eq!(
            decode(&typed).unwrap(),
            Constant { shape: vec![2, 1], values: Values::Float(vec![2.0, 3.0]) }
        );
    }

    #[test]
    fn shapes_that_lie_are_refused_without_allocating_them() {
        let huge = raw(data_type::FLOAT, &[i64::MAX, i64::MAX], &[0; 4]);
        assert_eq!(decode(&huge), Err(TensorProblem::Shape(vec![i64::MAX, i64::MAX])));
        assert_eq!(
            decode(&raw(data_type::FLOAT, &[1 << 40], &[0; 4])),
            Err(TensorProblem::Length { expected: 1 << 40, found: 1 })
        );
        assert_eq!(decode(&raw(data_type::FLOAT, &[-1], &[0; 4])), Err(TensorProblem::Shape(vec![-1])));
        assert_eq!(
            decode(&raw(data_type::FLOAT, &[1], &[0; 3])),
            Err(TensorProblem::Bytes { bytes: 3, element: 4 })
        );
        assert_eq!(decode(&raw(8, &[1], &[0; 4])), Err(TensorProblem::Type(8)));
        let external = proto::Tensor { location: proto::LOCATION_EXTERNAL, ..raw(1, &[1], &[]) };
        assert_eq!(decode(&external), Err(TensorProblem::External));
    }
}
