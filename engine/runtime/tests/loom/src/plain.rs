//! Data without synchronization of its own.

use loom::cell::UnsafeCell;

/// A counter that is read and written like plain memory: `loom` reports two accesses that nothing orders.
pub struct Plain(UnsafeCell<u32>);

impl Plain {
    /// A counter at zero.
    #[expect(clippy::new_without_default, reason = "made inside a model only")]
    pub fn new() -> Self {
        Plain(UnsafeCell::new(0))
    }

    /// Counts one.
    pub fn add(&mut self) {
        // SAFETY: borrowed exclusively.
        self.0.with_mut(|count| unsafe { *count += 1 });
    }

    /// The count.
    pub fn get(&self) -> u32 {
        // SAFETY: `add` borrows exclusively.
        self.0.with(|count| unsafe { *count })
    }
}
