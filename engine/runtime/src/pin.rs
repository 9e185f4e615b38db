//! Binding a thread to its core.

/// The most cores that an affinity mask of the C library names; `core_affinity` panics beyond.
const MAX_CORES: usize = 1024;

/// Pins the calling thread; whether the operating system did it.
pub(crate) fn pin(core: usize) -> bool {
    core < MAX_CORES && core_affinity::set_for_current(core_affinity::CoreId { id: core })
}

/// Returns the core that the calling thread runs on, as the operating system says; nothing where it does not say.
pub fn current_core() -> Option<usize> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: sched_getcpu takes nothing and touches no memory of ours.
        let core = unsafe { libc::sched_getcpu() };
        usize::try_from(core).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_core_that_does_not_exist_cannot_be_pinned_to() {
        for core in [1_000_000, super::MAX_CORES - 1] {
            assert!(!std::thread::spawn(move || super::pin(core)).join().unwrap());
        }
    }
}
