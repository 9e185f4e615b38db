//! The processor's event counters, by the kernel's `perf_event_open` (man 2 perf_event_open).

use anyhow::Result;

/// An event: its type and its number in the kernel's interface.
pub type Kind = (u32, u64);

/// `PERF_TYPE_HARDWARE`.
const HARDWARE: u32 = 0;
/// `PERF_TYPE_HW_CACHE`.
const CACHE: u32 = 3;
/// Read accesses that missed, in the numbers of `PERF_TYPE_HW_CACHE`.
const READ_MISS: u64 = 1 << 16;

/// The events that are counted, with the names in tables.
pub const COUNTERS: &[(&str, Kind)] = &[
    ("cycles", (HARDWARE, 0)),
    ("instructions", (HARDWARE, 1)),
    ("branches", (HARDWARE, 4)),
    ("branch misses", (HARDWARE, 5)),
    ("L1 data misses", (CACHE, READ_MISS)),
    ("L1 instruction misses", (CACHE, 1 | READ_MISS)),
    ("last-level misses", (CACHE, 2 | READ_MISS)),
    ("data TLB misses", (CACHE, 3 | READ_MISS)),
];

pub use system::Counter;

#[cfg(target_os = "linux")]
mod system {
    use super::{Kind, Result};
    use anyhow::{Context as _, ensure};
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::{AsRawFd, FromRawFd};

    /// `struct perf_event_attr` up to its first version, which every kernel takes.
    #[derive(Default)]
    #[repr(C)]
    struct Attributes {
        kind: u32,
        size: u32,
        config: u64,
        period: u64,
        sample_type: u64,
        read_format: u64,
        flags: u64,
        wakeup_events: u32,
        breakpoint_type: u32,
        config1: u64,
    }

    const DISABLED: u64 = 1;
    const EXCLUDE_KERNEL: u64 = 1 << 5;
    const EXCLUDE_HYPERVISOR: u64 = 1 << 6;
    /// `PERF_EVENT_IOC_ENABLE`, `…_DISABLE`, `…_RESET`.
    const ENABLE: libc::c_ulong = 0x2400;
    const DISABLE: libc::c_ulong = 0x2401;
    const RESET: libc::c_ulong = 0x2403;

    /// A counter of the calling thread, user mode only.
    pub struct Counter(File);

    impl Counter {
        /// Nothing where the kernel does not allow it or the processor has none.
        pub fn open((kind, config): Kind) -> Option<Self> {
            let attributes = Attributes {
                kind,
                size: size_of::<Attributes>() as u32,
                config,
                flags: DISABLED | EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR,
                ..Attributes::default()
            };
            // SAFETY: `attributes` is valid for the call and says its own size; the rest are numbers: this
            // thread, any core, no group, no flags.
            let file =
                unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attributes, 0, -1, -1, 0) };
            let file = i32::try_from(file).ok().filter(|file| *file >= 0)?;
            // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
            Some(Counter(unsafe { File::from_raw_fd(file) }))
        }

        /// How often the event happened in `work`.
        pub fn count(&mut self, work: impl FnOnce()) -> Result<u64> {
            self.control(RESET)?;
            self.control(ENABLE)?;
            work();
            self.control(DISABLE)?;
            let mut bytes = [0; 8];
            self.0.read_exact(&mut bytes).context("a counter")?;
            Ok(u64::from_ne_bytes(bytes))
        }

        fn control(&self, request: libc::c_ulong) -> Result<()> {
            // SAFETY: the descriptor is ours and is a counter; these requests take no memory.
            let code = unsafe { libc::ioctl(self.0.as_raw_fd(), request as _, 0) };
            ensure!(code == 0, "a counter cannot be controlled");
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Kind, Result};

    /// There is none here.
    pub enum Counter {}

    impl Counter {
        /// Nothing.
        pub fn open(_: Kind) -> Option<Self> {
            None
        }

        /// Never called.
        pub fn count(&mut self, _: impl FnOnce()) -> Result<u64> {
            match *self {}
        }
    }
}
