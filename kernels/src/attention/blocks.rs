//! One tile of queries of one head against all the keys they see.

use super::{Element, Visible};
use crate::arch::simd::Simd;
use crate::math;

/// Keys between two corrections of the running maximum: enough that the corrections cost nothing, few enough
/// that the scores of a tile of queries stay in the first-level cache. Blocks start at its multiples.
pub(super) const BLOCK: usize = 512;

/// Sums of weighted values that keys take turns at.
const CHAINS: usize = 2;

/// One head of the caches.
#[derive(Clone, Copy)]
pub(super) struct Head<E> {
    /// `[head_dim][capacity]`.
    pub keys: *const E,
    /// `[capacity][head_dim]`.
    pub values: *const E,
    pub head_dim: usize,
    pub capacity: usize,
    pub scale: f32,
}

/// The rows that one tile reads and writes.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub q: *const f32,
    pub q_stride: usize,
    pub out: *mut f32,
    pub out_stride: usize,
    pub visible: Visible,
    /// The tile's first query, as a number within the call.
    pub first_query: usize,
}

/// Scores, then weights, of one block of keys.
#[repr(align(64))]
pub(super) struct Scores<const Q: usize>(pub(super) [[f32; BLOCK]; Q]);

/// Attention of `Q` queries; `V` vectors of keys are multiplied at once. Returns `Q`.
///
/// # Safety
/// The `Q` rows of `head_dim` elements that `tile` names must be readable and writable, the caches must have
/// the size of their shape, and no query may see more keys than the capacity, a multiple of the lanes.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, E: Element, const Q: usize, const V: usize>(
    s: S,
    head: &Head<E>,
    tile: Tile,
) -> usize {
    let mut scores = Scores([[0.0; BLOCK]; Q]);
    let mut peak = [f32::NEG_INFINITY; Q];
    let mut total = [0.0f32; Q];
    let visible: [usize; Q] = std::array::from_fn(|i| tile.visible.keys(tile.first_query + i));
    for i in 0..Q {
        // SAFETY: row i of the output.
        unsafe { tile.out.add(i * tile.out_stride).write_bytes(0, head.head_dim) };
    }

    let mut start = 0;
    while start < visible[Q - 1] {
        // Later queries see at least as many keys.
        let seen: [usize; Q] = std::array::from_fn(|i| visible[i].saturating_sub(start).min(BLOCK));
        // SAFETY: the vectors that hold the seen keys lie within the capacity, a multiple of the lanes.
        unsafe {
            multiply_keys::<S, E, Q, V>(s, head, &tile, start, seen[Q - 1].div_ceil(S::LANES), &mut scores)
        };
        let mut factor = [1.0; Q];
        for i in 0..Q {
            if seen[i] > 0 {
                let row = &mut scores.0[i][..seen[i].next_multiple_of(S::LANES)];
                factor[i] = weigh(s, row, seen[i], head.scale, &mut peak[i], &mut total[i]);
            }
        }
        // SAFETY: the seen keys lie within the capacity.
        unsafe { add_values(s, head, &tile, start, &seen, &factor, &scores) };
        start += BLOCK;
    }

    for i in 0..Q {
        if visible[i] > 0 {
            // SAFETY: row i of the output.
            let row =
                unsafe { std::slice::from_raw_parts_mut(tile.out.add(i * tile.out_stride), head.head_dim) };
            let inverse = 1.0 / total[i];
            for x in row {
                *x *= inverse;
            }
        }
    }
    Q
}

/// The products of the queries with `vectors` vectors of keys from `start` on.
///
/// # Safety
/// As for [`tile`]; the keys must lie within the capacity.
#[inline(always)]
pub(super) unsafe fn multiply_keys<S: Simd, E: Element, const Q: usize, const V: usize>(
    s: S,
    head: &Head<E>,
    tile: &Tile,
    start: usize,
    vectors: usize,
    scores: &mut Scores<Q>,
) {
    let mut v = 0;
    while v + V <= vectors {
        // SAFETY: the caller's promise.
        unsafe { multiply_tile::<S, E, Q, V>(s, head, tile, start, v, scores) };
        v += V;
    }
    if v + 2 <= vectors {
        // SAFETY: the caller's promise.
        unsafe { multiply_tile::<S, E, Q, 2>(s, head, tile, start, v, scores) };
        v += 2;
    }
    while v < vectors {
        // SAFETY: the caller's promise.
        unsafe { multiply_tile::<S, E, Q, 1>(s, head, tile, start, v, scores) };
        v += 1;
    }
}

