//! One layer of the encoder, over the rows of several slots at once.
//!
//! Everything but the attention is done row by row, so that slots share every product. Rows stand in this order: for
//! each slot its segment's frames and then those of the right context; behind all of them, where there is a memory
//! bank, one summary for each slot and one memory for each slot.

use super::cache::Cache;
use crate::arena::Arena;
use crate::formats::packed::packed_fields;
use crate::layers::linear::{Linear, LinearWeights, Precision, Then};
use crate::layers::norm::Norm;
use crate::model::Slot;
use crate::networks::emformer::config::Config;
use crate::networks::emformer::weights::LayerWeights;
use voxlane_kernels::activation;
use voxlane_kernels::gemm::Activation;
use voxlane_kernels::rows::{Rows, RowsMut};

/// Where memories are cut off if they are not bounded by tanh.
const MEMORY_LIMIT: f32 = 10.0;

/// The prepared weights of a layer.
#[derive(Debug)]
pub(super) struct Layer {
    input_norm: Norm,
    query_key_value: Linear,
    output: Linear,
    mlp_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
}

packed_fields!(Layer { input_norm, query_key_value, output, mlp_norm, up, down, output_norm });

/// The rows of one slot in a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    /// Its first row.
    pub(super) first: usize,
    /// Rows of the segment.
    pub(super) frames: usize,
    /// Rows of the right context.
    pub(super) right: usize,
}

impl Part {
    pub(super) fn rows(&self) -> usize {
        self.frames + self.right
    }
}

impl Layer {
    pub(super) fn new(weights: &LayerWeights, precision: Precision) -> Self {
        let (query, key_value) = (&weights.query, &weights.key_value);
        let join = |a: &[f32], b: &[f32]| [a, b].concat();
        let bias =
            |weights: &LinearWeights| weights.bias.clone().unwrap_or_else(|| vec![0.0; weights.outputs]);
        let query_key_value = LinearWeights {
            weight: join(&query.weight, &key_value.weight),
            bias: Some(join(&bias(query), &bias(key_value))),
            outputs: query.outputs + key_value.outputs,
            inputs: query.inputs,
        };
        Layer {
            input_norm: Norm::new(&weights.input_norm),
            query_key_value: query_key_value.pack(precision),
            output: weights.output.pack(precision),
            mlp_norm: Norm::new(&weights.mlp_norm),
            up: weights.up.pack(precision),
            down: weights.down.pack(precision),
            output_norm: Norm::new(&weights.output_norm),
        }
    }

    /// Whether its sizes are those of `config`, its weights in `precision`.
    pub(super) fn fits(&self, config: &Config, precision: Precision) -> bool {
        let (width, hidden) = (config.width(), config.transformer_ffn_dim);
        let layers = [
            (&self.query_key_value, 3 * width, width),
            (&self.output, width, width),
            (&self.up, hidden, width),
            (&self.down, width, hidden),
        ];
        layers.iter().all(|(layer, outputs, inputs)| layer.fits(*outputs, *inputs, precision))
            && [&self.input_norm, &self.mlp_norm, &self.output_norm].iter().all(|norm| norm.is_affine(width))
    }

    /// The lengths of scratch memory, in floats, that [`Layer::run`] takes for `rows` rows, summaries and memories
    /// included.
    pub(super) fn scratch_lengths(config: &Config, rows: usize) -> Vec<usize> {
        let (width, hidden) = (config.width(), config.transformer_ffn_dim);
        let mut lengths = vec![rows * width; 3];
        lengths.extend([rows * 3 * width, rows * hidden]);
        for inputs in [width, width, width, width, hidden] {
            lengths.extend(Linear::scratch_lengths(inputs, rows));
        }
        lengths
    }

    /// Runs the layer in place: `x` holds the rows of all `parts`; `memories`, where there is a memory bank, one row
    /// for each part: what the layer before made of the segment, replaced by what this one makes. Each part's cache
    /// is that of its slot, named by `slots`.
    pub(super) fn run(
        &self,
        config: &Config,
        (parts, slots): (&[Part], &[Slot]),
        x: &mut [f32],
        memories: &mut [f32],
        caches: &mut [Cache],
        arena: &Arena,
    ) {
        let width = config.width();
        let has_memory = !memories.is_empty();
        let rows = x.len() / width;
        let extra = if has_memory { 2 * parts.len() } else { 0 };
        let normed = arena.scratch((rows + extra) * width);
        self.input_norm.apply(Rows::dense(x, width), RowsMut::dense(&mut normed[..rows * width], width));
        if has_memory {
            let (segments, behind) = normed.split_at_mut(rows * width);
            let (summaries, own) = behind.split_at_mut(parts.len() * width);
            for (part, summary) in parts.iter().zip(summaries.chunks_exact_mut(width)) {
                mean(&segments[part.first * width..][..part.frames * width], summary);
            }
            own.copy_from_slice(memories);
        }
        let projected = arena.scratch((rows + extra) * 3 * width);
        let out = RowsMut::dense(projected, 3 * width);
        self.query_key_value.apply(Rows::dense(normed, width), Then::Store, out, arena);

        let attended = arena.scratch((rows + extra / 2) * width);
        let (frames_attended, summaries_attended) = attended.split_at_mut(rows * width);
        let row = |index: usize| &projected[index * 3 * width..][..3 * width];
        for (index, part) in parts.iter().enumerate() {
            let own = Rows::new(&projected[part.first * 3 * width..], 3 * width, part.rows());
            let out = &mut frames_attended[part.first * width..][..part.rows() * width];
            let summary =
                has_memory.then(|| (row(rows + index), &mut summaries_attended[index * width..][..width]));
            let cache = &mut caches[slots[index]];
            cache.attend(own, part.frames, RowsMut::dense(out, width), summary);
            if has_memory {
                cache.remember(row(rows + parts.len() + index));
            }
        }
        let residual = RowsMut::dense(x, width);
        self.output.apply(Rows::dense(frames_attended, width), Then::Add, residual, arena);
        if has_memory {
            let summaries = Rows::dense(summaries_attended, width);
            self.output.apply(summaries, Then::Store, RowsMut::dense(memories, width), arena);
            if config.transformer_tanh_on_mem {
                activation::tanh(memories);
            } else {
                memories.iter_mut().for_each(|value| *value = value.clamp(-MEMORY_LIMIT, MEMORY_LIMIT));
            }
        }

        let normed = arena.scratch(rows * width);
        self.mlp_norm.apply(Rows::dense(x, width), RowsMut::dense(normed, width));
        let hidden = arena.scratch(rows * config.transformer_ffn_dim);
        let then = Then::Activate(self.activation(config));
        let out = RowsMut::dense(hidden, config.transformer_ffn_dim);
        self.up.apply(Rows::dense(normed, width), then, out, arena);
        let hidden = Rows::dense(hidden, config.transformer_ffn_dim);
        self.down.apply(hidden, Then::Add, RowsMut::dense(x, width), arena);
        normed.copy_from_slice(x);
        self.output_norm.apply(Rows::dense(normed, width), RowsMut::dense(x, width));
    }

    fn activation(&self, config: &Config) -> Activation {
        config.transformer_activation.activation()
    }
}

/// The mean of `rows`, which are as wide as `out`.
pub(super) fn mean(rows: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    let count = rows.len() / out.len();
    for row in rows.chunks_exact(out.len()) {
        out.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    out.iter_mut().for_each(|sum| *sum /= count as f32);
}
