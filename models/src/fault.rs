//! Error bits: OR-ed along from stage to stage and looked at once, where results leave the engine.

use std::ops::{BitOr, BitOrAssign};

/// A set of things that went wrong with a segment. Plain bits, so that stages need no branches for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Faults(u32);

impl Faults {
    /// Nothing went wrong.
    pub const NONE: Faults = Faults(0);
    /// A network's output contained NaN or infinity; the text cannot be trusted.
    pub const NOT_FINITE: Faults = Faults(1);
    /// The segment was longer than the model takes; the rest was dropped.
    pub const TOO_LONG: Faults = Faults(1 << 1);
    /// Decoding stopped at the token limit instead of at an end token.
    pub const TOKEN_LIMIT: Faults = Faults(1 << 2);
    /// The segment holds speech and has no text.
    pub const NO_TEXT: Faults = Faults(1 << 3);
    /// The segment has far less text than so much speech holds.
    pub const LITTLE_TEXT: Faults = Faults(1 << 4);
    /// The network repeated itself; the repetition was removed, and speech may be missing with it.
    pub const REPETITION: Faults = Faults(1 << 5);

    /// Whether no bit is set.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether every bit of `other` is set here.
    pub fn has(self, other: Faults) -> bool {
        self.0 & other.0 == other.0
    }

    /// The raw bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// From raw bits; unknown ones are kept.
    pub fn from_bits(bits: u32) -> Self {
        Faults(bits)
    }
}

impl BitOr for Faults {
    type Output = Faults;
    fn bitor(self, other: Faults) -> Faults {
        Faults(self.0 | other.0)
    }
}

impl BitOrAssign for Faults {
    fn bitor_assign(&mut self, other: Faults) {
        self.0 |= other.0;
    }
}
