//! Sizes, limits and the time base of an Emformer RNN-T.

use crate::formats::packed::{Packed, PackedError, Reader, Writer, packed_fields};
use crate::model::{Chunks, Limits};
use voxlane_kernels::gemm::Activation;

/// Samples per second of the audio that features are made of.
pub const SAMPLE_RATE_HZ: u32 = 16_000;
/// Samples from one feature frame to the next.
pub const HOP_SAMPLES: usize = 160;
/// Samples that a feature frame is made of, centered at its place.
pub const WINDOW_SAMPLES: usize = 400;
/// The longest segment. A stream has no such limit, but buffers for a whole recording have.
pub const MAX_SEGMENT_S: usize = 30;

/// What follows a product within the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    /// `max(x, 0)`.
    Relu,
    /// Gaussian error linear unit, the exact form.
    Gelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Function {
    const ALL: [Function; 4] = [Function::Relu, Function::Gelu, Function::Silu, Function::Tanh];

    /// As the kernels name it.
    pub(crate) fn activation(self) -> Activation {
        match self {
            Function::Relu => Activation::Relu,
            Function::Gelu => Activation::Gelu,
            Function::Silu => Activation::Silu,
            Function::Tanh => Activation::Tanh,
        }
    }
}

impl Packed for Function {
    fn save(&self, writer: &mut Writer) {
        (*self as u8).save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let number = usize::from(u8::load(reader)?);
        Function::ALL.get(number).copied().ok_or(PackedError::Fields("there is no function of that number"))
    }
}

/// Everything about a network but its weights, named as torchaudio's `emformer_rnnt_model` names its arguments.
/// What a JSON file leaves out is as in `emformer_rnnt_base`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Features of a frame. Default 80.
    pub input_dim: usize,
    /// Values of an encoder frame and of the predictor's result. Default 1024.
    pub encoding_dim: usize,
    /// Symbols, the blank included. Default 4097.
    pub num_symbols: usize,
    /// Feature frames of a segment, a multiple of the time reduction. Default 16: 160 ms.
    pub segment_length: usize,
    /// Feature frames after a segment that it sees, a multiple of the time reduction. Default 4: 40 ms.
    pub right_context_length: usize,
    /// Values that each feature frame becomes before the time reduction. Default 128.
    pub time_reduction_input_dim: usize,
    /// Feature frames of an encoder frame. Default 4.
    pub time_reduction_stride: usize,
    /// Heads of the attention. Default 8.
    pub transformer_num_heads: usize,
    /// Hidden values of a layer's MLP. Default 2048.
    pub transformer_ffn_dim: usize,
    /// Layers of the encoder. Default 20.
    #[serde(alias = "num_transformer_layers")]
    pub transformer_num_layers: usize,
    /// Between the two halves of the MLP: relu, gelu or silu. Default gelu.
    pub transformer_activation: Function,
    /// Encoder frames before a segment that it sees. Default 30.
    #[serde(alias = "left_context_length")]
    pub transformer_left_context_length: usize,
    /// Segments before that which it sees as one vector each. Default 0.
    #[serde(alias = "max_memory_size")]
    pub transformer_max_memory_size: usize,
    /// Whether these vectors are bounded by tanh; else they are cut off at ±10. Default true.
    pub transformer_tanh_on_mem: bool,
    /// Values of a symbol's embedding. Default 512.
    pub symbol_embedding_dim: usize,
    /// Values of the predictor's LSTM layers; as many as an embedding has where not given.
    #[serde(alias = "lstm_hidden")]
    pub lstm_hidden_dim: Option<usize>,
    /// LSTM layers of the predictor; with none it sees [`Config::stateless_context`] symbols. Default 3.
    pub num_lstm_layers: usize,
    /// Whether gates and cells of the LSTM are normed. Default true.
    pub lstm_layer_norm: bool,
    /// Added to the variance in these norms. Default 0.001.
    pub lstm_layer_norm_epsilon: f32,
    /// Symbols that a predictor without LSTM sees. Default 2; not used by others.
    pub stateless_context: usize,
    /// In the joiner: relu or tanh. Default relu.
    pub joiner_activation: Function,
    /// The symbol that says nothing; the last one where not given.
    pub blank: Option<usize>,
}

