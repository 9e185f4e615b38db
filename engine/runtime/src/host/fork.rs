//! Telling a forked child from the process that started an engine: threads do not come along.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many forks lie between this process and the first one that asked.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that an engine's threads belong to.
///
/// ```
/// use voxlane_runtime::host::fork::Process;
///
/// let process = Process::current();
/// assert!(process.is_current(), "until this process forks, and then not in the child");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// Returns the calling process.
    pub fn current() -> Self {
        static WATCH: Once = Once::new();
        WATCH.call_once(watch);
        Process(FORKS.load(Ordering::Relaxed))
    }

    /// Returns whether the calling process still is that one, not a forked child of it. One relaxed load.
    #[inline]
    pub fn is_current(self) -> bool {
        self.0 == FORKS.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
fn watch() {
    unsafe extern "C" fn count() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler only adds to an atomic, which a child may do in any state. If there is no memory for it, a
    // child looks like its parent.
    let _ = unsafe { libc::pthread_atfork(None, None, Some(count)) };
}

#[cfg(not(unix))]
fn watch() {}
