//! The table of functions for one instruction set, chosen once per process.

use crate::argmax;
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
}

static SCALAR: Table = Table { isa: Isa::Scalar, argmax: argmax::scalar };

impl Table {
    /// The table for `isa`, or nothing if this machine cannot run it.
    pub fn new(isa: Isa) -> Option<&'static Table> {
        isa.is_available().then_some(match isa {
            Isa::Scalar => &SCALAR,
            _ => &SCALAR,
        })
    }

    /// The table of the process-wide instruction set ([`isa::active`]).
    #[inline]
    pub fn active() -> &'static Table {
        static ACTIVE: OnceLock<&'static Table> = OnceLock::new();
        ACTIVE.get_or_init(|| Table::new(isa::active()).unwrap_or(&SCALAR))
    }
}
