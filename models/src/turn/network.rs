//! Smart Turn, prepared for the kernels.

use crate::formats::onnx::OnnxError;
use crate::frontends::whisper_log_mel::WhisperLogMel;
use crate::layers::norm::NormWeights;
use crate::layers::static_grid::{Grid, GridError, GridLinear};
use crate::networks::smart_turn::{LayerWeights, MELS, POSITIONS, SmartTurnWeights};
use std::sync::Arc;
use thiserror::Error;
use voxlane_kernels::grid::exponentials;

/// Why a file gave no network. Trying again does not help, except where the file system refused.
#[derive(Debug, Error)]
pub enum SmartTurnError {
    /// The file cannot be read, or holds another network.
    #[error(transparent)]
    File(#[from] OnnxError),
    /// A network of this kind in another size, or with scales that give no numbers.
    #[error("smart turn: {0}")]
    Size(#[from] GridError),
}

/// The network, prepared. Cloning shares the weights.
#[derive(Clone, Debug)]
pub struct SmartTurn {
    network: Arc<Network>,
}

impl SmartTurn {
    /// Prepares the network.
    ///
    /// # Errors
    /// [`SmartTurnError::Size`] where the sizes are not those of a Smart Turn network.
    pub fn new(weights: &SmartTurnWeights) -> Result<Self, SmartTurnError> {
        weights.check()?;
        Ok(SmartTurn { network: Arc::new(Network::new(weights)) })
    }

    /// Weights and tables, shared.
    pub(super) fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network)
    }
}

/// Weights and tables.
#[derive(Debug)]
pub(super) struct Network {
    pub front_end: WhisperLogMel,
    /// What features are rounded to.
    pub features: Grid,
    pub first: GridLinear,
    /// What lies between the convolutions.
    pub between: Grid,
    pub second: GridLinear,
    pub positions: Vec<f32>,
    pub layers: Vec<Layer>,
    pub norm: NormWeights,
    /// What the frames are rounded to.
    pub frames: Grid,
    pub pool_hidden: GridLinear,
    pub pool_hidden_bias: Vec<f32>,
    /// What the hyperbolic tangent is rounded to.
    pub pool_active: Grid,
    pub pool_output: GridLinear,
    pub pool_output_bias: [f32; 1],
    pub classifier: [GridLinear; 3],
    /// What the classifier's products take.
    pub classifier_inputs: [Grid; 3],
    pub classifier_norm: NormWeights,
}

/// A layer's weights and tables.
#[derive(Debug)]
pub(super) struct Layer {
    pub attention_norm: NormWeights,
    /// What the norm is rounded to.
    pub normed: Grid,
    pub query: GridLinear,
    pub query_bias: Vec<f32>,
    pub key: GridLinear,
    pub factors: [f32; 2],
    pub multiplied: [Grid; 2],
    pub value: GridLinear,
    pub value_bias: Vec<f32>,
    pub values: Grid,
    pub scores: Grid,
    pub exponentials: Box<[f32; 256]>,
    pub weights: Grid,
    /// What attention is rounded to.
    pub attended: Grid,
    pub output: GridLinear,
    pub output_bias: Vec<f32>,
    pub mlp_norm: NormWeights,
    pub mlp_normed: Grid,
    pub widen: GridLinear,
    pub widen_bias: Vec<f32>,
    pub active: Grid,
    pub narrow: GridLinear,
    pub narrow_bias: Vec<f32>,
}

impl Network {
    fn new(weights: &SmartTurnWeights) -> Self {
        let SmartTurnWeights { first, second, positions, layers, norm, pool, classifier } = weights;
        Network {
            front_end: WhisperLogMel::new(MELS),
            features: first.from,
            first: first.pack(),
            between: second.from,
            second: second.pack(),
            positions: positions.clone(),
            layers: layers.iter().map(Layer::new).collect(),
            norm: norm.clone(),
            frames: pool.hidden.from,
            pool_hidden: pool.hidden.pack(),
            pool_hidden_bias: pool.hidden_bias.clone(),
            pool_active: pool.output.from,
            pool_output: pool.output.pack(),
            pool_output_bias: [pool.output_bias],
            classifier: classifier.products.each_ref().map(|product| product.pack()),
            classifier_inputs: classifier.products.each_ref().map(|product| product.from),
            classifier_norm: classifier.norm.clone(),
        }
    }
}

impl Layer {
    fn new(layer: &LayerWeights) -> Self {
        Layer {
            attention_norm: layer.attention_norm.clone(),
            normed: layer.query.from,
            query: layer.query.pack(),
            query_bias: layer.query_bias.clone(),
            key: layer.key.pack(),
            factors: layer.factors,
            multiplied: layer.multiplied,
            value: layer.value.pack(),
            value_bias: layer.value_bias.clone(),
            values: layer.values,
            scores: layer.scores,
            exponentials: Box::new(exponentials(layer.scores.scale, POSITIONS)),
            weights: layer.weights,
            attended: layer.output.from,
            output: layer.output.pack(),
            output_bias: layer.output_bias.clone(),
            mlp_norm: layer.mlp_norm.clone(),
            mlp_normed: layer.widen.from,
            widen: layer.widen.pack(),
            widen_bias: layer.widen_bias.clone(),
            active: layer.narrow.from,
            narrow: layer.narrow.pack(),
            narrow_bias: layer.narrow_bias.clone(),
        }
    }

    /// What makes steps of the scores' grid of exact products of queries and keys.
    pub(super) fn score_steps(&self) -> f32 {
        self.multiplied[0].scale * self.multiplied[1].scale / self.scores.scale
    }

    /// What makes steps of attention's grid of exact products of weights and values.
    pub(super) fn attended_steps(&self) -> f32 {
        self.weights.scale * self.values.scale / self.attended.scale
    }

    /// What the sum of a key's distances from its zero is due to be multiplied by, as queries are stored with 128 for zero.
    pub(super) fn query_shift(&self) -> i32 {
        128 - i32::from(self.multiplied[0].zero_point)
    }
}
