//! Samples that a client has handed over and that do not fill a message yet, where a shutdown finds them.
//!
//! The client writes them into its ring's next place, which nobody else sees until it is published, and a copy here. It
//! publishes no more once its lane is being shut down; then ingest takes the copy.

use crate::message::MESSAGE_SAMPLES;
use std::sync::atomic::{AtomicI16, AtomicU32, AtomicU64, Ordering};
use voxlane_runtime::clock::Time;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tail {
    count: AtomicU32,
    capture: AtomicU64,
    samples: [AtomicI16; MESSAGE_SAMPLES],
}

impl Tail {
    /// Keeps `new` samples behind the first `from`, the last of them captured at `capture`.
    pub(crate) fn keep(&self, from: usize, new: &[i16], capture: Time) {
        for (place, &sample) in self.samples[from..].iter().zip(new) {
            place.store(sample, Ordering::Relaxed);
        }
        self.capture.store(capture.nanos(), Ordering::Relaxed);
        self.count.store((from + new.len()) as u32, Ordering::Release);
    }

    /// Forgets them: they have been published.
    pub(crate) fn clear(&self) {
        self.count.store(0, Ordering::Release);
    }

    /// Takes them out, with the capture time of the last one: so many of `samples` are valid. None if there are none.
    pub(crate) fn take(&self, samples: &mut [i16; MESSAGE_SAMPLES]) -> Option<(usize, Time)> {
        let count = (self.count.swap(0, Ordering::AcqRel) as usize).min(MESSAGE_SAMPLES);
        for (sample, place) in samples.iter_mut().zip(&self.samples[..count]) {
            *sample = place.load(Ordering::Relaxed);
        }
        (count > 0).then(|| (count, Time::from_nanos(self.capture.load(Ordering::Relaxed))))
    }
}

impl Default for Tail {
    fn default() -> Self {
        let samples = [const { AtomicI16::new(0) }; MESSAGE_SAMPLES];
        Tail { count: AtomicU32::new(0), capture: AtomicU64::new(0), samples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_taken_once() {
        let (tail, mut samples) = (Tail::default(), [0; MESSAGE_SAMPLES]);
        assert_eq!(tail.take(&mut samples), None);
        tail.keep(0, &[1, 2], Time::from_nanos(5));
        tail.keep(2, &[3], Time::from_nanos(6));
        assert_eq!(tail.take(&mut samples), Some((3, Time::from_nanos(6))));
        assert_eq!(samples[..3], [1, 2, 3]);
        assert_eq!(tail.take(&mut samples), None);
        tail.keep(0, &[7; MESSAGE_SAMPLES - 1], Time::default());
        tail.clear();
        assert_eq!(tail.take(&mut samples), None);
    }
}
