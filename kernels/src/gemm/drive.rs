//! Cuts a product into tiles that fill the registers, whatever the precision, and stores them.

use super::PANEL;
use super::epilogue::Finish;
use crate::arch::panel::{Panel, Panels};
use crate::arch::target::{Target, Task};

/// Rows of a block whose inputs should stay in the second-level cache while all panels pass by, in bytes.
const ROW_BLOCK_BYTES: usize = 256 << 10;

/// The inner product of one precision.
pub(super) trait Product {
    /// Proof of the instruction set that tiles are compiled for.
    type Target: Target;
    /// The panels it computes in.
    type Simd: Panels;
    /// Rows of the tile that fills the registers, at most 8.
    const ROWS: usize;
    /// Panels of that tile: 1 or 3.
    const PANELS: usize;
    /// Panels of a tile of few rows, at most [`FEW_ROWS`](Self::FEW_ROWS): 1, 3 or 6. A product of few rows is
    /// bound by reading weights, or by the latency of its sums, and so takes more panels at once.
    const PANELS_OF_FEW: usize;
    /// As many rows fit into the registers beside those panels.
    const FEW_ROWS: usize = Self::ROWS * Self::PANELS / Self::PANELS_OF_FEW;

    /// Whether so many rows take one panel at a time: for products that hide the latency of their sums in
    /// another way, and so can read all weights as one stream.
    fn one_panel_at_a_time(&self, _rows: usize) -> bool {
        false
    }

    /// The instruction set.
    fn target(&self) -> Self::Target;
    /// Its vectors.
    fn simd(&self) -> Self::Simd;

    /// Sums for `M` rows from `row` on and the outputs of `P` panels from `panel` on, over all inputs in
    /// rising order with one accumulator for each output. With `fetch`, the weights of the next tile are
    /// fetched into the cache on the way.
    ///
    /// # Safety
    /// The rows and panels exist.
    unsafe fn tile<const M: usize, const P: usize>(
        &self,
        row: usize,
        panel: usize,
        fetch: bool,
    ) -> Sums<Self::Simd, M, P>;
}

/// What a tile of `M` rows and `P` panels comes to.
pub(super) type Sums<S, const M: usize, const P: usize> = [[<S as Panels>::Panel; P]; M];

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
/// rows and `outputs.div_ceil(PANEL)` panels; a bias has `outputs` values.
pub(super) unsafe fn drive<K: Product>(product: &K, bytes_per_row: usize, output: Output<'_>) {
    let panels = output.outputs.div_ceil(PANEL);
    let block = (ROW_BLOCK_BYTES / bytes_per_row.max(1)).max(1).next_multiple_of(K::ROWS);
    for first in (0..output.rows).step_by(block) {
        let last = output.rows.min(first + block);
        let wide = match last - first {
            rows if product.one_panel_at_a_time(rows) => 1,
            rows if rows <= K::FEW_ROWS => K::PANELS_OF_FEW,
            _ => K::PANELS,
        };
        let mut panel = 0;
        while panel < panels {
            let p = if panel + wide <= panels { wide } else { 1 };
            // Rows of one tile pass along all panels at once; more take turns at each.
            let end = if last - first <= K::ROWS { panel + (panels - panel) / p * p } else { panel + p };
            let mut row = first;
            while row < last {
                // The rows that are left, spread evenly over tiles.
                let m = (last - row).div_ceil((last - row).div_ceil(K::ROWS));
                // One tile of more than a few rows fetches ahead. Few rows read as fast as the machine's own prefetcher
                // can, and fetching ahead only got into its way; with several tiles it has time enough.
                let fetch = (K::FEW_ROWS + 1..=K::ROWS).contains(&(last - first));
                let work = Work { product, output: &output, row, panel, end, fetch };
                // SAFETY: `row + m <= rows`, `end <= panels`, whole tiles of `p` panels lie between, and `m <= K::ROWS`, or
                // `K::FEW_ROWS` where few rows take `wide` panels; the rest is the caller's promise.
                unsafe {
                    match p {
                        6 if K::PANELS_OF_FEW == 6 => few_rows::<K, 6>(work, m),
                        3 if K::PANELS == 3 => rows_of::<K, 3>(work, m),
                        3 if K::PANELS_OF_FEW == 3 => few_rows::<K, 3>(work, m),
                        _ => rows_of::<K, 1>(work, m),
                    }
                }
                row += m;
            }
            panel = end;
        }
    }
}

macro_rules! tile_of {
    ($($rows:literal)* of $work:ident, $m:ident, at most $most:expr) => {
        match $m {
            // SAFETY: the caller's promise.
            $($rows if $rows <= $most => unsafe { $work.product.target().enter(Tile::<K, $rows, P>($work)) },)*
            _ => unreachable!("no tile has {} rows", $m),
        }
    };
}