packed_fields!(Config {
    input_dim,
    encoding_dim,
    num_symbols,
    segment_length,
    right_context_length,
    time_reduction_input_dim,
    time_reduction_stride,
    transformer_num_heads,
    transformer_ffn_dim,
    transformer_num_layers,
    transformer_activation,
    transformer_left_context_length,
    transformer_max_memory_size,
    transformer_tanh_on_mem,
    symbol_embedding_dim,
    lstm_hidden_dim,
    num_lstm_layers,
    lstm_layer_norm,
    lstm_layer_norm_epsilon,
    stateless_context,
    joiner_activation,
    blank,
});

impl Default for Config {
    /// torchaudio's `emformer_rnnt_base` with 4097 symbols, as `EMFORMER_RNNT_BASE_LIBRISPEECH` has it.
    fn default() -> Self {
        Config {
            input_dim: 80,
            encoding_dim: 1024,
            num_symbols: 4097,
            segment_length: 16,
            right_context_length: 4,
            time_reduction_input_dim: 128,
            time_reduction_stride: 4,
            transformer_num_heads: 8,
            transformer_ffn_dim: 2048,
            transformer_num_layers: 20,
            transformer_activation: Function::Gelu,
            transformer_left_context_length: 30,
            transformer_max_memory_size: 0,
            transformer_tanh_on_mem: true,
            symbol_embedding_dim: 512,
            lstm_hidden_dim: None,
            num_lstm_layers: 3,
            lstm_layer_norm: true,
            lstm_layer_norm_epsilon: 1e-3,
            stateless_context: 2,
            joiner_activation: Function::Relu,
            blank: None,
        }
    }
}

impl Config {
    /// The symbol that says nothing.
    pub fn blank(&self) -> u32 {
        self.blank.unwrap_or(self.num_symbols.saturating_sub(1)) as u32
    }

    /// Values of the predictor's LSTM layers.
    pub fn lstm_hidden(&self) -> usize {
        self.lstm_hidden_dim.unwrap_or(self.symbol_embedding_dim)
    }

    /// Values of a frame within the encoder.
    pub fn width(&self) -> usize {
        self.time_reduction_input_dim * self.time_reduction_stride
    }

    /// Encoder frames of a segment.
    pub fn segment_frames(&self) -> usize {
        self.segment_length / self.time_reduction_stride
    }

    /// Encoder frames of the right context.
    pub fn right_frames(&self) -> usize {
        self.right_context_length / self.time_reduction_stride
    }

    /// Samples from one encoder frame to the next.
    pub fn frame_samples(&self) -> usize {
        self.time_reduction_stride * HOP_SAMPLES
    }

    /// Where a segment and its right context are complete: with the last sample of the last of their windows.
    pub fn chunks(&self) -> Chunks {
        let last = self.segment_length + self.right_context_length - 1;
        let samples = |frames: usize| (frames * HOP_SAMPLES) as u64;
        Chunks { first: samples(last) + WINDOW_SAMPLES as u64 / 2, step: samples(self.segment_length) }
    }

    /// Feature frames of `samples` samples: their centers lie 160 samples apart, the first on the first sample.
    pub fn feature_frames(&self, samples: usize) -> usize {
        if samples < self.limits().min_segment_samples { 0 } else { samples / HOP_SAMPLES + 1 }
    }

    /// The most feature frames of a segment.
    pub fn max_feature_frames(&self) -> usize {
        MAX_SEGMENT_S * SAMPLE_RATE_HZ as usize / HOP_SAMPLES + 1
    }

    /// The most encoder frames of a segment.
    pub fn max_frames(&self) -> usize {
        self.max_feature_frames() / self.time_reduction_stride
    }

    /// What the network takes. A segment must be longer than half a window, which is reflected at its edges.
    pub fn limits(&self) -> Limits {
        Limits {
            sample_rate: SAMPLE_RATE_HZ,
            min_segment_samples: WINDOW_SAMPLES / 2 + 1,
            max_segment_samples: MAX_SEGMENT_S * SAMPLE_RATE_HZ as usize,
            max_segment_tokens: self.max_frames(),
        }
    }
}
