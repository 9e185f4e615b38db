//! The numbers of a Moonshine network, apart from any file format and any backend.
//!
//! All matrices are `f32`, row-major, one row for each output, so that `y = W·x + b`. Convolutions are given
//! as matrices over channel-last input: the row of an output channel holds `kernel` frames of input
//! channels one after the other, as they lie in memory.

use crate::formats::packed::packed_fields;
use crate::layers::conv::ConvWeights;
use crate::layers::linear::LinearWeights;

/// Raw samples → hidden frames: three convolutions with one group norm after the first.
#[derive(Clone, Debug, PartialEq)]
pub struct StemWeights {
    /// Samples → channels, followed by tanh. Without bias.
    pub conv1: ConvWeights,
    /// Factor of the group norm, one for each channel of `conv1`. The norm has one group: mean and
    /// variance are taken over all frames and channels.
    pub norm_weight: Vec<f32>,
    /// Offset of the group norm, one for each channel of `conv1`.
    pub norm_bias: Vec<f32>,
    /// Added to the group norm's variance.
    pub norm_epsilon: f32,
    /// Followed by GELU.
    pub conv2: ConvWeights,
    /// Followed by GELU; its outputs are the hidden frames.
    pub conv3: ConvWeights,
}

/// The four projections of an attention block. None has a bias.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionWeights {
    /// `hidden × hidden`; output `head · head_dim + i` is element `i` of the head's query.
    pub query: LinearWeights,
    /// Likewise for keys.
    pub key: LinearWeights,
    /// Likewise for values.
    pub value: LinearWeights,
    /// Heads' results → hidden.
    pub output: LinearWeights,
}

/// One encoder layer: `x += attention(norm(x)); x += down(gelu(up(norm(x))))`.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderLayerWeights {
    /// Layer norm before the attention; one factor for each hidden channel, no offset.
    pub attention_norm: Vec<f32>,
    /// Self-attention over all frames, with rotary positions.
    pub attention: AttentionWeights,
    /// Layer norm before the MLP.
    pub mlp_norm: Vec<f32>,
    /// `encoder_mlp × hidden`, with bias.
    pub up: LinearWeights,
    /// `hidden × encoder_mlp`, with bias.
    pub down: LinearWeights,
}

/// One decoder layer: `x += self_attention(norm(x)); x += cross_attention(norm(x), frames);
/// x += down(silu(second half of u) · first half of u)` with `u = up(norm(x))`.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderLayerWeights {
    /// Layer norm before the self-attention; one factor for each hidden channel, no offset.
    pub self_norm: Vec<f32>,
    /// Causal self-attention, with rotary positions.
    pub self_attention: AttentionWeights,
    /// Layer norm before the cross-attention.
    pub cross_norm: Vec<f32>,
    /// Cross-attention, without positions: keys and values are made from the encoder's frames.
    pub cross_attention: AttentionWeights,
    /// Layer norm before the MLP.
    pub mlp_norm: Vec<f32>,
    /// `(2 · decoder_mlp) × hidden`, with bias. The second half of the outputs, through SiLU, gates the first.
    pub up: LinearWeights,
    /// `hidden × decoder_mlp`, with bias.
    pub down: LinearWeights,
}

/// Sizes of a Moonshine network, as found in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct MoonshineSizes {
    /// Channels of a hidden frame (tiny: 288).
    pub hidden: usize,
    /// Attention heads, in encoder and decoder (tiny: 8).
    pub heads: usize,
    /// Channels of one head (tiny: 36).
    pub head_dim: usize,
    /// Leading channels of a head that are rotated, as interleaved pairs (tiny: 32).
    pub rotary_dim: usize,
    /// Width of an encoder layer's MLP (tiny: 1152).
    pub encoder_mlp: usize,
    /// Width of a decoder layer's MLP after gating (tiny: 1152).
    pub decoder_mlp: usize,
    /// Entries of the vocabulary (tiny: 32768).
    pub vocabulary: usize,
}

packed_fields!(MoonshineSizes { hidden, heads, head_dim, rotary_dim, encoder_mlp, decoder_mlp, vocabulary });

/// All weights of a Moonshine network.
#[derive(Clone, Debug, PartialEq)]
pub struct MoonshineWeights {
    /// Sizes that all the matrices agree with.
    pub sizes: MoonshineSizes,
    /// `rotary_dim / 2` angles per position, in radians: pair `i` at position `p` is turned by
    /// `p · rotary_frequencies[i]`. The same in encoder and decoder.
    pub rotary_frequencies: Vec<f32>,
    /// Added to the variance in every layer norm.
    pub layer_norm_epsilon: f32,
    /// Samples → hidden frames.
    pub stem: StemWeights,
    /// The encoder's layers, first to last.
    pub encoder_layers: Vec<EncoderLayerWeights>,
    /// Layer norm after the last encoder layer.
    pub encoder_norm: Vec<f32>,
    /// `vocabulary × hidden`: the row of a token is its embedding, and, after the last norm, the weights of
    /// its logit.
    pub embedding: Vec<f32>,
    /// The decoder's layers, first to last.
    pub decoder_layers: Vec<DecoderLayerWeights>,
    /// Layer norm after the last decoder layer.
    pub decoder_norm: Vec<f32>,
}
