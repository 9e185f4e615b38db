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

/// `instruction_sets!(run: A, W)` compiles the generic `run::<L>(Call<A, W>)` for every instruction set of
/// the target, as constants of a type `Function` that only this crate can call.
macro_rules! instruction_sets {
    ($run:ident: $a:ty, $w:ty) => {
        /// The product for one instruction set.
        #[derive(Clone, Copy)]
        pub struct Function(fn(Call<'_, $a, $w>));

        pub(super) const SCALAR: Function = Function(|call| {
            // SAFETY: plain Rust needs no instruction set.
            unsafe { $run::<lanes::Scalar>(call) }
        });
        #[cfg(target_arch = "x86_64")]
        instruction_sets!(one AVX2, Avx2, "avx2,fma", $run: $a, $w);
        #[cfg(target_arch = "x86_64")]
        instruction_sets!(one AVX512, Avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni", $run: $a, $w);
        #[cfg(target_arch = "aarch64")]
        instruction_sets!(one NEON, Neon, "neon", $run: $a, $w);
    };
    (one $name:ident, $lanes:ident, $features:literal, $run:ident: $a:ty, $w:ty) => {
        pub(super) const $name: Function = {
            #[target_feature(enable = $features)]
            unsafe fn enabled(call: Call<'_, $a, $w>) {
                // SAFETY: the features are enabled here.
                unsafe { $run::<lanes::$lanes>(call) }
            }
            // SAFETY: a table is only given out where its instruction set is available.
            Function(|call| unsafe { enabled(call) })
        };
    };
}
pub(super) use instruction_sets;
