//! How samples without a header may be stored.

use super::sample::{Encoding, Number};

/// The way in which a sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawEncoding {
    /// Integers of 16 bits, the least significant byte first.
    S16Le,
    /// Floats of 32 bits, the least significant byte first; full scale is ±1.0.
    F32Le,
    /// ITU-T G.711 µ-law.
    MuLaw,
    /// ITU-T G.711 A-law.
    ALaw,
}

impl RawEncoding {
    pub(super) fn number(self) -> Number {
        match self {
            RawEncoding::S16Le => Number::S16,
            RawEncoding::F32Le => Number::F32,
            RawEncoding::MuLaw => Number::MuLaw,
            RawEncoding::ALaw => Number::ALaw,
        }
    }

    /// The way of [`RawEncoding`] that is the same as `encoding`, if one is.
    pub(super) fn of(encoding: Encoding) -> Option<RawEncoding> {
        match encoding.number {
            Number::S16 if !encoding.is_big_endian => Some(RawEncoding::S16Le),
            Number::F32 if !encoding.is_big_endian => Some(RawEncoding::F32Le),
            Number::MuLaw => Some(RawEncoding::MuLaw),
            Number::ALaw => Some(RawEncoding::ALaw),
            _ => None,
        }
    }
}
