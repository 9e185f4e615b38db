//! Products of 8-bit rows with the lanes of a tile.

use super::columns::LANES;
use crate::arch::lanes::{Dots, Lanes, Task};
use crate::gemm::PANEL;
use std::marker::PhantomData;

/// What is multiplied: rows of unsigned bytes, 128 too large, with panels of signed ones.
pub(super) struct Operands<D> {
    pub rows: *const u8,
    pub row_stride: usize,
    /// From four inputs of a row to the next four.
    pub step_stride: usize,
    /// `[step][16][4]` each.
    pub panels: *const i8,
    pub panel_stride: usize,
    pub steps: usize,
    /// -128 times the sum of each lane's bytes.
    pub corrections: *const i32,
    pub dots: PhantomData<D>,
}

/// What is done with the sums of a row and a panel.
pub(super) trait Finish<L> {
    /// # Safety
    /// The row and the sixteen lanes from `lane` on exist; the instruction set is enabled in the caller.
    unsafe fn put(&self, row: usize, lane: usize, sums: L);
}

/// Sums become scores, yet to be multiplied by the scale of their lane.
pub(super) struct Score {
    pub row_scales: *const f32,
    /// `[row][lane]`.
    pub out: *mut f32,
}

impl<L: Lanes> Finish<L> for Score {
    #[inline(always)]
    unsafe fn put(&self, row: usize, lane: usize, sums: L) {
        // SAFETY: the caller's promise.
        unsafe { sums.mul(L::splat(*self.row_scales.add(row))).store(self.out.add(row * LANES + lane)) }
    }
}

/// Sums, with the part that was taken from the weights put back, are added to those of the blocks before.
pub(super) struct Sum {
    pub row_scales: *const f32,
    pub row_offsets: *const f32,
    pub old: *const f32,
    pub new: *const f32,
    /// `[row][lane]`.
    pub out: *mut f32,
}

impl<L: Lanes> Finish<L> for Sum {
    #[inline(always)]
    unsafe fn put(&self, row: usize, lane: usize, sums: L) {
        // SAFETY: the caller's promise.
        unsafe {
            let out = self.out.add(row * LANES + lane);
            let scale = L::splat(*self.row_scales.add(row)).mul(L::load(self.new.add(lane)));
            let sums = sums.add(L::splat(*self.row_offsets.add(row)));
            L::load(out).mul(L::load(self.old.add(lane))).add_product(sums, scale).store(out);
        }
    }
}

/// Multiplies `rows` rows with `panels` panels, at most three.
///
/// # Safety
/// They exist, and the places that `finish` writes; the machine has the instruction set of `D`.
pub(super) unsafe fn multiply<D: Dots, F: Finish<D::Lanes>>(
    operands: &Operands<D>,
    finish: &F,
    rows: usize,
    panels: usize,
) {
    let mut panel = 0;
    while panel < panels {
        let wide = if D::TILE_PANELS == 1 { 1 } else { panels - panel };
        // SAFETY: the caller's promise.
        unsafe {
            match wide {
                1 => all_rows::<D, F, 1>(operands, finish, rows, panel),
                2 => all_rows::<D, F, 2>(operands, finish, rows, panel),
                _ => all_rows::<D, F, 3>(operands, finish, rows, panel),
            }
        }
        panel += wide.min(3);
    }
}

/// Adds up the signed bytes of each lane of `panels` panels.
///
/// # Safety
/// The panels exist, `panel_stride` bytes apart, with `steps` steps each; the machine has the instruction set of `D`.
pub(super) unsafe fn add_up<D: Dots>(
    first: *const i8,
    panel_stride: usize,
    panels: usize,
    steps: usize,
    sums: &mut [f32; LANES],
) {
    for (panel, sums) in sums.chunks_exact_mut(PANEL).take(panels).enumerate() {
        // SAFETY: the caller's promise; `sums` has room for a panel.
        unsafe {
            D::enter(Bytes::<D> { panel: first.add(panel * panel_stride), steps, sums, dots: PhantomData })
        };
    }
}

/// One panel, whose bytes are to be added up.
struct Bytes<'a, D> {
    panel: *const i8,
    steps: usize,
    sums: &'a mut [f32],
    dots: PhantomData<D>,
}

