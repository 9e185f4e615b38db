//! The network's threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use voxlane_runtime::host::allowed_cores;

/// Threads of a server that names no cores.
const DEFAULT_THREADS: usize = 2;

/// The threads that do what blocks, such as collecting a report, at most.
const BLOCKING_THREADS: usize = 4;

/// The reason why the network has no threads.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ThreadsError {
    /// A core is not one of the process's.
    #[error("server.cores: core {core} cannot be used (expected some of {allowed:?})")]
    Core {
        /// The core.
        core: usize,
        /// The cores that can be used.
        allowed: Vec<usize>,
    },
    /// The operating system gave no thread.
    #[error("threads: the operating system gave none: {0}")]
    Spawn(#[from] io::Error),
}

/// Starts a runtime whose threads are named `vox-net` and pinned to `cores`, one each; without cores two wherever the system
/// puts them.
///
/// # Errors
/// [`ThreadsError`] naming the core.
pub fn runtime(cores: &[usize]) -> Result<Runtime, ThreadsError> {
    let allowed = allowed_cores().unwrap_or_default();
    if let Some(&core) = cores.iter().find(|core| !allowed.contains(core)) {
        return Err(ThreadsError::Core { core, allowed });
    }
    let cores: Arc<[usize]> = cores.into();
    let threads = if cores.is_empty() { DEFAULT_THREADS } else { cores.len() };
    let started = AtomicUsize::new(0);
    let pin = move || {
        // The workers come first; later ones are for what blocks, and keep off the lanes' cores too.
        let number = started.fetch_add(1, Ordering::Relaxed);
        if let Some(&core) = cores.get(number % cores.len().max(1))
            && !core_affinity::set_for_current(core_affinity::CoreId { id: core })
        {
            tracing::warn!(core, "a network thread could not be pinned");
        }
    };
    Ok(Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("vox-net")
        .on_thread_start(pin)
        .enable_all()
        .build()?)
}
