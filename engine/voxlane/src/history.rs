//! The last seconds of a stream's audio, addressed by the stream's own sample numbers.

use crate::message::MESSAGE_SAMPLES;
use voxlane_models::buffer::Buffer;
use voxlane_runtime::clock::Time;

/// A ring of samples, and of the capture time of each 20 ms of them.
#[derive(Clone, Debug)]
pub struct History {
    samples: Buffer<i16>,
    captures: Vec<Time>,
    end: u64,
}

impl History {
    /// Keeps at least the last `samples` samples.
    pub fn new(samples: usize) -> Self {
        let blocks = samples.div_ceil(MESSAGE_SAMPLES) + 1;
        History {
            samples: Buffer::zeros(blocks * MESSAGE_SAMPLES),
            captures: vec![Time::default(); blocks],
            end: 0,
        }
    }

    /// How many samples are kept.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// Forgets everything; the next sample is number 0.
    pub fn reset(&mut self) {
        self.end = 0;
    }

    /// Appends samples, the newest captured at `capture`.
    pub fn push(&mut self, samples: &[i16], capture: Time) {
        let mut rest = samples;
        while !rest.is_empty() {
            // Blocks do not lie across the end of the ring.
            let (within, block) = (self.end as usize % MESSAGE_SAMPLES, self.end as usize / MESSAGE_SAMPLES);
            let block = block % self.captures.len();
            let (now, later) = rest.split_at(rest.len().min(MESSAGE_SAMPLES - within));
            self.samples[block * MESSAGE_SAMPLES + within..][..now.len()].copy_from_slice(now);
            self.captures[block] = capture;
            self.end += now.len() as u64;
            rest = later;
        }
    }

    /// Copies the samples from number `from` on and gives the capture time of the last one. Samples that are
    /// not kept any more must not be asked for.
    pub fn read(&self, from: u64, samples: &mut [i16]) -> Time {
        debug_assert!(
            from + samples.len() as u64 <= self.end && self.end - from <= self.samples.len() as u64
        );
        let first = from as usize % self.samples.len();
        let before_the_end = samples.len().min(self.samples.len() - first);
        let (front, back) = samples.split_at_mut(before_the_end);
        front.copy_from_slice(&self.samples[first..][..front.len()]);
        back.copy_from_slice(&self.samples[..back.len()]);
        self.capture(from + samples.len() as u64).unwrap_or_default()
    }

    /// When the sample before number `end` was captured, to 20 ms; nothing if it is not kept.
    pub fn capture(&self, end: u64) -> Option<Time> {
        let last = end.checked_sub(1)?;
        let is_kept = end <= self.end && self.end - last <= self.samples.len() as u64;
        is_kept.then(|| self.captures[(last as usize / MESSAGE_SAMPLES) % self.captures.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_latest_samples_and_their_times() {
        let mut history = History::new(1000);
        for i in 0..40u64 {
            let chunk: Vec<i16> = (0..100).map(|j| (i * 100 + j) as i16).collect();
            history.push(&chunk, Time::from_nanos(i));
        }
        let mut samples = [0; 700];
        let capture = history.read(3300, &mut samples);
        assert_eq!((samples[0], samples[699]), (3300, 3999));
        assert_eq!(capture.nanos(), 39);
        assert_eq!(history.capture(100), None);
        assert_eq!(history.capture(4001), None);
    }
}
