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

/// Side of the blocks that both matrices are cut into: their lines and pages stay at hand while one is turned.
const SIDE: usize = 64;

#[inline(always)]
fn blocks<S: Simd>(s: S, x: Rows<'_>, columns: usize, out: RowsMut<'_>) {
    let rows = x.count;
    assert!(
        out.count == columns && x.fits(columns) && out.fits(rows),
        "one row out for each column, all inside"
    );
    for c in (0..columns).step_by(SIDE) {
        let width = SIDE.min(columns - c);
        for r in (0..rows).step_by(SIDE) {
            let height = SIDE.min(rows - r);
            let from = x.data[r * x.stride + c..].as_ptr();
            let to = out.data[c * out.stride + r..].as_mut_ptr();
            // SAFETY: the block lies inside both matrices, as just checked for all rows.
            unsafe { block(s, from, x.stride, to, out.stride, height, width) };
        }
    }
}

/// # Safety
/// `height` rows of `width` elements must be readable, `width` rows of `height` writable.
#[inline(always)]
unsafe fn block<S: Simd>(
    s: S,
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
    height: usize,
    width: usize,
) {
    let (whole_height, whole_width) = (height - height % S::LANES, width - width % S::LANES);
    // SAFETY: everything stays inside the block.
    unsafe {
        for c in (0..whole_width).step_by(S::LANES) {
            for r in (0..whole_height).step_by(S::LANES) {
                let square = from.add(r * from_stride + c);
                s.transpose_square(square, from_stride, to.add(c * to_stride + r), to_stride);
            }
        }
        // What is left at the right, then at the bottom.
        for c in 0..width {
            let first = if c < whole_width { whole_height } else { 0 };
            for r in first..height {
                *to.add(c * to_stride + r) = *from.add(r * from_stride + c);
            }
        }
    }
}
