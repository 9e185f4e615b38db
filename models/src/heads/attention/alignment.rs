//! Where in the audio each token is, from the frames that the decoder's cross-attention looks at.
//!
//! A few heads follow the speech: while such a head predicts a token it looks at the frames where the token is
//! spoken. Their weights are summed as the tokens are run, and when all are known [`Warp`] cuts the frames into
//! one run for each token.
//!
//! The heads of Moonshine tiny were chosen by measurement: against a forced alignment of the development clips by
//! another recognizer (PocketSphinx 5.1, 76 clips whose words are all in its dictionary, 2,014 words). They were
//! picked one after the other, each for what it adds, on 30 clips. On the other 46 the start of a word is off by
//! 28 ms in the middle and 75 ms for nine of ten words; its end, punctuation left out, by 30 ms and 109 ms. The best single
//! head reaches 42 ms and 190 ms, all heads of the upper layers together 29 ms and 108 ms.

use super::warp::Warp;
use crate::buffer::Buffer;
use crate::layers::kv_cache::KvCache;
use crate::networks::moonshine::config::Config;
use std::ops::Range;
use voxlane_kernels::rows::Rows;

/// Of Moonshine tiny: layer and head.
const TINY_HEADS: [(usize, usize); 4] = [(3, 0), (3, 7), (4, 5), (5, 6)];
/// A token begins at the first of its frames that has this share of the largest weight among them: frames before it
/// are the silence before a word.
const START_SHARE: f32 = 0.2;
/// The same for the first token, which also looks at the silence before all speech: with the share of the others
/// it would begin 184 ms too early in the middle, so it is 45 ms.
const FIRST_START_SHARE: f32 = 0.8;

/// The heads, each layer's together, that follow the speech.
fn heads(config: &Config) -> Vec<Vec<usize>> {
    let (layers, heads) = (config.decoder_layers, config.sizes.heads);
    let is_tiny = (layers, heads, config.sizes.hidden) == (6, 8, 288);
    let follows = |layer, head| match is_tiny {
        true => TINY_HEADS.contains(&(layer, head)),
        // Not measured: those of the upper layers do so on the whole.
        false => layer >= layers / 2,
    };
    (0..layers).map(|layer| (0..heads).filter(|&head| follows(layer, head)).collect()).collect()
}

/// What the tokens of a pass looked at.
pub(super) struct Alignment {
    heads: Vec<Vec<usize>>,
    first_layer: usize,
    head_dim: usize,
    /// `[token][frame]`: the sum of the heads' weights.
    weights: Buffer,
    frames: usize,
    /// The weights of one head.
    one: Buffer,
    warp: Warp,
    starts: Vec<usize>,
    /// Samples from one frame to the next.
    stride: usize,
    /// The sample where the first frame begins: a frame sees more samples than the stride, and stands for those
    /// in the middle.
    offset: usize,
}

impl Alignment {
    /// Room for `positions` tokens.
    pub(super) fn new(config: &Config, positions: usize) -> Self {
        let heads = heads(config);
        let (max_frames, stride) =
            (config.max_frames(), config.stem.iter().map(|window| window.stride).product());
        Alignment {
            first_layer: heads.iter().position(|heads| !heads.is_empty()).unwrap_or(0),
            heads,
            head_dim: config.sizes.head_dim,
            weights: Buffer::zeros(positions * max_frames),
            frames: 0,
            one: Buffer::zeros(max_frames),
            warp: Warp::new(positions, max_frames),
            starts: Vec::with_capacity(positions),
            stride,
            offset: config.limits().min_segment_samples.saturating_sub(stride) / 2,
        }
    }

    /// Forgets everything; the pass is over `frames` frames.
    pub(super) fn restart(&mut self, frames: usize) {
        self.frames = frames;
        self.warp.begin(frames);
    }

    /// Takes the weights of a block of tokens in one layer; the first is the pass's token number `position`. What
    /// was known of these tokens from rejected drafts is replaced. Layers come in order.
    pub(super) fn record(
        &mut self,
        layer: usize,
        position: usize,
        queries: Rows<'_>,
        cache: &KvCache,
        scale: f32,
    ) {
        let width = self.head_dim;
        for row in 0..queries.count {
            let sums = &mut self.weights[(position + row) * self.frames..][..self.frames];
            for (index, &head) in self.heads[layer].iter().enumerate() {
                let query = &queries.row(row, (head + 1) * width)[head * width..];
                if layer == self.first_layer && index == 0 {
                    cache.weights(query, head, scale, sums);
                } else {
                    let one = &mut self.one[..self.frames];
                    cache.weights(query, head, scale, one);
                    sums.iter_mut().zip(one).for_each(|(sum, weight)| *sum += *weight);
                }
            }
        }
    }

    /// Takes the next rows into the cut: those of the predictions after the tokens `rows`.
    pub(super) fn align(&mut self, rows: Range<usize>) {
        for row in rows {
            self.warp.push(&self.weights[row * self.frames..][..self.frames]);
        }
    }

    /// Cuts the frames among the `rows` rows that were taken.
    pub(super) fn cut(&mut self, rows: usize) {
        self.starts.resize(rows, 0);
        self.warp.starts(&mut self.starts);
    }

    /// Start and end of the token that row `token` predicted, in samples of a segment of `samples`.
    pub(super) fn times(&self, token: usize, samples: usize) -> [u32; 2] {
        let run = self.starts[token]..self.starts.get(token + 1).copied().unwrap_or(self.frames);
        let weights = &self.weights[token * self.frames..][run.clone()];
        let share = if token == 0 { FIRST_START_SHARE } else { START_SHARE };
        let enough = share * weights.iter().copied().fold(0.0, f32::max);
        let silent = weights.iter().take_while(|&&weight| weight < enough).count();
        let sample = |frame: usize| (frame * self.stride + self.offset).min(samples) as u32;
        [sample(run.start + silent), sample(run.end)]
    }
}
