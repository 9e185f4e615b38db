//! Instruction sets: which there are, which one this process uses, and their vectors.
//!
//! One layer for each instruction set, behind three traits: [`simd::Simd`] has vectors of `f32`, [`panel::Panels`] sixteen
//! `f32` side by side, [`dots::Dots`] sums of 8-bit products. All three are implemented by *targets* ([`target`]), values that exist only
//! where their instructions may run.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod dispatch;
pub(crate) mod dots;
mod half;
pub mod isa;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod panel;
pub(crate) mod scalar;
pub(crate) mod simd;
pub(crate) mod six_bits;
pub(crate) mod target;
