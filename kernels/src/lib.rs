//! Math on slices for speech models: every operation has a scalar version, which is the oracle, and
//! hand-written vector versions only where a benchmark shows that they win.
//!
//! No threads, no allocation, no I/O and no knowledge of any model. Results of a row never depend on
//! how many rows are in a call.
//!
//! Each operation chooses its code by the instruction set that is found once per process ([`isa::active`]), or is compiled for
//! one that is built in (`-C target-cpu`).

pub mod activation;
mod arch;
pub mod argmax;
pub mod attention;
pub mod convert;
pub mod fft;
pub mod gemm;
pub mod grid;
pub mod lstm;
mod math;
pub mod mel;
pub mod norm;
pub mod projection;
pub mod rope;
pub mod rows;
pub mod softmax;
pub mod topk;
mod unroll;

pub use arch::isa;
