//! Turning rows into columns.

use crate::rows::{Rows, RowsMut};
use crate::simd::{Simd, instruction_sets};
use crate::table::Table;

/// `out[c][r] = x[r][c]`: rows of `x` are `columns` wide, `out` has `columns` rows of `x.count` elements.
///
/// # Panics
/// If `out` does not have as many rows as `x` has columns, or a row does not fit its data.
pub fn transpose(x: Rows<'_>, columns: usize, out: RowsMut<'_>) {
    (Table::active().transpose)(x, columns, out);
}

instruction_sets! {
    transpose = blocks(x: Rows<'_>, columns: usize, out: RowsMut<'_>);
}

/// Side of the square blocks that both matrices are cut into: 16 KB, so that two of them fit into the first-level
/// cache.
const SIDE: usize = 64;
/// Elements in a cache line.
const LINE: usize = 16;
/// From this many elements on, results are written past the caches, which could not hold them anyway.
const STREAM_LEN: usize = 1 << 20;

/// A block of either matrix, close together whatever the strides: rows that are a power of two apart would push
/// each other out of the cache.
#[repr(align(64))]
struct Block([[f32; SIDE]; SIDE]);

#[inline(always)]
fn blocks<S: Simd>(s: S, x: Rows<'_>, columns: usize, out: RowsMut<'_>) {
    let rows = x.count;
    assert!(
        out.count == columns && x.fits(columns) && out.fits(rows),
        "one row out for each column, all inside"
    );
    let (mut staged, mut turned) = (Block([[0.0; SIDE]; SIDE]), Block([[0.0; SIDE]; SIDE]));
    // Where all output rows are aligned alike, blocks end at the ends of their cache lines.
    let aligned = out.stride.is_multiple_of(LINE);
    let first_height = if aligned { SIDE - misalignment(out.data) } else { SIDE };
    let stream = aligned && rows * columns >= STREAM_LEN;
    for c in (0..columns).step_by(SIDE) {
        let width = SIDE.min(columns - c);
        let (mut r, mut height) = (0, first_height.min(rows));
        while height > 0 {
            let next_height = SIDE.min(rows - r - height);
            for i in 0..if stream { 0 } else { width } {
                prefetch(s, out.data[(c + i) * out.stride + r..].as_ptr());
            }
            for i in 0..height {
                let row = &x.data[(r + i) * x.stride + c..][..width];
                if i < next_height {
                    prefetch(s, row.as_ptr().wrapping_add(height * x.stride));
                }
                copy(s, row, &mut staged.0[i]);
            }
            turn(s, &staged, &mut turned, height, width);
            for (i, row) in turned.0[..width].iter().enumerate() {
                let to = &mut out.data[(c + i) * out.stride + r..][..height];
                if stream && height == SIDE && misalignment(to) == 0 {
                    for (from, to) in row.chunks_exact(S::LANES).zip(to.chunks_exact_mut(S::LANES)) {
                        // SAFETY: a whole aligned vector.
                        unsafe { s.stream_ptr(to.as_mut_ptr(), s.load(from)) };
                    }
                } else {
                    copy(s, &row[..height], to);
                }
            }
            r += height;
            height = next_height;
        }
    }
    if stream {
        s.fence();
    }
}

/// How many elements the start of `x` lies behind a cache line's.
fn misalignment(x: &[f32]) -> usize {
    x.as_ptr() as usize % (LINE * size_of::<f32>()) / size_of::<f32>()
}

/// Hints at the lines of a row of a block.
#[inline(always)]
fn prefetch<S: Simd>(s: S, row: *const f32) {
    for line in 0..SIDE / LINE {
        s.prefetch(row.wrapping_add(line * LINE));
    }
}

/// Copies `from`, at most [`SIDE`] elements, to the start of `to`.
#[inline(always)]
fn copy<S: Simd>(s: S, from: &[f32], to: &mut [f32]) {
    if from.len() == SIDE {
        for (from, to) in from.chunks_exact(S::LANES).zip(to.chunks_exact_mut(S::LANES)) {
            s.store(to, s.load(from));
        }
    } else {
        to[..from.len()].copy_from_slice(from);
    }
}

/// Transposes a block; the squares that its `height` and `width` end in are transposed whole.
#[inline(always)]
fn turn<S: Simd>(s: S, from: &Block, to: &mut Block, height: usize, width: usize) {
    const { assert!(SIDE.is_multiple_of(S::LANES)) };
    let (from, to) = (from.0.as_ptr().cast::<f32>(), to.0.as_mut_ptr().cast::<f32>());
    for c in (0..width).step_by(S::LANES) {
        for r in (0..height).step_by(S::LANES) {
            // SAFETY: squares of `LANES` at multiples of it lie inside the blocks.
            unsafe { s.transpose_square(from.add(r * SIDE + c), SIDE, to.add(c * SIDE + r), SIDE) };
        }
    }
}
