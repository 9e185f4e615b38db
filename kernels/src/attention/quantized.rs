//! Attention over keys and values of 8 bits, for many queries that all see the same keys.
//!
//! Keys have a scale each, values a scale for each channel and block of [`BLOCK_KEYS`] keys, queries a scale
//! each that is found when they come. The products of queries and keys, and of weights and values, are exact sums of
//! 8-bit products; a weight is rounded to 1/254 of the largest weight that its query gives within the block. Between
//! them is an online softmax over the blocks (Milakov and Gimelshein 2018, <https://arxiv.org/abs/1805.02867>).
//!
//! One lane is one query, throughout: no sum runs across lanes, heads of any size leave no lane unused, and a
//! query's result is the same to the bit whatever the other queries of a call.

mod columns;
mod products;
mod queries;
mod store;
mod turn;

use crate::arch::dispatch::with_dots;
use crate::arch::dots::Dots;
use crate::arch::panel::STEP;
use crate::gemm::PANEL;
use crate::rows::{Rows, RowsMut};
use columns::{Columns, LANES};
use products::{Operands, Score, Sum, add_up, multiply};
pub use store::{CacheMut, store_block};

/// Keys whose values share their scales, and between two corrections of the running maximum.
pub const BLOCK_KEYS: usize = 128;
/// Queries of a call that waste nothing: their number divides it.
pub const QUERIES: usize = LANES;
/// The most elements of a head.
pub const MAX_HEAD: usize = 128;
/// Steps of the product of weights and values in a whole block.
const BLOCK_STEPS: usize = BLOCK_KEYS / STEP;

/// How the caches of one layer are laid out: block after block, in each head after head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    heads: usize,
    head_dim: usize,
}

impl Shape {
    /// `heads` heads of `head_dim` elements. Nothing if a head has none or more than [`MAX_HEAD`], or one block would be larger than
    /// memory can be.
    pub const fn new(heads: usize, head_dim: usize) -> Option<Self> {
        let shape = Shape { heads, head_dim };
        let is_usable = head_dim > 0
            && head_dim <= MAX_HEAD
            && heads.saturating_mul(shape.head_bytes()) <= isize::MAX as usize
            && heads.saturating_mul(shape.head_scales()) <= isize::MAX as usize;
        if is_usable { Some(shape) } else { None }
    }

    /// How many heads.
    pub const fn heads(self) -> usize {
        self.heads
    }

    /// Elements of one head.
    pub const fn head_dim(self) -> usize {
        self.head_dim
    }

    /// Bytes that `positions` keys and values take; `usize::MAX` if that is more than memory can be.
    pub const fn bytes_len(self, positions: usize) -> usize {
        positions.div_ceil(BLOCK_KEYS).saturating_mul(self.heads * self.head_bytes())
    }

    /// Scales that `positions` keys and values take; `usize::MAX` if that is more than memory can be.
    pub const fn scales_len(self, positions: usize) -> usize {
        positions.div_ceil(BLOCK_KEYS).saturating_mul(self.heads * self.head_scales())
    }

    /// Bytes of a stored key.
    const fn key_bytes(self) -> usize {
        self.head_dim.next_multiple_of(STEP)
    }

    /// Bytes of one head in one block: keys, `[key_bytes / 4][BLOCK_KEYS][4]`, then values, four keys side by side:
    /// `[BLOCK_KEYS / 4][head_dim][4]`.
    const fn head_bytes(self) -> usize {
        BLOCK_KEYS * (self.key_bytes() + self.head_dim)
    }

    /// Scales of one head in one block: of the keys, then of the values' channels, then 127 times the sum of each
    /// channel's bytes.
    const fn head_scales(self) -> usize {
        BLOCK_KEYS + 2 * self.head_dim
    }
}

/// Keys and values of one layer, as [`store_block`] wrote them.
#[derive(Clone, Copy, Debug)]
pub struct Cache<'a> {
    /// [`Shape::bytes_len`] of them, or more.
    pub bytes: &'a [u8],
    /// [`Shape::scales_len`] of them, or more.
    pub scales: &'a [f32],
    /// How they are laid out.
    pub shape: Shape,
    /// How many keys there are.
    pub positions: usize,
}

/// `out = softmax(scale * q · keys) · values` for each query and head, over all keys. Rows of `q` and `out` hold
/// `heads * head_dim` elements, head by head. Without keys it gives zeros; what is not finite in a query, or in
/// any key or value, makes the results that it reaches NaN.
///
/// `scale` must be positive. Allocates nothing; uses about 80 KB of stack.
///
/// # Panics
/// If a row does not fit its data, the caches are shorter than their shape says, or `scale` is not positive.
pub fn attention_i8(q: Rows<'_>, kv: &Cache<'_>, scale: f32, out: RowsMut<'_>) {
    with_dots!(all_heads(q, kv, scale, out));
}

