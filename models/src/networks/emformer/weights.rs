//! The numbers of an Emformer RNN-T, apart from any file format and any backend.
//!
//! Emformer: Efficient Memory Transformer (Shi et al. 2021, arXiv 2010.10759) as torchaudio has it. All matrices are
//! `f32`, row-major, one row for each output, so that `y = W·x + b`.

use super::config::Config;
use crate::layers::linear::LinearWeights;
use crate::layers::norm::NormWeights;

/// One encoder layer, over the rows `x` of a segment and its right context:
/// `x += output(attention(norm(x))); x += down(f(up(norm(x)))); x = norm(x)`.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeights {
    /// Before the attention.
    pub input_norm: NormWeights,
    /// Queries, of width values.
    pub query: LinearWeights,
    /// Keys, then values: twice the width.
    pub key_value: LinearWeights,
    /// What the heads found → width.
    pub output: LinearWeights,
    /// Before the MLP.
    pub mlp_norm: NormWeights,
    /// Width → hidden.
    pub up: LinearWeights,
    /// Hidden → width.
    pub down: LinearWeights,
    /// After the MLP's residual.
    pub output_norm: NormWeights,
}

/// One LSTM layer: gates (input, forget, cell, output) of the input and the last hidden state; where it is normed,
/// all gates by one norm before their functions, and the cell before it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct LstmWeights {
    /// `4·size × (inputs + size)`: the input's part, then the hidden state's.
    pub gates: LinearWeights,
    /// Norms of the gates and of the cell.
    pub norms: Option<[NormWeights; 2]>,
}

/// Symbols so far → what the joiner adds to each frame.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictorWeights {
    /// One row for each symbol.
    pub embedding: LinearWeights,
    /// Of an embedding.
    pub input_norm: NormWeights,
    /// One after the other; none for a predictor that sees the last few symbols side by side.
    pub lstm: Vec<LstmWeights>,
    /// To the encoding.
    pub linear: LinearWeights,
    /// Of the result.
    pub output_norm: NormWeights,
}

/// The whole network.
#[derive(Clone, Debug, PartialEq)]
pub struct EmformerWeights {
    /// Sizes.
    pub config: Config,
    /// What features are shifted by.
    pub mean: Vec<f32>,
    /// What features are then scaled by.
    pub inverse_deviation: Vec<f32>,
    /// A feature frame → a part of an encoder frame. Without bias.
    pub input: LinearWeights,
    /// In order.
    pub layers: Vec<LayerWeights>,
    /// Width → encoding.
    pub output: LinearWeights,
    /// Of the encoding.
    pub output_norm: NormWeights,
    /// Of the symbols.
    pub predictor: PredictorWeights,
    /// `f(frame + prediction)` → symbols.
    pub joiner: LinearWeights,
    /// A frame → symbols, trained with CTC, where the network has it.
    pub ctc: Option<LinearWeights>,
}
