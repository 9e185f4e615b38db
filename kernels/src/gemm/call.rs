//! A checked call of a product, and the functions that take it, one for each instruction set.

use super::drive::Output;
use super::epilogue::Epilogue;
use crate::rows::RowsMut;
use crate::table::Table;

/// Arguments whose shapes agree.
pub struct Call<'a, A, W> {
    pub(super) a: A,
    pub(super) w: W,
    pub(super) output: Output<'a>,
}

impl<'a, A, W> Call<'a, A, W> {
    /// `a` with its row count, `w` with its outputs.
    ///
    /// # Panics
    /// If the row counts differ, output rows overlap or lie outside their slice, or the bias does not have
    /// one value for each output.
    pub(super) fn new(
        table: &Table,
        (a, rows): (A, usize),
        (w, outputs): (W, usize),
        epilogue: &Epilogue<'a>,
        out: RowsMut<'a>,
    ) -> Self {
        assert_eq!(rows, out.count, "as many output rows as input rows");
        assert!(out.fits(outputs), "output rows overlap or lie outside their slice");
        let finish = epilogue.resolve(table, outputs);
        let RowsMut { data, stride, count: rows } = out;
        Self { a, w, output: Output { data: data.as_mut_ptr(), stride, rows, outputs, finish } }
    }
}

/// `instruction_sets!(run: A, W)` names the generic `run::<L>(Call<A, W>)` for every instruction set of
/// the target, as constants of a type `Function` that only this crate can call;
/// `instruction_sets!(dots run: A, W)` those of the 8-bit dot product too.
macro_rules! instruction_sets {
    ($run:ident: $a:ty, $w:ty) => {
        /// The product for one instruction set.
        #[derive(Clone, Copy)]
        pub struct Function(fn(Call<'_, $a, $w>));

        instruction_sets!(one SCALAR, Scalar, $run: $a, $w);
        #[cfg(target_arch = "x86_64")]
        instruction_sets!(one AVX2, Avx2, $run: $a, $w);
        #[cfg(target_arch = "x86_64")]
        instruction_sets!(one AVX512, Avx512, $run: $a, $w);
        #[cfg(target_arch = "aarch64")]
        instruction_sets!(one NEON, Neon, $run: $a, $w);
    };
    (dots $run:ident: $a:ty, $w:ty) => {
        instruction_sets!($run: $a, $w);
        #[cfg(target_arch = "x86_64")]
        instruction_sets!(one AVX_VNNI, AvxVnni, $run: $a, $w);
        #[cfg(target_arch = "aarch64")]
        instruction_sets!(one NEON_DOT, NeonDot, $run: $a, $w);

        /// AVX2, with the dot product where the machine has it: the sums are exact either way.
        #[cfg(target_arch = "x86_64")]
        pub(super) const BEST_AVX2: Function = Function(|call| {
            if is_x86_feature_detected!("avxvnni") { AVX_VNNI.0(call) } else { AVX2.0(call) }
        });

        /// NEON, with the dot product where the machine has it: the sums are exact either way.
        #[cfg(target_arch = "aarch64")]
        pub(super) const BEST_NEON: Function = Function(|call| {
            if std::arch::is_aarch64_feature_detected!("dotprod") { NEON_DOT.0(call) } else { NEON.0(call) }
        });
    };
    (one $name:ident, $lanes:ident, $run:ident: $a:ty, $w:ty) => {
        // SAFETY: a table is only given out where its instruction set is available.
        pub(super) const $name: Function = Function(|call| unsafe { $run::<lanes::$lanes>(call) });
    };
}
pub(super) use instruction_sets;
