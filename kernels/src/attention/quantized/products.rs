//! Products of 8-bit rows with the lanes of a tile.

use super::STEP;
use super::columns::LANES;
use crate::arch::dots::Dots;
use crate::arch::panel::{LINE, Panel, Panels};
use crate::arch::target::Task;
use crate::gemm::PANEL;

/// What is multiplied: rows of unsigned bytes, 128 too large, with panels of signed ones.
pub(super) struct Operands<D> {
    pub d: D,
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
}

/// What is done with the sums of a row and a panel.
pub(super) trait Finish<S: Panels> {
    /// # Safety
    /// The row and the sixteen lanes from `lane` on exist in everything that `self` points to.
    unsafe fn put(&self, s: S, row: usize, lane: usize, sums: S::Panel);
}

/// Sums become scores, yet to be multiplied by the scale of their lane.
pub(super) struct Score {
    pub row_scales: *const f32,
    /// `[row][lane]`.
    pub out: *mut f32,
}

impl<S: Panels> Finish<S> for Score {
    #[inline(always)]
    unsafe fn put(&self, s: S, row: usize, lane: usize, sums: S::Panel) {
        // SAFETY: the caller's promise.
        unsafe {
            let scale = Panel::splat(s, *self.row_scales.add(row));
            sums.mul(s, scale).store(s, self.out.add(row * LANES + lane));
        }
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

impl<S: Panels> Finish<S> for Sum {
    #[inline(always)]
    unsafe fn put(&self, s: S, row: usize, lane: usize, sums: S::Panel) {
        // SAFETY: the caller's promise.
        unsafe {
            let out = self.out.add(row * LANES + lane);
            let (old, new) = (Panel::load(s, self.old.add(lane)), Panel::load(s, self.new.add(lane)));
            let scale = S::Panel::splat(s, *self.row_scales.add(row)).mul(s, new);
            let sums = sums.add(s, Panel::splat(s, *self.row_offsets.add(row)));
            sums.mul_add(s, scale, S::Panel::load(s, out).mul(s, old)).store(s, out);
        }
    }
}

/// Multiplies `rows` rows with `panels` panels, at most three.
///
/// # Safety
/// They exist, and the places that `finish` writes.
pub(super) unsafe fn multiply<D: Dots, F: Finish<D::Simd>>(
    operands: &Operands<D>,
    finish: &F,
    rows: usize,
    panels: usize,
) {
    let mut panel = 0;
    while panel < panels {
        let wide = if D::TILE.panels == 1 { 1 } else { panels - panel };
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
/// The panels exist, `panel_stride` bytes apart, with `steps` steps each.
pub(super) unsafe fn add_up<D: Dots>(
    d: D,
    first: *const i8,
    panel_stride: usize,
    panels: usize,
    steps: usize,
    sums: &mut [f32; LANES],
) {
    for (panel, sums) in sums.chunks_exact_mut(PANEL).take(panels).enumerate() {
        // SAFETY: the caller's promise; `sums` has room for a panel.
        unsafe { d.enter(Bytes { d, panel: first.add(panel * panel_stride), steps, sums }) };
    }
}

/// One panel, whose bytes are to be added up. To run it, the panel must have its steps.
struct Bytes<'a, D> {
    d: D,
    panel: *const i8,
    steps: usize,
    sums: &'a mut [f32],
}

impl<D: Dots> Task for Bytes<'_, D> {
    #[inline(always)]
    unsafe fn run(self) {
        const CHAINS: usize = 4;
        let d = self.d;
        // SAFETY: the panel has its steps, by the caller's promise.
        unsafe {
            let ones = d.inputs([D::ONE; STEP]);
            let mut chains = [d.start(&[0; PANEL]); CHAINS];
            let whole = self.steps - self.steps % CHAINS;
            for step in (0..whole).step_by(CHAINS) {
                for (i, chain) in chains.iter_mut().enumerate() {
                    *chain = d.add(*chain, ones, d.weights(&*self.panel.add((step + i) * LINE).cast()));
                }
            }
            let [mut first, second, third, fourth] = chains;
            for step in whole..self.steps {
                first = d.add(first, ones, d.weights(&*self.panel.add(step * LINE).cast()));
            }
            let sums = d.join(d.join(first, second), d.join(third, fourth));
            d.finish(sums).store(d.simd(), self.sums.as_mut_ptr());
        }
    }
}

/// # Safety
/// As for [`multiply`].
unsafe fn all_rows<D: Dots, F: Finish<D::Simd>, const P: usize>(
    operands: &Operands<D>,
    finish: &F,
    rows: usize,
    panel: usize,
) {
    const { assert!(D::TILE.rows <= 8) };
    let mut row = 0;
    while row < rows {
        // As many tiles as the registers hold, then what is left.
        let left = rows - row;
        let m = left.min(D::TILE.rows);
        let end = row + left / m * m;
        // SAFETY: the caller's promise.
        unsafe {
            match m {
                1 => operands.d.enter(Tile::<D, F, 1, P> { operands, finish, row, end, panel }),
                2 => operands.d.enter(Tile::<D, F, 2, P> { operands, finish, row, end, panel }),
                3 => operands.d.enter(Tile::<D, F, 3, P> { operands, finish, row, end, panel }),
                4 => operands.d.enter(Tile::<D, F, 4, P> { operands, finish, row, end, panel }),
                5 => operands.d.enter(Tile::<D, F, 5, P> { operands, finish, row, end, panel }),
                6 => operands.d.enter(Tile::<D, F, 6, P> { operands, finish, row, end, panel }),
                7 => operands.d.enter(Tile::<D, F, 7, P> { operands, finish, row, end, panel }),
                _ => operands.d.enter(Tile::<D, F, 8, P> { operands, finish, row, end, panel }),
            }
        }
        row = end;
    }
}

/// Tiles of `M` rows, from `row` to `end`, a multiple of `M` apart, and `P` panels. To run it, they must exist, and the places
/// that `finish` writes.
struct Tile<'a, D, F, const M: usize, const P: usize> {
    operands: &'a Operands<D>,
    finish: &'a F,
    row: usize,
    end: usize,
    panel: usize,
}

impl<D: Dots, F: Finish<D::Simd>, const M: usize, const P: usize> Task for Tile<'_, D, F, M, P> {
    #[inline(always)]
    unsafe fn run(self) {
        let Tile { operands, finish, row, end, panel } = self;
        let Operands { d, rows, row_stride, step_stride, panels, panel_stride, steps, corrections } =
            *operands;
        // SAFETY: the rows and panels exist, by the caller's promise.
        unsafe {
            let start: [D::Sums; P] =
                std::array::from_fn(|p| d.start(&*corrections.add((panel + p) * PANEL).cast()));
            let w: [*const i8; P] = std::array::from_fn(|p| panels.add((panel + p) * panel_stride));
            for row in (row..end).step_by(M) {
                let a: [*const u8; M] = std::array::from_fn(|m| rows.add((row + m) * row_stride));
                let mut sums = [start; M];
                for step in 0..steps {
                    let w: [D::Weights; P] =
                        std::array::from_fn(|p| d.weights(&*w[p].add(step * LINE).cast()));
                    for m in 0..M {
                        let a = d.inputs(*a[m].add(step * step_stride).cast());
                        for p in 0..P {
                            sums[m][p] = d.add(sums[m][p], a, w[p]);
                        }
                    }
                }
                for (m, sums) in sums.iter().enumerate() {
                    for (p, &sums) in sums.iter().enumerate() {
                        finish.put(d.simd(), row + m, (panel + p) * PANEL, d.finish(sums));
                    }
                }
            }
        }
    }
}