impl<D: Dots> Task for Bytes<'_, D> {
    #[inline(always)]
    unsafe fn run(self) {
        const CHAINS: usize = 4;
        // SAFETY: the panel has its steps, by the caller's promise.
        unsafe {
            let ones = D::inputs([D::ONE; 4].as_ptr());
            let mut chains = [D::start([0; PANEL].as_ptr()); CHAINS];
            let whole = self.steps - self.steps % CHAINS;
            for step in (0..whole).step_by(CHAINS) {
                for (i, chain) in chains.iter_mut().enumerate() {
                    *chain = D::add(*chain, ones, D::weights(self.panel.add((step + i) * PANEL * 4)));
                }
            }
            let [mut a, b, c, d] = chains;
            for step in whole..self.steps {
                a = D::add(a, ones, D::weights(self.panel.add(step * PANEL * 4)));
            }
            D::finish(D::join(D::join(a, b), D::join(c, d))).store(self.sums.as_mut_ptr());
        }
    }
}

/// # Safety
/// As for [`multiply`].
unsafe fn all_rows<D: Dots, F: Finish<D::Lanes>, const P: usize>(
    operands: &Operands<D>,
    finish: &F,
    rows: usize,
    panel: usize,
) {
    let mut row = 0;
    while row < rows {
        // As many tiles as the registers hold, then what is left.
        let left = rows - row;
        let m = left.min(D::TILE_ROWS);
        let end = row + left / m * m;
        // SAFETY: the caller's promise.
        unsafe {
            match m {
                1 => D::enter(Tile::<D, F, 1, P> { operands, finish, row, end, panel }),
                2 => D::enter(Tile::<D, F, 2, P> { operands, finish, row, end, panel }),
                3 => D::enter(Tile::<D, F, 3, P> { operands, finish, row, end, panel }),
                4 => D::enter(Tile::<D, F, 4, P> { operands, finish, row, end, panel }),
                5 => D::enter(Tile::<D, F, 5, P> { operands, finish, row, end, panel }),
                6 => D::enter(Tile::<D, F, 6, P> { operands, finish, row, end, panel }),
                7 => D::enter(Tile::<D, F, 7, P> { operands, finish, row, end, panel }),
                _ => D::enter(Tile::<D, F, 8, P> { operands, finish, row, end, panel }),
            }
        }
        row = end;
    }
}

/// Tiles of `M` rows, from `row` to `end`, and `P` panels.
struct Tile<'a, D, F, const M: usize, const P: usize> {
    operands: &'a Operands<D>,
    finish: &'a F,
    row: usize,
    end: usize,
    panel: usize,
}

impl<D: Dots, F: Finish<D::Lanes>, const M: usize, const P: usize> Task for Tile<'_, D, F, M, P> {
    #[inline(always)]
    unsafe fn run(self) {
        let Tile { operands, finish, row, end, panel } = self;
        let Operands { rows, row_stride, step_stride, panels, panel_stride, steps, corrections, .. } =
            *operands;
        // SAFETY: the rows and panels exist, by the caller's promise.
        unsafe {
            let start: [D::Sums; P] = std::array::from_fn(|p| D::start(corrections.add((panel + p) * PANEL)));
            let w: [*const i8; P] = std::array::from_fn(|p| panels.add((panel + p) * panel_stride));
            for row in (row..end).step_by(M) {
                let a: [*const u8; M] = std::array::from_fn(|m| rows.add((row + m) * row_stride));
                let mut sums = [start; M];
                for step in 0..steps {
                    let w: [D::Weights; P] = std::array::from_fn(|p| D::weights(w[p].add(step * PANEL * 4)));
                    for m in 0..M {
                        let a = D::inputs(a[m].add(step * step_stride));
                        for p in 0..P {
                            sums[m][p] = D::add(sums[m][p], a, w[p]);
                        }
                    }
                }
                for (m, sums) in sums.iter().enumerate() {
                    for (p, &sums) in sums.iter().enumerate() {
                        finish.put(row + m, (panel + p) * PANEL, D::finish(sums));
                    }
                }
            }
        }
    }
}
