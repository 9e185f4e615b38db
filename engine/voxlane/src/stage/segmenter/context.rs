//! The samples before a segment that are decoded with it: the segment before, and the pause.

use crate::audio::ENGINE_RATE_HZ;
use std::ops::Range;

/// A segment that begins within this time of the end of the one before is decoded together with it: 2 s.
const GAP_SAMPLES: u64 = 2 * ENGINE_RATE_HZ as u64;

/// See the module.
pub(super) struct Context {
    /// Segments may be decoded once more behind those before them.
    is_available: bool,
    /// Where the segment before began and ended, unless it was cut.
    earlier: Option<(u64, u64)>,
    /// The samples before the open segment that are yet to be passed on.
    unpassed: Range<u64>,
}

impl Context {
    pub(super) fn new(is_available: bool) -> Self {
        Context { is_available, earlier: None, unpassed: 0..0 }
    }

    /// A new stream.
    pub(super) fn restart(&mut self) {
        *self = Context::new(self.is_available);
    }

    /// A segment begins at `start`, which is decoded with so many samples before it; with those it has at most `most`.
    pub(super) fn begin(&mut self, start: u64, most: u64) -> u32 {
        let earlier = self.earlier.filter(|&(earlier, end)| {
            self.is_available && start.saturating_sub(end) < GAP_SAMPLES && start - earlier < most
        });
        self.unpassed = earlier.map_or(start..start, |(earlier, _)| earlier..start);
        (self.unpassed.end - self.unpassed.start) as u32
    }

    /// The samples that are passed on before the open segment's own; empty once all are.
    pub(super) fn unpassed(&self) -> Range<u64> {
        self.unpassed.clone()
    }

    /// The next `count` of them have been passed on.
    pub(super) fn pass(&mut self, count: usize) {
        self.unpassed.start += count as u64;
    }

    /// A segment is over: the next may follow it, unless it was cut.
    pub(super) fn end(&mut self, start: u64, end: u64, is_cut: bool) {
        self.earlier = (!is_cut).then_some((start, end));
        self.unpassed = 0..0;
    }
}
