//! Binding the lab's threads to cores.

use anyhow::{Context as _, Result};
use core_affinity::CoreId;

/// Pins the calling thread.
///
/// # Errors
/// If the core may not be used.
pub fn pin(core: usize) -> Result<()> {
    let pinned = core_affinity::set_for_current(CoreId { id: core });
    pinned.then_some(()).with_context(|| format!("core {core} may not be used"))
}

/// Runs `work` on a thread of its own that is pinned to `core`, so that the caller's affinity stays as it is.
///
/// # Errors
/// Those of `work`, and if the core may not be used.
pub fn on_core<T: Send>(core: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || pin(core).and_then(|()| work()));
        thread.join().map_err(|_| anyhow::anyhow!("a thread of the lab panicked"))?
    })
}
