//! Keys and values of all frames, for the encoder's attention.

use crate::buffer::Buffer;
use crate::layers::kv_cache::KvCache;
use crate::layers::linear::Precision;
use crate::networks::moonshine::weights::MoonshineSizes;
use voxlane_kernels::attention::Visible;
use voxlane_kernels::attention::quantized::{
    self, BLOCK_KEYS, CacheMut, QUERIES, Shape, attention_i8, store_block,
};
use voxlane_kernels::rows::{Rows, RowsMut};

/// Scores of one head that a unit of attention in f32 computes at most, so that long segments get fewer queries.
const UNIT_SCORES: usize = 10_000;
/// The most queries of a unit of attention.
pub(super) const MAX_QUERIES: usize = QUERIES;

/// Keys and values of one layer. They are used once and bound by arithmetic, so that they are stored as the products
/// want them.
#[derive(Debug)]
pub(super) struct EncoderCache {
    numbers: Numbers,
    /// Frames of the segment.
    frames: usize,
    /// Frames whose keys and values are stored.
    stored: usize,
}

#[derive(Debug)]
enum Numbers {
    F32(KvCache),
    /// Rounded a block at a time, once it is complete.
    Int8 {
        bytes: Buffer<u8>,
        scales: Buffer,
        shape: Shape,
    },
}

impl EncoderCache {
    /// A cache with room for `frames` frames: in 8 bits where the weights are, else in f32.
    pub(super) fn new(sizes: &MoonshineSizes, frames: usize, precision: Precision) -> Self {
        let numbers = match precision {
            Precision::F32 => {
                Numbers::F32(KvCache::new((sizes.heads, sizes.head_dim), frames, Precision::F32))
            }
            Precision::Int8 => {
                let shape = Shape::new(sizes.heads, sizes.head_dim);
                let shape = shape.expect("the network's check refuses heads that have no such shape");
                let bytes = Buffer::zeros(shape.bytes_len(frames));
                Numbers::Int8 { bytes, scales: Buffer::zeros(shape.scales_len(frames)), shape }
            }
        };
        EncoderCache { numbers, frames: 0, stored: 0 }
    }

    /// Forgets everything: another layer's keys and values of `frames` frames follow.
    pub(super) fn restart(&mut self, frames: usize) {
        (self.frames, self.stored) = (frames, 0);
        if let Numbers::F32(cache) = &mut self.numbers {
            cache.restart(frames);
        }
    }

    /// Queries in a unit of attention.
    pub(super) fn unit_queries(&self) -> usize {
        match self.numbers {
            Numbers::F32(_) => (UNIT_SCORES / self.frames).next_multiple_of(8).clamp(8, 32),
            Numbers::Int8 { .. } => MAX_QUERIES,
        }
    }

    /// Stores what it can of the keys and values of the segment's first frames, one row for each.
    pub(super) fn store(&mut self, keys: Rows<'_>, values: Rows<'_>) {
        let known = keys.count;
        while self.stored < known {
            let (first, left) = (self.stored, known - self.stored);
            let count = match &mut self.numbers {
                Numbers::F32(cache) => {
                    cache.store(keys.range(first, left), values.range(first, left), first);
                    left
                }
                Numbers::Int8 { .. } if left < BLOCK_KEYS && known < self.frames => return,
                Numbers::Int8 { bytes, scales, shape } => {
                    let (count, block) = (left.min(BLOCK_KEYS), first / BLOCK_KEYS);
                    let cache = CacheMut { bytes, scales, shape: *shape };
                    store_block(keys.range(first, count), values.range(first, count), block, cache);
                    count
                }
            };
            self.stored += count;
        }
    }

    /// What the queries, one row for each, find among all frames.
    pub(super) fn attend(&self, queries: Rows<'_>, scale: f32, out: RowsMut<'_>) {
        match &self.numbers {
            Numbers::F32(cache) => cache.attend(queries, Visible::All(self.frames), scale, out),
            Numbers::Int8 { bytes, scales, shape } => {
                let cache = quantized::Cache { bytes, scales, shape: *shape, positions: self.frames };
                attention_i8(queries, &cache, scale, out);
            }
        }
    }
}