/// One tile of `m` of few rows, with `m` as a constant.
///
/// # Safety
/// As for [`Work`], with `m` rows and `P` panels.
#[inline(always)]
unsafe fn few_rows<K: Product, const P: usize>(work: Work<'_, K>, m: usize) {
    tile_of!(1 2 3 4 of work, m, at most K::FEW_ROWS)
}

/// One tile of `m` rows, with `m` as a constant.
///
/// # Safety
/// As for [`Work`], with `m` rows and `P` panels.
#[inline(always)]
unsafe fn rows_of<K: Product, const P: usize>(work: Work<'_, K>, m: usize) {
    tile_of!(1 2 3 4 5 6 7 8 of work, m, at most K::ROWS)
}

/// Where tiles are: from `panel` to `end`, a multiple of their width apart.
///
/// Whoever runs it promises that the rows from `row` on and the panels exist in the product, and that the output is as
/// [`drive`] asks.
struct Work<'a, K> {
    product: &'a K,
    output: &'a Output<'a>,
    row: usize,
    panel: usize,
    end: usize,
    fetch: bool,
}

/// Tiles of `M` rows and `P` panels. To run it, the promise of [`Work`] must hold for them.
struct Tile<'a, K, const M: usize, const P: usize>(Work<'a, K>);

impl<K: Product, const M: usize, const P: usize> Task for Tile<'_, K, M, P> {
    #[inline(always)]
    unsafe fn run(self) {
        let Work { product, output, row, panel, end, fetch } = self.0;
        for panel in (panel..end).step_by(P) {
            // SAFETY: the promise of `Work`.
            unsafe { one_tile::<K, M, P>(product, output, row, panel, fetch) }
        }
    }
}

/// Computes and stores one tile.
///
/// # Safety
/// The tile lies inside the product and the output.
#[inline(always)]
unsafe fn one_tile<K: Product, const M: usize, const P: usize>(
    product: &K,
    output: &Output<'_>,
    row: usize,
    panel: usize,
    fetch: bool,
) {
    let s = product.simd();
    // SAFETY: the caller's promise.
    let mut sums = unsafe { product.tile::<M, P>(row, panel, fetch) };
    let column = panel * PANEL;
    let columns = (output.outputs - column).min(P * PANEL);
    if let Some(bias) = output.finish.bias {
        for p in 0..P {
            let n = (columns - p * PANEL).min(PANEL);
            // SAFETY: the bias has `outputs` values, of which `n` are left at this column.
            let bias: <K::Simd as Panels>::Panel =
                unsafe { Panel::load_first(s, bias.as_ptr().add(column + p * PANEL), n) };
            for sum in &mut sums {
                sum[p] = sum[p].add(s, bias);
            }
        }
    }
    if let Some(activation) = output.finish.activation {
        activate(s, &mut sums, activation);
    }
    // SAFETY: the tile's rows and `columns` columns are inside the output.
    unsafe {
        let out = output.data.add(row * output.stride + column);
        store(s, &sums, out, output.stride, columns, output.finish.accumulate);
    }
}

/// Applies a function on slices to the sums, by way of the stack: to all at once, so that its own latency is hidden. What
/// it makes of outputs that are not there is never stored.
#[inline(always)]
fn activate<S: Panels, const M: usize, const P: usize>(
    s: S,
    sums: &mut Sums<S, M, P>,
    activation: fn(&mut [f32]),
) {
    let mut buffer = [[[0.0f32; PANEL]; P]; M];
    for (values, sum) in buffer.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
        // SAFETY: room for a panel.
        unsafe { sum.store(s, values.as_mut_ptr()) };
    }
    activation(buffer.as_flattened_mut().as_flattened_mut());
    for (values, sum) in buffer.as_flattened().iter().zip(sums.as_flattened_mut()) {
        // SAFETY: as above.
        *sum = unsafe { Panel::load(s, values.as_ptr()) };
    }
}

/// # Safety
/// `M` rows of `columns` values, `stride` apart, are good to write from `out` on, and to read if it accumulates; there are
/// more columns than those of `P - 1` panels.
#[inline(always)]
unsafe fn store<S: Panels, const M: usize, const P: usize>(
    s: S,
    sums: &Sums<S, M, P>,
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
                // Only the last panel may be cut off: a test for each store would cost as much as the stores.
                if p + 1 < P || columns == P * PANEL {
                    let old = || S::Panel::load(s, out);
                    (if accumulate { old().add(s, sum) } else { sum }).store(s, out);
                } else {
                    let n = columns - p * PANEL;
                    let old = || S::Panel::load_first(s, out, n);
                    (if accumulate { old().add(s, sum) } else { sum }).store_first(s, out, n);
                }
            }
        }
    }
}

/// How far ahead of what a tile reads it fetches, in bytes: as far as its own weights reach, so that each line
/// is fetched once and all are there when the next tile starts. Nothing if that was not asked for, or if one
/// tile's weights would not fit into the second-level cache.
#[inline(always)]
pub(super) fn fetch_distance(fetch: bool, tile_bytes: usize) -> Option<usize> {
    (fetch && tile_bytes <= 256 << 10).then_some(tile_bytes)
}
