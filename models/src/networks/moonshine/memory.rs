//! How much memory a network's parts take, from its sizes.

use super::config::Config;
use crate::model::WorkingMemory;

/// Rows of scratch memory: no operation works on more at a time.
const SCRATCH_ROWS: usize = 64;
/// Tokens of the longest block that a strategy decodes at once.
const BLOCK_TOKENS: usize = 16;

impl Config {
    /// What the parts take at most, in f32: other precisions keep keys and values in fewer bytes.
    pub(crate) fn working_memory(&self, slots: usize, channels: [usize; 3]) -> WorkingMemory {
        let limits = self.limits();
        let [first, second, frames] = self.stem_frames(limits.max_segment_samples);
        let sizes = &self.sizes;
        let (hidden, layers) = (sizes.hidden, self.decoder_layers);
        let positions = limits.max_segment_tokens + BLOCK_TOKENS;
        let wide = SCRATCH_ROWS * (4 * hidden + sizes.encoder_mlp + 3 * sizes.decoder_mlp);
        // Of each slot: its sums and rows of the stem, the window of frames that is still looked at, and tokens.
        let window = SCRATCH_ROWS * self.stem[1].kernel * channels[0];
        let slot = 4 * first + second * channels[1] + window + 2 * positions;
        let stem = SCRATCH_ROWS * (self.stem[1].kernel * channels[0] + self.stem[2].kernel * channels[1]);
        // Queries, keys and values of all frames, and what attention keeps of them.
        let encoder = 6 * frames * hidden + 2 * wide;
        let caches = 2 * layers * hidden * (positions + frames + 2 * SCRATCH_ROWS);
        let alignment = 2 * positions * frames + 2 * frames;
        let decoder = caches + alignment + wide + (BLOCK_TOKENS + 4) * sizes.vocabulary;
        let floats = slots.saturating_mul(slot).saturating_add(stem + encoder + decoder);
        let bytes = |floats: usize| floats.saturating_mul(size_of::<f32>());
        WorkingMemory { parts: bytes(floats), span: bytes(frames * hidden + SCRATCH_ROWS) }
    }
}
