//! What caches hold.

use crate::arch::simd::Simd;

/// A number that a vector of `f32` can be read from.
pub(crate) trait Element: Copy {
    /// Reads a vector.
    ///
    /// # Safety
    /// As many elements as the vector has lanes must be readable.
    unsafe fn load<S: Simd>(s: S, from: *const Self) -> S::F;
    /// Reads the first `n` lanes, which are those of `mask`; the others are zero.
    ///
    /// # Safety
    /// `n` elements, at most as many as the vector has lanes, must be readable.
    unsafe fn load_first<S: Simd>(s: S, from: *const Self, mask: S::M, n: usize) -> S::F;
}

impl Element for f32 {
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const f32) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { s.load_ptr(from) }
    }
    #[inline(always)]
    unsafe fn load_first<S: Simd>(s: S, from: *const f32, mask: S::M, _: usize) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { s.load_masked(from, mask) }
    }
}

/// The bits of a binary16 number.
impl Element for u16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const u16) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { s.load_f16_ptr(from) }
    }
    #[inline(always)]
    unsafe fn load_first<S: Simd>(s: S, from: *const u16, _: S::M, n: usize) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { s.load_f16_partial(from, n) }
    }
}
