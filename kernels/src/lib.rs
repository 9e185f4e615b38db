//! Math on slices for speech models: every operation has a scalar version, which is the oracle, and
//! hand-written vector versions only where a benchmark shows that they win.
//!
//! No threads, no allocation, no I/O and no knowledge of any model. Results of a row never depend on
//! how many rows are in a call.
//!
//! The instruction set is found once per process ([`isa::active`]) and selects one [`table::Table`] of
//! functions; each public operation is one indirect call through it.

pub mod activation;
pub mod argmax;
pub mod attention;
pub mod convert;
pub mod fft;
pub mod gemm;
pub mod isa;
pub mod lstm;
mod math;
pub mod mel;
pub mod norm;
pub mod projection;
pub mod rope;
pub mod rows;
mod simd;
pub mod softmax;
pub mod table;
pub mod topk;
pub mod transpose;
mod unroll;
