//! Plain Rust: an array that the compiler vectorizes for the target's baseline.

use super::{Dots, Lanes, Task};

#[derive(Clone, Copy)]
pub(crate) struct Scalar([f32; 16]);

impl Lanes for Scalar {
    const TILE_ROWS: usize = 2;
    const TILE_PANELS: usize = 1;
    const TILE_PANELS_OF_FEW: usize = 1;

    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 16])
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller gives sixteen readable values; an array of f32 read unaligned has no other need.
        Self(unsafe { p.cast::<[f32; 16]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> Self {
        let mut lanes = [0.0; 16];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: the caller gives `n` readable values and `i < n`.
            *lane = unsafe { p.add(i).read_unaligned() };
        }
        Self(lanes)
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller gives sixteen writable values.
        unsafe { p.cast::<[f32; 16]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize) {
        for (i, &lane) in self.0.iter().enumerate().take(n) {
            // SAFETY: the caller gives `n` writable values and `i < n`.
            unsafe { p.add(i).write_unaligned(lane) };
        }
    }

    #[inline(always)]
    unsafe fn prefetch<T>(_: *const T) {}

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }

    // Not `f32::mul_add`: without an FMA instruction that is a slow library call.
    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
    }
}

impl Dots for Scalar {
    type Lanes = Self;
    type Sums = [i32; 16];
    type Weights = [[i8; 4]; 16];
    type Inputs = [u8; 4];
    const TILE_ROWS: usize = 2;
    const TILE_PANELS: usize = 1;
    const TILE_PANELS_OF_FEW: usize = 1;
    const ROWS_OF_CHAINS: usize = 0;

    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn start(corrections: *const i32) -> [i32; 16] {
        // SAFETY: the trait's contract: sixteen values.
        unsafe { corrections.cast::<[i32; 16]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn weights(p: *const i8) -> [[i8; 4]; 16] {
        // SAFETY: the trait's contract: 64 weights.
        unsafe { p.cast::<[[i8; 4]; 16]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn inputs(p: *const u8) -> [u8; 4] {
        // SAFETY: the trait's contract: four inputs.
        unsafe { p.cast::<[u8; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn add(sums: [i32; 16], a: [u8; 4], w: [[i8; 4]; 16]) -> [i32; 16] {
        let dot = |w: [i8; 4]| (0..4).map(|j| i32::from(a[j]) * i32::from(w[j])).sum::<i32>();
        std::array::from_fn(|i| sums[i] + dot(w[i]))
    }

    #[inline(always)]
    unsafe fn join(a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn finish(sums: [i32; 16]) -> Self {
        Self(sums.map(|sum| sum as f32))
    }
}
