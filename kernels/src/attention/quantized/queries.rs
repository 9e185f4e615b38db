//! Queries to the lanes of a tile, and what was found for them back to rows.

use super::columns::{LANES, ROUNDER};
use super::turn::{largest_of_columns, to_columns, to_rows};
use super::{MAX_HEAD, STEP, Shape, Tile};
use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::gemm::PANEL;
use crate::gemm::quantize::factors_and_scales;
use crate::rows::{Rows, RowsMut};

instruction_sets! {
    pub(super) fn take(tile: &mut Tile, q: Rows<'_>, shape: Shape, scale: f32) = take_queries;

    pub(super) fn give(tile: &mut Tile, out: RowsMut<'_>, head_dim: usize) = give_results;
}

/// Puts the queries of one head, rows of at least `head_dim` elements, into the first lanes.
#[inline(always)]
fn take_queries<S: Simd>(s: S, tile: &mut Tile, q: Rows<'_>, shape: Shape, scale: f32) {
    assert!(q.count <= LANES && q.fits(shape.head_dim));
    let steps = shape.key_bytes() / STEP;
    for lane in (0..q.count).step_by(S::LANES) {
        let count = S::LANES.min(q.count - lane);
        to_columns(s, q.range(lane, count), shape.head_dim, &mut tile.turned);
        let scales = &mut tile.query_scales[lane..][..S::LANES];
        let factor = factors_and_scales(s, largest_of_columns(s, &tile.turned, shape.head_dim), scales);
        // Scores are kept as powers of two.
        let of_scores = s.mul(s.mul(s.load(scales), s.splat(scale)), s.splat(std::f32::consts::LOG2_E));
        s.store(scales, of_scores);

        let mut total = s.splat(0.0);
        let panel = lane / PANEL * PANEL * steps + lane % PANEL;
        for step in 0..steps {
            let mut bytes = [s.splat(0.0); STEP];
            for (j, bytes) in bytes.iter_mut().enumerate() {
                let x = s.load(&tile.turned[(step * STEP + j) * S::LANES..]);
                *bytes = s.add(s.mul(x, factor), s.splat(ROUNDER));
                total = s.add(total, s.sub(*bytes, s.splat(ROUNDER)));
            }
            s.store_lowest_bytes(&mut tile.queries[(panel + step * PANEL) * STEP..], bytes);
        }
        let mut totals = [0.0; PANEL];
        s.store(&mut totals, total);
        for (correction, total) in tile.query_corrections[lane..][..S::LANES].iter_mut().zip(totals) {
            *correction = -128 * total as i32;
        }
    }
}

/// Writes the results of the first lanes to rows of at least `head_dim` elements.
#[inline(always)]
fn give_results<S: Simd>(s: S, tile: &mut Tile, out: RowsMut<'_>, head_dim: usize) {
    assert!(out.count <= LANES && out.fits(head_dim) && head_dim <= MAX_HEAD);
    for lane in (0..out.count).step_by(S::LANES) {
        let count = S::LANES.min(out.count - lane);
        let mut inverse = [0.0; PANEL];
        for (inverse, &total) in inverse.iter_mut().zip(&tile.columns.total[lane..][..S::LANES]) {
            // Without any key both are zero.
            *inverse = if total == 0.0 { 0.0 } else { 1.0 / total };
        }
        let inverse = s.load(&inverse);
        for (turned, sums) in
            tile.turned.chunks_exact_mut(S::LANES).zip(tile.sums.chunks_exact(LANES)).take(head_dim)
        {
            s.store(turned, s.mul(s.load(&sums[lane..]), inverse));
        }
        let rows = RowsMut::new(&mut out.data[lane * out.stride..], out.stride, count);
        to_rows(s, &tile.turned, head_dim, rows);
    }
}
