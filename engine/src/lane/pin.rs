//! Binding a thread to its core and preparing it for arithmetic.

/// The most cores that an affinity mask of the C library names; `core_affinity` panics beyond.
const MAX_CORES: usize = 1024;

/// Pins the calling thread; whether the operating system did it.
pub(super) fn pin(core: usize) -> bool {
    core < MAX_CORES && core_affinity::set_for_current(core_affinity::CoreId { id: core })
}

/// The core that the calling thread runs on, as the operating system says; nothing where it cannot tell.
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

/// Makes denormal floats count as zero on the calling thread: they come up in silence and cost a hundred
/// cycles each.
pub(super) fn flush_denormals() {
    #[cfg(target_arch = "x86_64")]
    {
        /// Flush to zero (bit 15) and denormals are zero (bit 6) of MXCSR.
        const BITS: u32 = 0x8040;
        let mut control: u32 = 0;
        // SAFETY: stores and loads the SSE control word; the two bits set change only how denormals round.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &mut control, options(nostack));
            control |= BITS;
            std::arch::asm!("ldmxcsr [{}]", in(reg) &control, options(nostack));
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        /// Flush to zero (bit 24) of FPCR.
        const BIT: u64 = 1 << 24;
        // SAFETY: as above, for the floating-point control register.
        unsafe {
            let mut control: u64;
            std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack));
            control |= BIT;
            std::arch::asm!("msr fpcr, {}", in(reg) control, options(nomem, nostack));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn denormals_are_zero_on_a_prepared_thread() {
        let product = std::thread::spawn(|| {
            super::flush_denormals();
            std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5)
        })
        .join()
        .unwrap();
        assert_eq!(product, 0.0);
    }

    #[test]
    fn a_core_that_does_not_exist_cannot_be_pinned_to() {
        for core in [1_000_000, super::MAX_CORES - 1] {
            assert!(!std::thread::spawn(move || super::pin(core)).join().unwrap());
        }
    }
}
