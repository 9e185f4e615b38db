//! What one layer keeps of a slot's past: keys and values of the left context, and of the memory bank.
//!
//! Attention does not ask in which order its keys lie, so the left context is a ring, and nothing is ever moved: it
//! holds the left context and one segment, and the newest segment overwrites the frames that have just left it. Only
//! a segment cut short by the end of the stream leaves too old frames between others; these are overwritten by the
//! ring's last ones, once.
//!
//! Columns: the ring, as far as it is filled; behind it the right context; behind that the memory bank.

use crate::buffer::Buffer;
use crate::networks::emformer::config::Config;
use voxlane_kernels::attention::{self, CacheShape, KeyValue, KeyValueMut, Visible, attention};
use voxlane_kernels::rows::{Rows, RowsMut};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    keys: Buffer,
    values: Buffer,
    /// Keys and values of the memory bank, one row of both for each segment; a ring of its own.
    memory: Buffer,
    shape: CacheShape,
    /// Frames of the left context and of a segment.
    left: usize,
    ring: usize,
    memory_rows: usize,
    /// Frames that came before the segment in the cache, and segments.
    past: usize,
    segments: usize,
}

impl Cache {
    /// # Panics
    /// If it would be larger than memory can be.
    pub(super) fn new(config: &Config) -> Self {
        let (width, heads) = (config.width(), config.transformer_num_heads);
        let (left, memory_rows) =
            (config.transformer_left_context_length, config.transformer_max_memory_size);
        let ring = left + config.segment_frames();
        let capacity = attention::capacity_for(ring + config.right_frames() + memory_rows);
        let shape = CacheShape::new(heads, width / heads, capacity)
            .expect("the network's check bounds a stream's bytes");
        Cache {
            keys: Buffer::zeros(shape.len()),
            values: Buffer::zeros(shape.len()),
            memory: Buffer::zeros(memory_rows * 2 * width),
            shape,
            left,
            ring,
            memory_rows,
            past: 0,
            segments: 0,
        }
    }

    /// Forgets everything.
    pub(super) fn restart(&mut self) {
        (self.past, self.segments) = (0, 0);
    }

    /// Attention of a segment: `rows` are the queries, keys and values of its `frames` frames, those of the right
    /// context behind them; `summary`, where there is a memory bank, is one row more, whose query sees everything
    /// but the memory bank. `out` and `summary_out` have rows of the width.
    pub(super) fn attend(
        &mut self,
        rows: Rows<'_>,
        frames: usize,
        out: RowsMut<'_>,
        summary: Option<(&[f32], &mut [f32])>,
    ) {
        let width = self.shape.width();
        let scale = 1.0 / (self.shape.head_dim() as f32).sqrt();
        let own = rows.range(0, frames);
        let first = (self.ring - self.past % self.ring).min(frames);
        self.store(own.range(0, first), self.past % self.ring);
        self.store(own.range(first, frames - first), 0);
        let mut visible = self.drop_too_old(frames);
        self.store(rows.range(frames, rows.count - frames), visible);
        visible += rows.count - frames;
        let memories = self.segments.min(self.memory_rows);
        if let Some((query, out)) = summary {
            attention(
                Rows::one(&query[..width]),
                &self.view(),
                Visible::All(visible),
                scale,
                RowsMut::one(out),
            );
            if memories > 0 {
                let caches = KeyValueMut::new(&mut self.keys, &mut self.values, self.shape);
                let part = |start: usize| Rows::new(&self.memory[start..], 2 * width, memories);
                attention::store(part(0), part(width), visible, caches);
            }
        }
        attention(rows, &self.view(), Visible::All(visible + memories), scale, out);
        self.past += frames;
    }

    /// Puts the keys and values of a segment's memory, a row of queries, keys and values, into the bank.
    pub(super) fn remember(&mut self, row: &[f32]) {
        let width = self.shape.width();
        let place = self.segments % self.memory_rows;
        self.memory[place * 2 * width..][..2 * width].copy_from_slice(&row[width..3 * width]);
        self.segments += 1;
    }

    /// How many columns of the ring are in sight, after seeing to it that no others lie between them.
    fn drop_too_old(&mut self, frames: usize) -> usize {
        let filled = (self.past + frames).min(self.ring);
        let seen = self.past.min(self.left) + frames;
        let (oldest, mut last) = (self.past + frames - filled, filled);
        if filled == seen {
            return seen;
        }
        // From the highest column of a frame too old down, so that what takes its place is in sight itself.
        for column in (0..filled).rev() {
            let age = (column + self.ring - oldest % self.ring) % self.ring;
            if age >= filled - seen {
                continue;
            }
            last -= 1;
            for row in self.keys.chunks_exact_mut(self.shape.capacity()) {
                row[column] = row[last];
            }
            let head_dim = self.shape.head_dim();
            for head in self.values.chunks_exact_mut(self.shape.capacity() * head_dim) {
                head.copy_within(last * head_dim..(last + 1) * head_dim, column * head_dim);
            }
        }
        last
    }

    /// Writes the keys and values of rows of queries, keys and values into the columns from `column` on.
    fn store(&mut self, rows: Rows<'_>, column: usize) {
        if rows.count == 0 {
            return;
        }
        let width = self.shape.width();
        let part = |start: usize| Rows::new(&rows.data[start..], rows.stride, rows.count);
        let caches = KeyValueMut::new(&mut self.keys, &mut self.values, self.shape);
        attention::store(part(width), part(2 * width), column, caches);
    }

    fn view(&self) -> KeyValue<'_> {
        KeyValue::new(&self.keys, &self.values, self.shape)
    }
}
