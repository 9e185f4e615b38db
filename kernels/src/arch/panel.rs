//! Panels: sixteen `f32` side by side, the one size that the tiles of products are written in.

use super::simd::Simd;

/// Outputs in one panel of packed weights. One cache line of f32, one AVX-512 register. The same for every
/// instruction set, so that a packed file fits all of them.
pub const PANEL: usize = 16;
/// Inputs of one step of a product of bytes: as many products go into one 32-bit sum at once.
pub(crate) const STEP: usize = 4;
/// Weights of one step of one panel, and bytes of a cache line.
pub(crate) const LINE: usize = PANEL * STEP;

/// How much of a product fits into the registers at once.
pub(crate) struct TileShape {
    /// Rows of the tile that fills the registers, at most 8.
    pub rows: usize,
    /// Panels of that tile: 1 or 3.
    pub panels: usize,
    /// Panels of a tile of few rows, as many as fit beside them: 1, 3 or 6.
    pub panels_of_few: usize,
}

/// An instruction set with panels.
pub(crate) trait Panels: Simd {
    /// A panel.
    type Panel: Panel<Self>;
    /// What its registers hold.
    const TILE: TileShape;
}

/// Sixteen lanes: as many vectors of one instruction set as that takes.
///
/// # Safety
/// It holds, reads and writes sixteen values.
pub(crate) unsafe trait Panel<S: Simd>: Copy {
    /// Fails to compile where it would not be sixteen.
    const IS_SIXTEEN: ();
    /// All lanes `x`.
    fn splat(s: S, x: f32) -> Self;
    /// Reads sixteen values.
    ///
    /// # Safety
    /// They must be readable.
    unsafe fn load(s: S, from: *const f32) -> Self;
    /// Reads the first `n <= 16` values; the other lanes are zero, and their memory is not touched.
    ///
    /// # Safety
    /// `n` values must be readable.
    unsafe fn load_first(s: S, from: *const f32, n: usize) -> Self;
    /// Writes sixteen values.
    ///
    /// # Safety
    /// They must be writable.
    unsafe fn store(self, s: S, to: *mut f32);
    /// Writes the first `n <= 16` lanes; the memory of the others is not touched.
    ///
    /// # Safety
    /// `n` values must be writable.
    unsafe fn store_first(self, s: S, to: *mut f32, n: usize);
    /// `self + other`.
    fn add(self, s: S, other: Self) -> Self;
    /// `self * other`.
    fn mul(self, s: S, other: Self) -> Self;
    /// `self * a + b`, rounded once where the instruction set can.
    fn mul_add(self, s: S, a: Self, b: Self) -> Self;
}

// SAFETY: the constant is read by every method that touches memory.
unsafe impl<S: Simd, const N: usize> Panel<S> for [S::F; N] {
    const IS_SIXTEEN: () = assert!(N * S::LANES == PANEL);

    #[inline(always)]
    fn splat(s: S, x: f32) -> Self {
        [s.splat(x); N]
    }
    #[inline(always)]
    unsafe fn load(s: S, from: *const f32) -> Self {
        let () = <Self as Panel<S>>::IS_SIXTEEN;
        // SAFETY: the caller's promise: `N` vectors are sixteen values.
        std::array::from_fn(|i| unsafe { s.load_ptr(from.add(i * S::LANES)) })
    }
    #[inline(always)]
    unsafe fn load_first(s: S, from: *const f32, n: usize) -> Self {
        let () = <Self as Panel<S>>::IS_SIXTEEN;
        std::array::from_fn(|i| {
            let mask = s.first(n.saturating_sub(i * S::LANES));
            // SAFETY: the caller's promise; the mask holds no lane from `n` on.
            unsafe { s.load_masked(from.wrapping_add(i * S::LANES), mask) }
        })
    }
    #[inline(always)]
    unsafe fn store(self, s: S, to: *mut f32) {
        let () = <Self as Panel<S>>::IS_SIXTEEN;
        for (i, v) in self.into_iter().enumerate() {
            // SAFETY: the caller's promise: `N` vectors are sixteen values.
            unsafe { s.store_ptr(to.add(i * S::LANES), v) }
        }
    }
    #[inline(always)]
    unsafe fn store_first(self, s: S, to: *mut f32, n: usize) {
        let () = <Self as Panel<S>>::IS_SIXTEEN;
        for (i, v) in self.into_iter().enumerate() {
            let mask = s.first(n.saturating_sub(i * S::LANES));
            // SAFETY: the caller's promise; the mask holds no lane from `n` on.
            unsafe { s.store_masked(to.wrapping_add(i * S::LANES), v, mask) }
        }
    }
    #[inline(always)]
    fn add(self, s: S, other: Self) -> Self {
        std::array::from_fn(|i| s.add(self[i], other[i]))
    }
    #[inline(always)]
    fn mul(self, s: S, other: Self) -> Self {
        std::array::from_fn(|i| s.mul(self[i], other[i]))
    }
    #[inline(always)]
    fn mul_add(self, s: S, a: Self, b: Self) -> Self {
        std::array::from_fn(|i| s.mul_add(self[i], a[i], b[i]))
    }
}
