//! Vectors of `f32` for kernels that are written once and compiled for each instruction set.
//!
//! A kernel is an `#[inline(always)]` function over `s: impl Simd`, a target; [`super::dispatch`] compiles it once per instruction
//! set. A target is a value that can only be made where its instructions may run, which is what makes the arithmetic on it safe.

use super::target::Target;

/// The bits of the square root of a half: what [`Simd::split_exponent`] counts exponents from.
pub(super) const ROOT_BITS: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();

/// The arithmetic of an instruction set on vectors of `f32`.
///
/// Every method is `#[inline(always)]`, because only inlined into a function that enables the instruction
/// set does it become the one instruction it stands for.
pub(crate) trait Simd: Target {
    /// Lanes of one vector.
    const LANES: usize;
    /// Vector registers of the instruction set: kernels choose their register tiles by it.
    const REGISTERS: usize;
    /// Whether [`mul_add`](Simd::mul_add) rounds once.
    const FUSES: bool;
    /// A vector of `f32`.
    type F: Copy;
    /// One bit per lane.
    type M: Copy;

    /// Asks for the cache line at `from`, which may be any address, in the second-level cache.
    fn prefetch(self, from: *const u8);
    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F;
    /// Reads a vector.
    ///
    /// # Safety
    /// `LANES` elements from `from` on must be readable.
    unsafe fn load_ptr(self, from: *const f32) -> Self::F;
    /// Reads the lanes of `mask`; the others are zero, and their memory is not touched.
    ///
    /// # Safety
    /// The elements under the mask must be readable.
    unsafe fn load_masked(self, from: *const f32, mask: Self::M) -> Self::F;
    /// Writes a vector.
    ///
    /// # Safety
    /// `LANES` elements from `to` on must be writable.
    unsafe fn store_ptr(self, to: *mut f32, v: Self::F);
    /// Writes the lanes of `mask`; the memory of the others is not touched.
    ///
    /// # Safety
    /// The elements under the mask must be writable.
    unsafe fn store_masked(self, to: *mut f32, v: Self::F, mask: Self::M);
    /// Reads a vector of binary16 numbers.
    ///
    /// # Safety
    /// `LANES` elements from `from` on must be readable.
    unsafe fn load_f16_ptr(self, from: *const u16) -> Self::F;
    /// Reads the first `n` lanes of binary16 numbers; the others are zero, and their memory is not touched.
    ///
    /// # Safety
    /// `n` elements from `from` on must be readable, at most `LANES`.
    unsafe fn load_f16_partial(self, from: *const u16, n: usize) -> Self::F;
    /// Writes a vector as binary16 numbers, rounded to nearest, ties to even.
    ///
    /// # Safety
    /// `LANES` elements from `to` on must be writable.
    unsafe fn store_f16_ptr(self, to: *mut u16, v: Self::F);
    /// The mask of the first `n` lanes (all of them if `n >= LANES`).
    fn first(self, n: usize) -> Self::M;
    /// `a + b`.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`.
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once where the instruction set can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `if a > b { a } else { b }`: `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `if a < b { a } else { b }`: `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The larger of `a` and the magnitude of `b`, where no lane of `a` has a sign; NaN and then infinity are larger than
    /// all numbers.
    fn larger_magnitude(self, a: Self::F, b: Self::F) -> Self::F;
    /// The largest lane, where none has a sign; NaN and then infinity are larger than all numbers.
    fn largest_magnitude(self, a: Self::F) -> f32;
    /// The nearest integer, ties to even.
    fn round(self, a: Self::F) -> Self::F;
    /// `a * 2^n` for integral `n` of -160 to 127 and `a` of 0.5 to 2. Results below the smallest normal
    /// number may be zero; for `n` of -152 or less they are.
    fn scale_by_power(self, a: Self::F, n: Self::F) -> Self::F;
    /// Exponents for [`Simd::scale_by_power`], and rests of 0 to 1 above them, that add up to `a <= 0`. Where `a` is below
    /// -152, negative infinity included, the exponent makes zero of everything; where it is NaN, so are both.
    #[inline(always)]
    fn split_negative(self, a: Self::F) -> (Self::F, Self::F) {
        // The bound comes first: where `a` is NaN, the second operand is the result.
        let a = self.max(self.splat(-152.0), a);
        let below = self.round(self.sub(a, self.splat(0.5)));
        (below, self.sub(a, below))
    }
    /// Mantissas of about 0.707 to 1.414 and exponents, so that `a = mantissa * 2^exponent`, for positive normal `a`.
    fn split_exponent(self, a: Self::F) -> (Self::F, Self::F);
    /// `a` where the mask is set, `b` elsewhere.
    fn select(self, mask: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// The lanes where `a` is greater than `b`.
    fn greater(self, a: Self::F, b: Self::F) -> Self::M;
    /// Whether any lane of `a` is greater than that of `b`.
    fn any_greater(self, a: Self::F, b: Self::F) -> bool;
    /// Writes the lowest byte of each lane's bits, those of one lane side by side: lane 0 of the four vectors,
    /// then lane 1, and so on.
    ///
    /// # Safety
    /// `4 * LANES` bytes from `to` on must be writable.
    unsafe fn store_lowest_bytes_ptr(self, to: *mut u8, v: [Self::F; 4]);
    /// Writes the lowest byte of each of the first `n` lanes' bits, side by side.
    ///
    /// # Safety
    /// `n` bytes from `to` on must be writable, at most `LANES`.
    unsafe fn store_bytes_ptr(self, to: *mut u8, v: Self::F, n: usize);
    /// Writes the transpose of a square of `LANES` rows of `LANES` elements; strides are in elements.
    ///
    /// # Safety
    /// All rows of both squares must be readable and writable.
    unsafe fn transpose_square(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);
    /// Entries of a table of 256: those at the lowest byte of the nearest integer to each lane, of 0 to 2^22.
    #[inline(always)]
    fn look_up(self, table: &[f32; 256], index: Self::F) -> Self::F {
        let (mut bytes, mut values) = ([0; 16], [0.0; 16]);
        self.store_bytes(&mut bytes[..Self::LANES], self.add(index, self.splat(8_388_608.0)));
        for (value, byte) in values.iter_mut().zip(bytes) {
            *value = table[usize::from(byte)];
        }
        self.load(&values)
    }
    /// The sum of all lanes, added pairwise (half onto half).
    fn sum(self, a: Self::F) -> f32;
    /// The largest lane. NaN may be missed.
    fn max_lane(self, a: Self::F) -> f32;

    /// [`Simd::transpose_square`] from and to the start of slices.
    #[inline(always)]
    fn transpose(self, from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
        let fits = |len: usize, stride: usize| {
            len >= Self::LANES && (len - Self::LANES) / (Self::LANES - 1) >= stride
        };
        assert!(fits(from.len(), from_stride) && fits(to.len(), to_stride), "squares inside their slices");
        // SAFETY: just checked.
        unsafe { self.transpose_square(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride) }
    }

    /// Reads the first `LANES` elements of `x`.
    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::F {
        assert!(x.len() >= Self::LANES);
        // SAFETY: just checked.
        unsafe { self.load_ptr(x.as_ptr()) }
    }

    /// Writes the first `LANES` elements of `x`.
    #[inline(always)]
    fn store(self, x: &mut [f32], v: Self::F) {
        assert!(x.len() >= Self::LANES);
        // SAFETY: just checked.
        unsafe { self.store_ptr(x.as_mut_ptr(), v) }
    }

    /// [`Simd::store_lowest_bytes_ptr`] to the first `4 * LANES` bytes of `x`.
    #[inline(always)]
    fn store_lowest_bytes(self, x: &mut [u8], v: [Self::F; 4]) {
        assert!(x.len() >= 4 * Self::LANES);
        // SAFETY: just checked.
        unsafe { self.store_lowest_bytes_ptr(x.as_mut_ptr(), v) }
    }

    /// Writes the lowest bytes of as many lanes as fit into `x`.
    #[inline(always)]
    fn store_bytes(self, x: &mut [u8], v: Self::F) {
        // SAFETY: no more bytes than `x` has.
        unsafe { self.store_bytes_ptr(x.as_mut_ptr(), v, x.len().min(Self::LANES)) }
    }

    /// Reads `x`, at most `LANES` elements; the lanes after its end are zero.
    #[inline(always)]
    fn load_partial(self, x: &[f32]) -> Self::F {
        // SAFETY: the mask holds no lane after the end of `x`.
        unsafe { self.load_masked(x.as_ptr(), self.first(x.len())) }
    }

    /// Writes the lanes that fit into `x`.
    #[inline(always)]
    fn store_partial(self, x: &mut [f32], v: Self::F) {
        // SAFETY: the mask holds no lane after the end of `x`.
        unsafe { self.store_masked(x.as_mut_ptr(), v, self.first(x.len())) }
    }

    /// The polynomial with these coefficients, constant first.
    #[inline(always)]
    fn polynomial<const N: usize>(self, x: Self::F, coefficients: [f32; N]) -> Self::F {
        let mut y = self.splat(coefficients[N - 1]);
        for &c in coefficients[..N - 1].iter().rev() {
            y = self.mul_add(y, x, self.splat(c));
        }
        y
    }
}