/// # Safety
/// As for [`multiply_keys`].
#[inline(always)]
unsafe fn multiply_tile<S: Simd, E: Element, const Q: usize, const V: usize>(
    s: S,
    head: &Head<E>,
    tile: &Tile,
    start: usize,
    first_vector: usize,
    scores: &mut Scores<Q>,
) {
    let offset = first_vector * S::LANES;
    let mut sums = [[s.splat(0.0); V]; Q];
    // SAFETY: the tile's keys and queries, by the caller's promise.
    unsafe {
        let mut keys = head.keys.add(start + offset);
        for d in 0..head.head_dim {
            let mut k = [s.splat(0.0); V];
            for (v, k) in k.iter_mut().enumerate() {
                *k = E::load(s, keys.add(v * S::LANES));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let q = s.splat(*tile.q.add(i * tile.q_stride + d));
                for (sum, &k) in sums.iter_mut().zip(&k) {
                    *sum = s.mul_add(q, k, *sum);
                }
            }
            keys = keys.wrapping_add(head.capacity);
        }
    }
    for (row, sums) in scores.0.iter_mut().zip(&sums) {
        for (v, &sum) in sums.iter().enumerate() {
            s.store(&mut row[offset + v * S::LANES..], sum);
        }
    }
}

/// Turns the first `seen` scores into weights `exp(scale * (score - peak))`, the rest into zeros; brings peak and
/// total up to date and returns what the sums so far have to be multiplied by.
#[inline(always)]
fn weigh<S: Simd>(s: S, row: &mut [f32], seen: usize, scale: f32, peak: &mut f32, total: &mut f32) -> f32 {
    let lowest = s.splat(f32::NEG_INFINITY);
    let whole = row.len() - S::LANES;
    let tail = s.first(seen - whole);
    let last = s.select(tail, s.load(&row[whole..]), lowest);
    s.store(&mut row[whole..], last);

    let mut largest = s.splat(*peak);
    for scores in row.chunks_exact(S::LANES) {
        largest = s.max(s.load(scores), largest);
    }
    let new_peak = s.max_lane(largest);

    // exp(scale * x) = 2^(slope * x).
    let slope = scale * std::f32::consts::LOG2_E;
    let (slopes, offset) = (s.splat(slope), s.splat(-new_peak * slope));
    let mut sum = s.splat(0.0);
    for scores in row.chunks_exact_mut(S::LANES) {
        let weight = math::exp2(s, s.mul_add(s.load(scores), slopes, offset));
        sum = s.add(sum, weight);
        s.store(scores, weight);
    }
    // Exactly one where the peak stays.
    let factor = if new_peak == *peak { 1.0 } else { exp2_of_one(s, (*peak - new_peak) * slope) };
    *total = *total * factor + s.sum(sum);
    *peak = new_peak;
    factor
}

/// `2^x` of one number.
#[inline(always)]
fn exp2_of_one<S: Simd>(s: S, x: f32) -> f32 {
    s.max_lane(math::exp2(s, s.splat(x)))
}

/// `out = out * factor + weights · values` for the seen keys from `start` on.
///
/// # Safety
/// As for [`tile`]; the seen keys must lie within the capacity.
#[inline(always)]
unsafe fn add_values<S: Simd, E: Element, const Q: usize>(
    s: S,
    head: &Head<E>,
    tile: &Tile,
    start: usize,
    seen: &[usize; Q],
    factor: &[f32; Q],
    scores: &Scores<Q>,
) {
    let mut d = 0;
    while d < head.head_dim {
        let left = (head.head_dim - d).div_ceil(S::LANES);
        // SAFETY: the caller's promise; the last vector is masked to what is left of the head.
        let vectors = unsafe {
            match left {
                1 => add_tile::<S, E, Q, 1>(s, head, tile, start, seen, factor, scores, d),
                3 if S::REGISTERS > 16 => {
                    add_tile::<S, E, Q, 3>(s, head, tile, start, seen, factor, scores, d)
                }
                4.. if S::REGISTERS > 16 => {
                    add_tile::<S, E, Q, 4>(s, head, tile, start, seen, factor, scores, d)
                }
                _ => add_tile::<S, E, Q, 2>(s, head, tile, start, seen, factor, scores, d),
            }
        };
        d += vectors * S::LANES;
    }
}

