//! Whether the memory of buffers is there before it is first used.
//!
//! Fresh memory is a promise: the first write to each page goes through the kernel, in the middle of somebody's speech.
//! And where there is swap, or a file behind it, memory that is there may be taken away.

use std::cell::Cell;
use std::ops::Range;

/// How buffers hold their memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Residency {
    /// Pages come when they are first written: buffers for the longest segment cost no more than the segments that come.
    #[default]
    OnUse,
    /// Pages are there from the start.
    Present,
    /// Pages are there from the start and stay, as far as the process may lock memory.
    Locked,
}

thread_local! {
    /// How the thread makes buffers.
    static WANTED: Cell<Residency> = const { Cell::new(Residency::OnUse) };
    /// Bytes that were to be locked and could not be.
    static UNLOCKED: Cell<u64> = const { Cell::new(0) };
}

impl Residency {
    /// What `make` gives, whose buffers on the calling thread hold their memory like this, and how many bytes of them the
    /// system did not let be locked.
    pub fn apply<T>(self, make: impl FnOnce() -> T) -> (T, u64) {
        /// Back to what was, also when `make` panics.
        struct Before(Residency, u64);
        impl Drop for Before {
            fn drop(&mut self) {
                WANTED.set(self.0);
                UNLOCKED.set(self.1);
            }
        }
        let _before = Before(WANTED.replace(self), UNLOCKED.replace(0));
        (make(), UNLOCKED.get())
    }
}

/// Memory that stays locked for as long as this lives; usually nothing.
#[derive(Debug, Default)]
pub struct Pages(Range<usize>);

impl Pages {
    /// Treats `memory`, fresh zeros, as the thread wants its buffers.
    pub(crate) fn of_zeros(memory: &mut [u128]) -> Self {
        if WANTED.get() == Residency::OnUse || memory.is_empty() {
            return Pages::default();
        }
        if !system::populate(range(memory)) {
            let step = system::page() / size_of::<u128>();
            for first in memory.iter_mut().step_by(step) {
                // SAFETY: a place of the slice, written with what it holds. Volatile, so that it is written.
                unsafe { std::ptr::from_mut(first).write_volatile(0) };
            }
        }
        Pages::of(memory)
    }

    /// Locks `memory`, which has been written, if the thread wants its buffers so.
    pub fn of<T>(memory: &[T]) -> Self {
        if WANTED.get() != Residency::Locked || memory.is_empty() {
            return Pages::default();
        }
        let range = range(memory);
        if system::lock(range.clone()) {
            return Pages(range);
        }
        UNLOCKED.set(UNLOCKED.get() + range.len() as u64);
        Pages::default()
    }

    /// Leaves the memory locked: for memory that is unmapped when it ends.
    pub(crate) fn keep(mut self) {
        self.0 = 0..0;
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            system::unlock(self.0.clone());
        }
    }
}

/// The addresses of `memory`.
fn range<T>(memory: &[T]) -> Range<usize> {
    let start = memory.as_ptr().addr();
    start..start + size_of_val(memory)
}

#[cfg(all(unix, not(miri)))]
mod system {
    use std::ops::Range;
    use std::sync::OnceLock;

    /// Bytes of a page.
    pub fn page() -> usize {
        static PAGE: OnceLock<usize> = OnceLock::new();
        // SAFETY: asks for a number.
        *PAGE.get_or_init(|| unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.try_into().unwrap_or(4096))
    }

    /// The pages that the range touches, or with `inside` those that it has to itself.
    fn pages(range: Range<usize>, inside: bool) -> (*mut libc::c_void, usize) {
        let (start, end) = if inside {
            (range.start.next_multiple_of(page()), range.end / page() * page())
        } else {
            (range.start / page() * page(), range.end.next_multiple_of(page()))
        };
        (std::ptr::without_provenance_mut(start), end.saturating_sub(start))
    }

    /// Gives every page memory; whether the system knows how to (Linux from 5.14 on).
    pub fn populate(range: Range<usize>) -> bool {
        #[cfg(target_os = "linux")]
        {
            let (start, len) = pages(range, false);
            // SAFETY: the pages are mapped, because the range is a slice's; what they hold stays as it is.
            unsafe { libc::madvise(start, len, libc::MADV_POPULATE_WRITE) == 0 }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = range;
            false
        }
    }

    /// Locks every page; whether the system lets us.
    pub fn lock(range: Range<usize>) -> bool {
        let (start, len) = pages(range, false);
        // SAFETY: touches no memory of ours but to make it stay.
        unsafe { libc::mlock(start, len) == 0 }
    }

    /// Unlocks the pages that belong to nobody else.
    pub fn unlock(range: Range<usize>) {
        let (start, len) = pages(range, true);
        if len > 0 {
            // SAFETY: as above.
            unsafe { libc::munlock(start, len) };
        }
    }
}

#[cfg(not(all(unix, not(miri))))]
mod system {
    use std::ops::Range;

    pub fn page() -> usize {
        4096
    }

    pub fn populate(_: Range<usize>) -> bool {
        false
    }

    pub fn lock(_: Range<usize>) -> bool {
        false
    }

    pub fn unlock(_: Range<usize>) {}
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;
    use crate::buffer::Buffer;

    /// 40 MB: so much comes fresh from the system, whatever other tests have given back.
    const LEN: usize = 10_000_000;

    /// How many of the pages of `memory` are there, and how many kilobytes the process has locked.
    fn there<T>(memory: &[T]) -> (usize, u64) {
        let start = range(memory).start.next_multiple_of(system::page());
        let mut pages = vec![0u8; (range(memory).end - start) / system::page()];
        let address = std::ptr::without_provenance_mut(start);
        // SAFETY: writes one byte a page of the slice into `pages`.
        let asked = unsafe { libc::mincore(address, pages.len() * system::page(), pages.as_mut_ptr()) };
        assert_eq!(asked, 0);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        let locked = locked.trim().trim_end_matches(" kB").parse().unwrap();
        (pages.iter().filter(|&&page| page & 1 == 1).count(), locked)
    }

    /// One test: what the process has locked is counted for all threads.
    #[test]
    fn buffers_are_there_and_locked_as_wanted() {
        let pages = LEN * 4 / system::page() - 1;
        let make = || Buffer::<f32>::zeros(LEN);
        let (lazy, _) = Residency::OnUse.apply(make);
        assert!(there(&lazy).0 < pages / 2);
        let (present, unlocked) = Residency::Present.apply(make);
        assert!(there(&present).0 >= pages && there(&present).1 == 0 && unlocked == 0);
        let (locked, unlocked) = Residency::Locked.apply(make);
        assert!(there(&locked).0 >= pages);
        let kilobytes = there(&locked).1;
        assert_eq!(kilobytes > 0, unlocked == 0, "{kilobytes} kB locked, {unlocked} bytes not");
        assert!(unlocked == 0 || unlocked >= 4 * LEN as u64);
        drop(locked);
        assert!(there(&present).1 <= kilobytes.saturating_sub(4 * LEN as u64 / 1024 - 8));
        assert_eq!(WANTED.get(), Residency::OnUse);
    }
}
