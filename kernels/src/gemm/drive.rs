//! Cuts a product into tiles that fill the registers, whatever the precision, and stores them.

use super::PANEL;
use super::epilogue::Finish;
use super::lanes::Lanes;

/// Rows of a block whose inputs should stay in the second-level cache while all panels pass by, in bytes.
const ROW_BLOCK_BYTES: usize = 256 << 10;
/// The largest tile of any instruction set: rows, panels.
const MAX_TILE: (usize, usize) = (8, 3);

/// The inner product of one precision.
pub(super) trait Product {
    /// The lanes it computes in.
    type Lanes: Lanes;
    /// Rows of the tile that fills the registers, at most 8.
    const ROWS: usize;
    /// Panels of that tile, 1 or 3.
    const PANELS: usize;

    /// Sums for `M` rows from `row` on and the outputs of `P` panels from `panel` on, over all inputs in
    /// rising order with one accumulator for each output.
    ///
    /// # Safety
    /// The rows and panels exist; the instruction set is enabled in the caller.
    unsafe fn tile<const M: usize, const P: usize>(&self, row: usize, panel: usize) -> [[Self::Lanes; P]; M];
}

/// Where results go. Rows do not overlap.
pub(super) struct Output<'a> {
    pub data: *mut f32,
    pub stride: usize,
    pub rows: usize,
    pub outputs: usize,
    pub finish: Finish<'a>,
}

/// Computes and stores every output of every row.
///
/// # Safety
/// `output` describes memory that is good to write (and to read, if it accumulates); the product has its
/// rows and `outputs.div_ceil(PANEL)` panels; a bias has `outputs` values; the instruction set is enabled
/// in the caller.
#[inline(always)]
pub(super) unsafe fn drive<K: Product>(product: &K, bytes_per_row: usize, output: Output<'_>) {
    let panels = output.outputs.div_ceil(PANEL);
    let tile_rows = K::ROWS;
    let block = (ROW_BLOCK_BYTES / bytes_per_row.max(1)).max(1).next_multiple_of(tile_rows);
    for first in (0..output.rows).step_by(block) {
        let last = output.rows.min(first + block);
        let mut panel = 0;
        while panel < panels {
            let wide = K::PANELS == 3 && panel + 3 <= panels;
            let mut row = first;
            while row < last {
                let m = tile_rows.min(last - row);
                // SAFETY: `row + m <= rows`, and `panel + 3 <= panels` if wide; the rest is the caller's promise.
                unsafe {
                    if wide {
                        rows_of::<K, 3>(product, &output, row, m, panel);
                    } else {
                        rows_of::<K, 1>(product, &output, row, m, panel);
                    }
                }
                row += m;
            }
            panel += if wide { 3 } else { 1 };
        }
    }
}

/// One tile of `m` rows, with `m` as a constant.
#[inline(always)]
unsafe fn rows_of<K: Product, const P: usize>(
    product: &K,
    output: &Output<'_>,
    row: usize,
    m: usize,
    panel: usize,
) {
    macro_rules! with_constant {
        ($($M:literal)*) => {
            match m {
                // SAFETY: the caller's promise.
                $($M if $M <= K::ROWS => unsafe { one_tile::<K, $M, P>(product, output, row, panel) },)*
                _ => unreachable!("no tile has {m} rows"),
            }
        };
    }
    with_constant!(1 2 3 4 5 6 7 8)
}

#[inline(always)]
unsafe fn one_tile<K: Product, const M: usize, const P: usize>(
    product: &K,
    output: &Output<'_>,
    row: usize,
    panel: usize,
) {
    // SAFETY: the caller's promise.
    let mut sums = unsafe { product.tile::<M, P>(row, panel) };
    let column = panel * PANEL;
    let columns = (output.outputs - column).min(P * PANEL);
    if let Some(bias) = output.finish.bias {
        for p in 0..P {
            let n = columns.saturating_sub(p * PANEL).min(PANEL);
            // SAFETY: the bias has `outputs` values, of which `n` are left at this column.
            let bias = unsafe { K::Lanes::load_first(bias.as_ptr().add(column + p * PANEL), n) };
            for sum in &mut sums {
                // SAFETY: the instruction set is enabled.
                sum[p] = unsafe { sum[p].add(bias) };
            }
        }
    }
    if let Some(activation) = output.finish.activation {
        // SAFETY: the instruction set is enabled.
        unsafe { activate(&mut sums, columns, activation) };
    }
    // SAFETY: the tile's rows and `columns` columns are inside the output.
    unsafe {
        let out = output.data.add(row * output.stride + column);
        store(&sums, out, output.stride, columns, output.finish.accumulate);
    }
}

/// Applies a function on slices to the sums, by way of the stack.
#[inline(always)]
unsafe fn activate<L: Lanes, const M: usize, const P: usize>(
    sums: &mut [[L; P]; M],
    columns: usize,
    activation: fn(&mut [f32]),
) {
    let mut buffer = [[0.0f32; MAX_TILE.1 * PANEL]; MAX_TILE.0];
    for (row, sums) in buffer.iter_mut().zip(sums) {
        let values = row.as_mut_ptr();
        for (p, sum) in sums.iter().enumerate() {
            // SAFETY: a row of the buffer holds `P` panels.
            unsafe { sum.store(values.add(p * PANEL)) };
        }
        activation(&mut row[..columns]);
        let values = row.as_ptr();
        for (p, sum) in sums.iter_mut().enumerate() {
            // SAFETY: as above.
            *sum = unsafe { L::load(values.add(p * PANEL)) };
        }
    }
}

#[inline(always)]
unsafe fn store<L: Lanes, const M: usize, const P: usize>(
    sums: &[[L; P]; M],
    out: *mut f32,
    stride: usize,
    columns: usize,
    accumulate: bool,
) {
    for (m, sums) in sums.iter().enumerate() {
        for (p, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller's rows and columns are inside the output; `columns > (P - 1) * PANEL`.
            unsafe {
                let out = out.add(m * stride + p * PANEL);
                let n = (columns - p * PANEL).min(PANEL);
                if n == PANEL {
                    (if accumulate { L::load(out).add(sum) } else { sum }).store(out);
                } else {
                    (if accumulate { L::load_first(out, n).add(sum) } else { sum }).store_first(out, n);
                }
            }
        }
    }
}
