//! Networks on Burn: the same weights and the same contract as on the CPU, on CUDA, Vulkan, Metal or DirectX.
//!
//! Everything is generic over Burn's `B: Backend`. State stays on the device: audio goes in, tokens come out.
//! Shapes are fixed, so that nothing is compiled or tuned while streams are served: segments are padded to one of
//! a few lengths, and decoding runs all places of a [`batch::Batch`] in every step, whoever sits in them.
//!
//! Burn allocates on the host for every operation: the promise that nothing does after construction is the
//! CPU's alone.

mod encoders;
mod families;
mod frontends;
mod heads;
mod layers;
pub mod platform;
mod span;

use crate::device::Float;
use burn_tensor::DType;

pub use encoders::moonshine::BurnEncoder;
pub use families::moonshine::BurnMoonshine;
pub use frontends::raw_conv::BurnFrontEnd;
pub use heads::attention::{batch, decoder::BurnDecoder};
pub use span::BurnSpan;

/// Burn's word for `float`.
fn dtype(float: Float) -> DType {
    match float {
        Float::F32 => DType::F32,
        Float::F16 => DType::F16,
        Float::Bf16 => DType::BF16,
    }
}