/// [`add_values`] for `W` vectors of a head's elements from `d` on. Returns `W`.
///
/// Keys take turns at [`CHAINS`] sums, which are then added: a single query's sums would else wait for each other. So it is
/// for any number of queries, as a query's result must not depend on it; several take one sum after the other, as they fill
/// the registers by themselves.
///
/// # Safety
/// As for [`add_values`].
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "one place calls it; a struct would only rename them")]
#[allow(clippy::needless_range_loop, reason = "the index also selects rows behind pointers")]
unsafe fn add_tile<S: Simd, E: Element, const Q: usize, const W: usize>(
    s: S,
    head: &Head<E>,
    tile: &Tile,
    start: usize,
    seen: &[usize; Q],
    factor: &[f32; Q],
    scores: &Scores<Q>,
    d: usize,
) -> usize {
    // Only the last vector may be cut off by the end of the head.
    let last = (head.head_dim - d - (W - 1) * S::LANES).min(S::LANES);
    let mask = s.first(last);
    let values = head.values.wrapping_add(start * head.head_dim + d);
    // SAFETY: the caller's promise: values of keys within the capacity.
    let value = |j: usize| unsafe { load_values::<S, E, W>(s, values.add(j * head.head_dim), mask, last) };
    // SAFETY: keys that are seen have scores.
    let weight = |i: usize, j: usize| s.splat(unsafe { *scores.0.get_unchecked(i).get_unchecked(j) });
    let mut sums = [[[s.splat(0.0); W]; Q]; CHAINS];
    if Q == 1 {
        let mut j = 0;
        while j + CHAINS <= seen[0] {
            for (chain, sums) in sums.iter_mut().enumerate() {
                add_product(s, weight(0, j + chain), value(j + chain), &mut sums[0]);
            }
            j += CHAINS;
        }
        for (chain, j) in (j..seen[0]).enumerate() {
            add_product(s, weight(0, j), value(j), &mut sums[chain][0]);
        }
    } else {
        for (chain, sums) in sums.iter_mut().enumerate() {
            // The keys that every query sees, then the others; a later query sees at least as many.
            let mut j = chain;
            while j < seen[0] {
                let value = value(j);
                for i in 0..Q {
                    add_product(s, weight(i, j), value, &mut sums[i]);
                }
                j += CHAINS;
            }
            for i in 0..Q {
                for j in (j..seen[i]).step_by(CHAINS) {
                    add_product(s, weight(i, j), value(j), &mut sums[i]);
                }
            }
        }
    }
    for i in 0..Q {
        let factor = s.splat(factor[i]);
        for w in 0..W {
            let sum = s.add(sums[0][i][w], sums[1][i][w]);
            // SAFETY: the caller's promise: rows of the output.
            unsafe {
                let out = tile.out.add(i * tile.out_stride + d + w * S::LANES);
                if w + 1 < W {
                    s.store_ptr(out, s.mul_add(s.load_ptr(out), factor, sum));
                } else {
                    s.store_masked(out, s.mul_add(s.load_masked(out, mask), factor, sum), mask);
                }
            }
        }
    }
    W
}

/// Adds a weighted value.
#[inline(always)]
fn add_product<S: Simd, const W: usize>(s: S, weight: S::F, value: [S::F; W], sums: &mut [S::F; W]) {
    for (sum, value) in sums.iter_mut().zip(value) {
        *sum = s.mul_add(weight, value, *sum);
    }
}

/// `W` vectors of one key's value, the last of which has only the `last` lanes of `mask`.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn load_values<S: Simd, E: Element, const W: usize>(
    s: S,
    from: *const E,
    mask: S::M,
    last: usize,
) -> [S::F; W] {
    let mut v = [s.splat(0.0); W];
    // SAFETY: the caller's promise.
    unsafe {
        for (w, v) in v[..W - 1].iter_mut().enumerate() {
            *v = E::load(s, from.add(w * S::LANES));
        }
        v[W - 1] = E::load_first(s, from.add((W - 1) * S::LANES), mask, last);
    }
    v
}