/// The queries of one tile and head, and what has been found for them so far.
struct Tile {
    /// `[panel][step][16][4]`: signed bytes.
    queries: [u8; LANES * MAX_HEAD],
    query_scales: [f32; LANES],
    /// -128 times the sum of each query's bytes.
    query_corrections: [i32; LANES],
    columns: Columns,
    /// `[head_dim][lane]`: the sum of weighted values.
    sums: [f32; LANES * MAX_HEAD],
    /// `[head_dim][lane]` of some lanes: queries on their way in, results on their way out.
    turned: [f32; PANEL * MAX_HEAD],
}

fn all_heads<D: Dots>(d: D, q: Rows<'_>, kv: &Cache<'_>, scale: f32, out: RowsMut<'_>) {
    let Shape { heads, head_dim } = kv.shape;
    let width = heads * head_dim;
    assert!(
        kv.bytes.len() >= kv.shape.bytes_len(kv.positions)
            && kv.scales.len() >= kv.shape.scales_len(kv.positions),
        "caches of their shape"
    );
    assert!(
        q.count == out.count && q.fits(width) && out.fits(width),
        "as many rows out as queries, all inside"
    );
    assert!(scale > 0.0, "a positive scale");
    let mut tile = Tile {
        queries: [0; LANES * MAX_HEAD],
        query_scales: [0.0; LANES],
        query_corrections: [0; LANES],
        columns: Columns::new(),
        sums: [0.0; LANES * MAX_HEAD],
        turned: [0.0; PANEL * MAX_HEAD],
    };
    for first in (0..q.count).step_by(LANES) {
        let count = LANES.min(q.count - first);
        for head in 0..heads {
            let column = head * head_dim;
            queries::take(
                &mut tile,
                Rows::new(&q.data[first * q.stride + column..], q.stride, count),
                kv.shape,
                scale,
            );
            tile.attend(d, kv, head, count);
            let rows = &mut out.data[first * out.stride + column..];
            queries::give(&mut tile, RowsMut::new(rows, out.stride, count), head_dim);
        }
    }
}

impl Tile {
    /// Finds the sums of weighted values for the first `count` lanes.
    fn attend<D: Dots>(&mut self, d: D, kv: &Cache<'_>, head: usize, count: usize) {
        let Shape { heads, head_dim } = kv.shape;
        assert!(count <= LANES && head_dim <= MAX_HEAD, "no more lanes and elements than a tile has");
        let panels = count.div_ceil(PANEL);
        self.columns.restart();
        self.sums[..head_dim * LANES].fill(0.0);
        for (block, first) in (0..kv.positions).step_by(BLOCK_KEYS).enumerate() {
            let keys = BLOCK_KEYS.min(kv.positions - first);
            let at = block * heads + head;
            let bytes = &kv.bytes[at * kv.shape.head_bytes()..][..kv.shape.head_bytes()];
            let scales = &kv.scales[at * kv.shape.head_scales()..][..kv.shape.head_scales()];
            let (key_scales, value_scales) = scales.split_at(BLOCK_KEYS);
            let (value_scales, value_sums) = value_scales.split_at(head_dim);
            // SAFETY: the rows and scales named lie inside their slices, which have the lengths of one head and block; the
            // panels inside the tile, by the assertion above; `columns` has room for a block of all lanes.
            unsafe {
                let operands = Operands {
                    d,
                    rows: bytes.as_ptr(),
                    row_stride: STEP,
                    step_stride: STEP * BLOCK_KEYS,
                    panels: self.queries.as_ptr().cast(),
                    panel_stride: PANEL * kv.shape.key_bytes(),
                    steps: kv.shape.key_bytes() / STEP,
                    corrections: self.query_corrections.as_ptr(),
                };
                let finish = Score { row_scales: key_scales.as_ptr(), out: self.columns.scores.as_mut_ptr() };
                multiply(&operands, &finish, keys, panels);
                let (lanes, steps, panel_stride) = (panels * PANEL, keys.div_ceil(STEP), PANEL * BLOCK_KEYS);
                columns::weigh(&mut self.columns, &self.query_scales, keys, lanes);
                let mut sums = [0.0; LANES];
                add_up(d, self.columns.weights.as_ptr().cast(), panel_stride, panels, steps, &mut sums);
                columns::settle(&mut self.columns, &sums, keys, lanes);
                let operands = Operands {
                    d,
                    rows: bytes[BLOCK_KEYS * kv.shape.key_bytes()..].as_ptr(),
                    row_stride: STEP,
                    step_stride: STEP * head_dim,
                    panels: self.columns.weights.as_ptr().cast(),
                    panel_stride,
                    steps,
                    corrections: self.columns.corrections.as_ptr(),
                };
                let finish = Sum {
                    row_scales: value_scales.as_ptr(),
                    row_offsets: value_sums.as_ptr(),
                    old: self.columns.old.as_ptr(),
                    new: self.columns.new.as_ptr(),
                    out: self.sums.as_mut_ptr(),
                };
                multiply(&operands, &finish, head_dim, panels);
            }
        }
    }
}
