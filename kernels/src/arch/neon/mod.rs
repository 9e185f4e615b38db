//! NEON, without and with the 8-bit dot product.

mod dots;
mod f32;

super::target::target! {
    /// The machine has NEON, which is part of every aarch64 baseline.
    Neon, "neon"
}

super::target::target! {
    /// The machine has NEON and its 8-bit dot product.
    NeonDot, "neon,dotprod"
}
