//! Where to cut speech that goes on for too long: at its quietest moment within a window.
//!
//! Decisions depend on the segment's samples only, never on how they arrived in frames.

/// The length of one energy window: 20 ms at 16 kHz.
const WINDOW_SAMPLES: u64 = 320;

/// Quietness is judged over this many windows (100 ms), so that a closed plosive does not pass for a pause.
const SMOOTHED_WINDOWS: usize = 5;

/// Watches one open segment.
#[derive(Clone, Debug)]
pub struct Cutter {
    from: u64,
    by: u64,
    seen: u64,
    energy: u64,
    recent: [u64; SMOOTHED_WINDOWS],
    windows: u64,
    quietest: Option<(u64, u64)>,
}

impl Cutter {
    /// Cuts segments that reach `by` samples at the quietest moment after `from` samples; `from` < `by`.
    pub fn new(from: u64, by: u64) -> Self {
        Cutter { from, by, seen: 0, energy: 0, recent: [0; SMOOTHED_WINDOWS], windows: 0, quietest: None }
    }

    /// Starts over with a new segment.
    pub fn reset(&mut self) {
        *self = Cutter::new(self.from, self.by);
    }

    /// Takes the segment's next samples. Once the segment has reached its longest length, gives the number
    /// of samples that it should keep.
    pub fn push(&mut self, samples: &[i16]) -> Option<u64> {
        for &sample in samples {
            if self.seen == self.by {
                break;
            }
            self.energy += i64::from(sample).pow(2).unsigned_abs();
            self.seen += 1;
            if self.seen.is_multiple_of(WINDOW_SAMPLES) {
                self.close_window();
            }
        }
        (self.seen == self.by).then(|| self.quietest.map_or(self.by, |(_, at)| at))
    }

    fn close_window(&mut self) {
        self.recent[self.windows as usize % SMOOTHED_WINDOWS] = std::mem::take(&mut self.energy);
        self.windows += 1;
        let middle = self.seen.saturating_sub(SMOOTHED_WINDOWS as u64 * WINDOW_SAMPLES / 2);
        if middle >= self.from {
            let energy = self.recent.iter().sum();
            if self.quietest.is_none_or(|(least, _)| energy < least) {
                self.quietest = Some((energy, middle));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn loud_with_gap(length: usize, gap: std::ops::Range<usize>) -> Vec<i16> {
        (0..length)
            .map(|i| if gap.contains(&i) { 0 } else { if i % 2 == 0 { 9000 } else { -9000 } })
            .collect()
    }

    #[test]
    fn cuts_inside_the_pause() {
        let audio = loud_with_gap(48_000, 36_000..39_200);
        let at = Cutter::new(32_000, 48_000).push(&audio).unwrap();
        assert!((36_000..39_200).contains(&(at as usize)), "{at}");
    }

    #[test]
    fn a_pause_before_the_window_does_not_count() {
        let audio = loud_with_gap(48_000, 10_000..20_000);
        let at = Cutter::new(32_000, 48_000).push(&audio).unwrap();
        assert!((32_000..=48_000).contains(&at));
    }

    #[test]
    fn short_segments_are_left_alone() {
        assert_eq!(Cutter::new(32_000, 48_000).push(&loud_with_gap(47_999, 0..0)), None);
    }

    proptest! {
        #[test]
        fn chunking_does_not_matter(chunks in prop::collection::vec(1usize..5000, 1..40), gap in 33_000usize..46_000) {
            let audio = loud_with_gap(50_000, gap..gap + 1600);
            let whole = Cutter::new(32_000, 48_000).push(&audio);
            let mut cutter = Cutter::new(32_000, 48_000);
            let (mut rest, mut result) = (&audio[..], None);
            for chunk in chunks.into_iter().cycle() {
                let (now, later) = rest.split_at(chunk.min(rest.len()));
                rest = later;
                result = result.or(cutter.push(now));
                if result.is_some() || rest.is_empty() { break; }
            }
            prop_assert_eq!(result, whole);
        }
    }
}
