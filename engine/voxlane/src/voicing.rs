//! Which of a stream's latest windows were voiced, addressed by the stream's own sample numbers.

use crate::endpoint::WINDOW_SAMPLES;
use std::ops::Range;

/// A ring of the number of voiced windows before each window.
///
/// What it says of a stretch of audio depends on the windows in it and on nothing else, however segments were cut.
#[derive(Clone, Debug)]
pub(crate) struct Voicing {
    /// Voiced windows before window number `i`, at `i` modulo the length.
    before: Vec<u64>,
    /// Windows judged, and how many of them were voiced.
    windows: u64,
    voiced: u64,
}

impl Voicing {
    /// Remembers at least the windows of the last `samples` samples. Allocates; nothing else does.
    pub(crate) fn new(samples: usize) -> Self {
        let windows = samples.div_ceil(WINDOW_SAMPLES as usize) + 2;
        Voicing { before: vec![0; windows], windows: 0, voiced: 0 }
    }

    /// Forgets everything; the next window is number 0.
    pub(crate) fn reset(&mut self) {
        (self.windows, self.voiced) = (0, 0);
    }

    /// Appends a window.
    pub(crate) fn push(&mut self, is_voiced: bool) {
        let length = self.before.len();
        self.before[self.windows as usize % length] = self.voiced;
        self.windows += 1;
        self.voiced += u64::from(is_voiced);
    }

    /// Voiced samples before the sample `at`, which must still be remembered. Samples that have not been judged
    /// count as silent.
    pub(crate) fn before(&self, at: u64) -> u64 {
        let window = at / WINDOW_SAMPLES;
        let inside = if self.is_voiced(window) { at % WINDOW_SAMPLES } else { 0 };
        self.windows_before(window) * WINDOW_SAMPLES + inside
    }

    /// The longest stretch of silent windows within `samples`, the last of several; none if all are voiced.
    pub(crate) fn longest_pause(&self, samples: Range<u64>) -> Option<Range<u64>> {
        let windows =
            samples.start.div_ceil(WINDOW_SAMPLES)..(samples.end / WINDOW_SAMPLES).min(self.windows);
        let (mut longest, mut pause) = (0..0, windows.start..windows.start);
        for window in windows {
            pause = if self.is_voiced(window) { window + 1..window + 1 } else { pause.start..window + 1 };
            if pause.end > pause.start && pause.end - pause.start >= longest.end - longest.start {
                longest = pause.clone();
            }
        }
        (!longest.is_empty()).then(|| longest.start * WINDOW_SAMPLES..longest.end * WINDOW_SAMPLES)
    }

    fn is_voiced(&self, window: u64) -> bool {
        self.windows_before(window + 1) > self.windows_before(window)
    }

    fn windows_before(&self, window: u64) -> u64 {
        debug_assert!(self.windows.saturating_sub(window) <= self.before.len() as u64);
        if window < self.windows { self.before[window as usize % self.before.len()] } else { self.voiced }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(windows: &[bool]) -> Voicing {
        let mut voicing = Voicing::new(40 * WINDOW_SAMPLES as usize);
        windows.iter().for_each(|&is_voiced| voicing.push(is_voiced));
        voicing
    }

    #[test]
    fn the_longest_pause_is_found_within_the_range_and_the_last_of_equals() {
        let voicing = of(&[false, false, false, true, false, false, true, false, false, true]);
        let windows = |range: Range<u64>| range.start * WINDOW_SAMPLES..range.end * WINDOW_SAMPLES;
        assert_eq!(voicing.longest_pause(windows(0..10)), Some(windows(0..3)));
        assert_eq!(voicing.longest_pause(windows(1..10)), Some(windows(7..9)));
        assert_eq!(voicing.longest_pause(windows(3..4)), None);
        assert_eq!(voicing.longest_pause(windows(9..30)), None);
        // Windows that are only partly within the range are not.
        assert_eq!(voicing.longest_pause(1..3 * WINDOW_SAMPLES - 1), Some(windows(1..2)));
    }

    proptest! {
        #[test]
        fn samples_are_counted_however_many_windows_came_before(
            windows in prop::collection::vec(any::<bool>(), 1..200),
            (a, b) in (0.0f64..1.0, 0.0f64..1.0),
        ) {
            let voicing = of(&windows);
            let end = windows.len() as u64 * WINDOW_SAMPLES;
            let first = end.saturating_sub(40 * WINDOW_SAMPLES);
            let place = |share: f64| first + (share * (end - first) as f64) as u64;
            let (from, to) = (place(a.min(b)), place(a.max(b)));
            let counted = (from..to).filter(|at| windows[(at / WINDOW_SAMPLES) as usize]).count() as u64;
            prop_assert_eq!(voicing.before(to) - voicing.before(from), counted);
        }
    }
}
