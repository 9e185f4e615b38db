//! What all layers are made of, and how weights get onto the device.

use crate::burn::dtype;
use crate::device::Float;
use crate::layers::linear::LinearWeights;
use burn_tensor::activation::softmax;
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Int, Tensor, TensorData, TensorPrimitive};

/// Added to the score of a key that is not to be seen. Finite in every float type; e to it is zero in all.
pub(crate) const HIDDEN_SCORE: f32 = -3e4;

/// Where tensors are made, and of what numbers.
#[derive(Clone, Debug)]
pub(crate) struct Place<B: Backend> {
    pub(crate) device: B::Device,
    pub(crate) float: Float,
}

impl<B: Backend> Place<B> {
    /// `values` on the device.
    pub(crate) fn tensor<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<B, D> {
        let exact = Tensor::from_data(TensorData::new(values, shape), (&self.device, DType::F32));
        if dtype(self.float) == DType::F32 { exact } else { exact.cast(dtype(self.float)) }
    }

    pub(crate) fn zeros<const D: usize>(&self, shape: [usize; D]) -> Tensor<B, D> {
        Tensor::zeros(shape, (&self.device, dtype(self.float)))
    }
}

/// `y = x·Wᵀ + b`.
#[derive(Clone, Debug)]
pub(crate) struct Linear<B: Backend> {
    /// `outputs × inputs`.
    weight: Tensor<B, 2>,
    /// `1 × outputs`.
    bias: Option<Tensor<B, 2>>,
}

impl<B: Backend> Linear<B> {
    pub(crate) fn new(weights: &LinearWeights, place: &Place<B>) -> Self {
        Linear {
            weight: place.tensor(weights.weight.clone(), [weights.outputs, weights.inputs]),
            bias: weights.bias.as_ref().map(|bias| place.tensor(bias.clone(), [1, weights.outputs])),
        }
    }

    /// One layer whose outputs are those of `parts`, one after the other. The parts have no bias.
    pub(crate) fn stacked(parts: &[&LinearWeights], place: &Place<B>) -> Self {
        let weight: Vec<f32> = parts.iter().flat_map(|part| &part.weight).copied().collect();
        let (outputs, inputs) = (parts.iter().map(|part| part.outputs).sum(), parts[0].inputs);
        Linear { weight: place.tensor(weight, [outputs, inputs]), bias: None }
    }

    /// `outputs × inputs`.
    pub(crate) fn weight(&self) -> Tensor<B, 2> {
        self.weight.clone()
    }

    /// `rows × inputs` → `rows × outputs`.
    pub(crate) fn apply(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        let product = rows.matmul(self.weight.clone().transpose());
        match &self.bias {
            Some(bias) => product + bias.clone(),
            None => product,
        }
    }
}

/// A layer norm with a factor for each channel and no offset.
#[derive(Clone, Debug)]
pub(crate) struct Norm<B: Backend> {
    weight: Tensor<B, 1>,
    epsilon: f64,
}

impl<B: Backend> Norm<B> {
    pub(crate) fn new(weight: &[f32], epsilon: f32, place: &Place<B>) -> Self {
        Norm { weight: place.tensor(weight.to_vec(), [weight.len()]), epsilon: f64::from(epsilon) }
    }

    pub(crate) fn apply(&self, rows: Tensor<B, 2>) -> Tensor<B, 2> {
        let (rows, weight) = (rows.into_primitive().tensor(), self.weight.clone().into_primitive().tensor());
        Tensor::from_primitive(TensorPrimitive::Float(B::layer_norm(rows, weight, None, self.epsilon)))
    }
}

/// Cosines and sines of every position, one row each, as wide as a head: one and zero for channels that are
/// not turned.
#[derive(Clone, Debug)]
pub(crate) struct Rotation<B: Backend> {
    pub(crate) cos: Tensor<B, 2>,
    pub(crate) sin: Tensor<B, 2>,
}

/// Weights that give the other half of a rotation: `x` turned by an angle is `x·cos + quarter(x)·sin`, where a
/// quarter turn of the pair (a, b) is (−b, a). As it is linear it is taken of the weights, once.
pub(crate) fn quarter_turned(weights: &LinearWeights, head_dim: usize, rotary_dim: usize) -> LinearWeights {
    let inputs = weights.inputs;
    let mut turned = LinearWeights { weight: vec![0.0; weights.weight.len()], ..weights.clone() };
    let heads = weights.weight.chunks_exact(head_dim * inputs);
    for (head, turned) in heads.zip(turned.weight.chunks_exact_mut(head_dim * inputs)) {
        let pairs = head[..rotary_dim * inputs].chunks_exact(2 * inputs);
        for (pair, turned) in pairs.zip(turned.chunks_exact_mut(2 * inputs)) {
            let (first, second) = pair.split_at(inputs);
            let (turned_first, turned_second) = turned.split_at_mut(inputs);
            turned_first.iter_mut().zip(second).for_each(|(turned, weight)| *turned = -weight);
            turned_second.copy_from_slice(first);
        }
    }
    turned
}

/// `weights` with every number times `factor`.
pub(crate) fn scaled(weights: &LinearWeights, factor: f32) -> LinearWeights {
    let weight = weights.weight.iter().map(|weight| weight * factor).collect();
    LinearWeights { weight, ..weights.clone() }
}

/// Attention with the scores' factor already in the queries: all shapes `batch × heads × rows × head_dim`;
/// `hidden` is added to the scores of every head and query.
pub(crate) fn attend<B: Backend>(
    queries: Tensor<B, 4>,
    keys: Tensor<B, 4>,
    values: Tensor<B, 4>,
    hidden: Tensor<B, 4>,
) -> Tensor<B, 4> {
    softmax(queries.matmul(keys.swap_dims(2, 3)) + hidden, 3).matmul(values)
}

/// `rows × (heads · head_dim)` → `1 × heads × rows × head_dim`.
pub(crate) fn heads_of_rows<B: Backend>(rows: Tensor<B, 2>, heads: usize) -> Tensor<B, 4> {
    let [count, width] = rows.dims();
    rows.reshape([1, count, heads, width / heads]).swap_dims(1, 2)
}

/// What is added to scores so that only the first `frames` of `padded` keys are seen: `1 × 1 × 1 × padded`, of
/// the numbers and on the device of `like`.
pub(crate) fn padding_scores<B: Backend>(padded: usize, frames: usize, like: &Tensor<B, 2>) -> Tensor<B, 4> {
    let key = Tensor::<B, 1, Int>::arange(0..padded as i64, &like.device());
    let is_padding = key.greater_equal_elem(frames as i64).float().cast(like.dtype());
    (is_padding * HIDDEN_SCORE).reshape([1, 1, 1, padded])
}
