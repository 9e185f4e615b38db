//! Plain Rust on arrays: what the compiler makes of them for the target's baseline.

mod dots;
mod f32;

use super::target::{Target, Task};

/// Every machine has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

// SAFETY: it needs no feature.
unsafe impl Target for Scalar {
    unsafe fn enter(self, task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }
}
