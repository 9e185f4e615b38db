//! What stages exchange: cache-aligned messages of fixed size, written and read in place.
//!
//! A message is one cache line of header and a payload that depends on the edge. It is plain data: no pointers, nothing to
//! drop. Its size is a multiple of 128 bytes (two lines), so that the adjacent-line prefetcher of one message's reader
//! does not pull at its neighbor's lines; a payload that makes it a multiple of 4,096 makes all messages of a ring share
//! one cache set.

use crate::clock::Time;

/// The most stages of a chain: as many as a header has time stamps.
pub const MAX_STAGES: usize = 6;

/// The unit of a header's time stamps, in nanoseconds.
pub const STAMP_NANOS: u64 = 16;

/// The slot of dummies, which no client has.
pub const WARM_SLOT: u16 = u16::MAX;

/// The first cache line of every message. `C` says what the message means; it has 12 bytes at most.
///
/// ```
/// use std::time::Duration;
/// use voxlane_runtime::clock::Time;
/// use voxlane_runtime::message::Header;
///
/// let captured = Time::from_nanos(1_000_000);
/// let mut header = Header { captured, slot: 3, ..Header::<()>::default() };
/// header.stamp(0, captured.after(Duration::from_micros(32)));
/// assert_eq!(header.stamped(0).since(captured), Duration::from_micros(32));
/// assert!(!header.is_warm());
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Header<C> {
    /// The time at which the newest of what the message reflects came into being. Stamps count from it.
    pub captured: Time,
    /// The client's place in its lane.
    pub slot: u16,
    /// The valid part of the payload, in the payload's own unit.
    pub count: u16,
    /// The number of the client among the slot's successive ones.
    pub generation: u32,
    /// The number of the message among its client's, as counted at the source; wraps around.
    pub sequence: u32,
    /// Errors on the way: bits whose meaning is the pipeline's.
    pub errors: u32,
    /// The meaning of the message.
    pub control: C,
    /// The time at which each stage published it: units of [`STAMP_NANOS`] after `captured`, saturating after 68 s.
    pub stamps: [u32; MAX_STAGES],
    /// The time spent computing for it, in the same units.
    pub compute: u32,
}

impl<C> Header<C> {
    /// Fails to compile where the header is larger than a cache line.
    pub(crate) const FITS: () = assert!(size_of::<Header<C>>() <= 64, "a control has 12 bytes at most");

    /// Returns whether the message is part of a dummy, which keeps caches warm and reaches no client.
    #[inline]
    pub fn is_warm(&self) -> bool {
        self.slot == WARM_SLOT
    }

    /// Notes that the stage at `position` publishes the message at `now`.
    #[inline]
    pub fn stamp(&mut self, position: usize, now: Time) {
        self.stamps[position] = to_stamp(now.nanos_since(self.captured));
    }

    /// Returns the time at which the stage at `position` published the message.
    #[inline]
    pub fn stamped(&self, position: usize) -> Time {
        Time::from_nanos(self.captured.nanos() + u64::from(self.stamps[position]) * STAMP_NANOS)
    }

    /// Adds `nanos` to the time spent computing.
    #[inline]
    pub fn add_compute(&mut self, nanos: u64) {
        self.compute = self.compute.saturating_add(to_stamp(nanos));
    }

    /// Returns the time spent computing, in nanoseconds.
    #[inline]
    pub fn compute_nanos(&self) -> u64 {
        u64::from(self.compute) * STAMP_NANOS
    }

    /// Returns the same header with another meaning.
    #[inline]
    pub fn with<D>(self, control: D) -> Header<D> {
        let Header { captured, slot, count, generation, sequence, errors, stamps, compute, .. } = self;
        Header { captured, slot, count, generation, sequence, errors, control, stamps, compute }
    }
}

#[inline]
fn to_stamp(nanos: u64) -> u32 {
    u32::try_from(nanos / STAMP_NANOS).unwrap_or(u32::MAX)
}

/// A header and a payload.
///
/// ```
/// use voxlane_runtime::message::{Header, Message};
///
/// let message = Message { header: Header { control: 7_u32, ..Header::default() }, payload: [0.5_f32; 24] };
/// assert_eq!((message.header.control, message.payload[23]), (7, 0.5));
/// assert_eq!((size_of_val(&message) % 128, align_of_val(&message)), (0, 128));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(128))]
pub struct Message<C, P> {
    /// Its meaning and where it belongs.
    pub header: Header<C>,
    /// The data that it carries.
    pub payload: P,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_header_is_a_cache_line_and_a_small_message_two() {
        assert_eq!(size_of::<Header<[u32; 3]>>(), 64);
        assert_eq!(size_of::<Message<[u32; 3], [u64; 8]>>(), 128);
        assert_eq!((align_of::<Message<(), u8>>(), size_of::<Message<(), u8>>()), (128, 128));
    }

    #[test]
    fn stamps_count_from_capture_and_saturate() {
        let mut header = Header { captured: Time::from_nanos(1_000_000), ..Header::<()>::default() };
        header.stamp(2, header.captured.after(Duration::from_micros(160)));
        assert_eq!(header.stamped(2).nanos(), 1_160_000);
        header.stamp(5, header.captured.after(Duration::from_secs(1000)));
        assert_eq!(header.stamped(5).since(header.captured).as_secs(), 68);
        header.stamp(5, Time::from_nanos(0));
        assert_eq!(header.stamped(5), header.captured);
    }
}
