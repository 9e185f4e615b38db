//! Making every other thread of the process pass a fence, where the kernel can (Linux `membarrier`).

pub(crate) use imp::{everyone, register};

#[cfg(target_os = "linux")]
mod imp {
    use std::sync::OnceLock;

    /// Asks the kernel for expedited barriers; whether it has them. Once per process.
    pub fn register() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        // Miri knows no membarrier.
        !cfg!(miri) && *REGISTERED.get_or_init(|| call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
    }

    /// Every running thread of this process passes a full fence before this returns.
    pub fn everyone() {
        let passed = call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        debug_assert!(passed, "registered before use");
    }

    fn call(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes integers (command, flags, core) and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    pub fn register() -> bool {
        false
    }
    pub fn everyone() {}
}
