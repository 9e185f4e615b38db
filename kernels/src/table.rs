//! The table of functions for one instruction set, chosen once per process.

use crate::argmax;
use crate::gemm;
use crate::isa::{self, Isa};
use std::sync::OnceLock;

/// One function per operation, all for the same instruction set.
///
/// A table can only be had for an instruction set that the machine has, so its functions are safe to call.
pub struct Table {
    /// The instruction set of these functions.
    pub isa: Isa,
    /// See [`argmax::argmax`].
    pub argmax: fn(&[f32]) -> Option<usize>,
    /// See [`gemm`].
    pub gemm: gemm::Functions,
}

static SCALAR: Table = Table { isa: Isa::Scalar, argmax: argmax::scalar, gemm: gemm::SCALAR };
#[cfg(target_arch = "x86_64")]
static AVX2: Table = Table { isa: Isa::Avx2, argmax: argmax::scalar, gemm: gemm::AVX2 };
#[cfg(target_arch = "x86_64")]
static AVX512: Table = Table { isa: Isa::Avx512, argmax: argmax::scalar, gemm: gemm::AVX512 };
#[cfg(target_arch = "aarch64")]
static NEON: Table = Table { isa: Isa::Neon, argmax: argmax::scalar, gemm: gemm::NEON };

impl Table {
    /// The table for `isa`, or nothing if this machine cannot run it.
    pub fn new(isa: Isa) -> Option<&'static Table> {
        isa.is_available().then_some(match isa {
            Isa::Scalar => &SCALAR,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &AVX2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &AVX512,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => &NEON,
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => &SCALAR,
            #[cfg(not(target_arch = "aarch64"))]
            Isa::Neon => &SCALAR,
        })
    }

    /// The table of the process-wide instruction set ([`isa::active`]).
    #[inline]
    pub fn active() -> &'static Table {
        static ACTIVE: OnceLock<&'static Table> = OnceLock::new();
        ACTIVE.get_or_init(|| Table::new(isa::active()).unwrap_or(&SCALAR))
    }
}
