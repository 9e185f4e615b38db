//! Whether a network that was read from a file is one: sizes within bounds, and parts that fit them.
//!
//! A published file is anybody's, and a packed file's hash says that its fields are those that were written, not who wrote
//! them. After these checks every length that is computed of the sizes is small, and every access that follows from them is
//! inside its buffer.

use super::config::{Config, END_TOKEN};
use crate::formats::packed::PackedError;
use crate::layers::conv::Window;
use crate::layers::rotary::Rotary;
use voxlane_kernels::attention::quantized::Shape;

/// Far from overflowing any length that is computed of sizes.
const MAX_SIZE: usize = 1 << 16;
/// Far more than any network has.
const MAX_VOCABULARY: usize = 1 << 20;
/// Likewise.
const MAX_LAYERS: usize = 256;
/// The most memory that a lane's parts may take for a stream: Moonshine base takes 0.1 GiB.
const MAX_BYTES: u128 = 1 << 30;

impl Config {
    /// Whether `rotary` turns heads of this network, at `positions` positions.
    pub(crate) fn has_rotary(&self, rotary: &Rotary, positions: usize) -> bool {
        rotary.is_sound(self.sizes.rotary_dim, self.sizes.head_dim, positions)
    }

    /// Checks a packed file's sizes, as [`fit`](Self::fit) does.
    ///
    /// # Errors
    /// [`PackedError::Fields`].
    pub(crate) fn check(&self) -> Result<(), PackedError> {
        self.fit().map_err(PackedError::Fields)
    }

    /// Checks that the sizes are in bounds and fit each other, and that one stream needs no more than 1 GiB.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn fit(&self) -> Result<(), &'static str> {
        let sizes = &self.sizes;
        let all = [sizes.hidden, sizes.heads, sizes.head_dim, sizes.encoder_mlp, sizes.decoder_mlp];
        ensure(all.iter().all(|size| (1..=MAX_SIZE).contains(size)), "a size is out of range")?;
        ensure(sizes.heads * sizes.head_dim == sizes.hidden, "the heads do not make up a hidden frame")?;
        // What the encoder's cache is made for, where weights have 8 bits.
        let has_shape = Shape::new(sizes.heads, sizes.head_dim).is_some();
        ensure(has_shape, "a head is wider than attention in 8 bits takes")?;
        let is_rotary = sizes.rotary_dim > 0 && sizes.rotary_dim.is_multiple_of(2);
        ensure(
            is_rotary && sizes.rotary_dim <= sizes.head_dim,
            "the rotated channels are not pairs of a head",
        )?;
        let tokens = END_TOKEN as usize + 1..=MAX_VOCABULARY;
        ensure(tokens.contains(&sizes.vocabulary), "the size of the vocabulary is out of range")?;
        let layers = [self.encoder_layers, self.decoder_layers];
        ensure(
            layers.iter().all(|count| (1..=MAX_LAYERS).contains(count)),
            "a number of layers is out of range",
        )?;
        let epsilon = self.layer_norm_epsilon;
        ensure(epsilon.is_finite() && epsilon >= 0.0, "a norm's epsilon is not a small number")?;
        let is_window =
            |window: &Window| window.kernel <= MAX_SIZE && (1..=window.kernel).contains(&window.stride);
        ensure(self.stem.iter().all(is_window), "a convolution's kernel or stride is out of range")?;
        ensure(self.max_frames() > 0, "the longest segment has no frame")?;
        ensure(self.stream_bytes() <= MAX_BYTES, "the network needs more than 1 GiB for a stream")
    }

    /// About what one stream takes: sums and rows of the stem, frames, keys and values of all layers.
    fn stream_bytes(&self) -> u128 {
        let limits = self.limits();
        let wide = |number: usize| number as u128;
        let [first, second, frames] = self.stem_frames(limits.max_segment_samples);
        let hidden = wide(self.sizes.hidden);
        let stem = wide(first) * 4 + wide(second) * hidden * 2;
        let caches = wide(self.decoder_layers) * 2 * (wide(frames) + wide(limits.max_segment_tokens));
        let mlp = wide(self.sizes.encoder_mlp + 2 * self.sizes.decoder_mlp) * 32;
        (stem + (wide(frames) * 6 + caches) * hidden + mlp + wide(self.sizes.vocabulary) * 32) * 4
    }
}

fn ensure(holds: bool, what: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(what) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::moonshine::weights::MoonshineSizes;

    /// A network with heads of `head_dim` channels; all else is in bounds.
    fn network(head_dim: usize) -> Config {
        let sizes = MoonshineSizes {
            hidden: 2 * head_dim,
            heads: 2,
            head_dim,
            rotary_dim: 2,
            encoder_mlp: 64,
            decoder_mlp: 64,
            vocabulary: 64,
        };
        let stem = [(127, 64), (7, 3), (3, 2)].map(|(kernel, stride)| Window { kernel, stride });
        Config { sizes, encoder_layers: 1, decoder_layers: 1, layer_norm_epsilon: 1e-5, stem }
    }

    /// The encoder's cache of such a network panicked on its lane.
    #[test]
    fn heads_too_wide_for_attention_in_8_bits_are_refused() {
        network(128).check().unwrap();
        let error = network(136).check().unwrap_err().to_string();
        assert!(error.contains("a head is wider than"), "{error}");
    }
}
