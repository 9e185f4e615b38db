//! Where to cut speech that goes on for too long: in its longest pause within a range of places, or where there is
//! none at its quietest moment.
//!
//! A function of the stream's samples, and of what the detector heard in them: never of how they arrived.

use crate::audio::ENGINE_RATE_HZ;
use crate::config::SegmentConfig;
use crate::history::History;
use crate::voicing::Voicing;

/// The length of one energy window: 20 ms at 16 kHz.
const WINDOW_SAMPLES: usize = 320;

/// Quietness is judged over this many windows (100 ms), so that a closed plosive does not pass for a pause.
const SMOOTHED_WINDOWS: usize = 5;

/// The lengths that a segment may be cut to, in samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cutter {
    from: u64,
    by: u64,
}

impl Cutter {
    /// Cuts segments that reach `by` samples, to no less than `from`; `from` < `by`.
    pub(crate) fn new(from: u64, by: u64) -> Self {
        Cutter { from, by }
    }

    /// One for a stream with a window of its own: no segment is longer than those of this one.
    pub(crate) fn with(self, window: SegmentConfig) -> Self {
        let samples = |seconds: f64| (seconds * f64::from(ENGINE_RATE_HZ)) as u64;
        let by = samples(window.cut_by_s).min(self.by);
        Cutter { from: samples(window.cut_from_s).min(by - by / 60), by }
    }

    /// The most samples of a segment.
    pub(crate) fn limit(&self) -> u64 {
        self.by
    }

    /// The stream's sample before which to cut a segment that began at `start` and has reached the limit. All
    /// places where it may be cut must still be in `history` and in `voicing`, which is none where no detector
    /// listens. Does not allocate.
    pub(crate) fn place(&self, start: u64, history: &History, voicing: Option<&Voicing>) -> u64 {
        let places = start + self.from..start + self.by;
        let pause = voicing.and_then(|voicing| voicing.longest_pause(places.clone()));
        match pause {
            Some(pause) => pause.start.midpoint(pause.end),
            None => quietest(places, history),
        }
    }
}

/// The middle of the quietest 100 ms within `places`.
fn quietest(places: std::ops::Range<u64>, history: &History) -> u64 {
    let mut recent = [0; SMOOTHED_WINDOWS];
    let (mut least, mut place) = (u64::MAX, places.end);
    let mut window = [0; WINDOW_SAMPLES];
    for (index, start) in places.clone().step_by(WINDOW_SAMPLES).enumerate() {
        let end = start + WINDOW_SAMPLES as u64;
        if end > places.end {
            break;
        }
        history.read(start, &mut window);
        recent[index % SMOOTHED_WINDOWS] = energy(&window);
        let sum = recent.iter().sum();
        if index + 1 >= SMOOTHED_WINDOWS && sum < least {
            (least, place) = (sum, end - (SMOOTHED_WINDOWS * WINDOW_SAMPLES / 2) as u64);
        }
    }
    place
}

fn energy(samples: &[i16]) -> u64 {
    samples.iter().map(|&sample| u64::from(i32::from(sample).pow(2).unsigned_abs())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint;
    use voxlane_runtime::clock::Time;

    const CUTTER: Cutter = Cutter { from: 32_000, by: 48_000 };

    fn loud_with_gap(gap: std::ops::Range<usize>) -> History {
        let samples: Vec<i16> = (0..48_000)
            .map(|i| if gap.contains(&i) { 0 } else { if i % 2 == 0 { 9000 } else { -9000 } })
            .collect();
        let mut history = History::new(48_000);
        history.push(&samples, Time::default());
        history
    }

    fn voiced_but_for(pauses: &[std::ops::Range<u64>]) -> Voicing {
        let mut voicing = Voicing::new(48_000);
        for window in 0..48_000 / endpoint::WINDOW_SAMPLES {
            voicing.push(!pauses.iter().any(|pause| pause.contains(&window)));
        }
        voicing
    }

    #[test]
    fn a_streams_own_window_is_no_longer_than_the_engines() {
        let with = |cut_from_s, cut_by_s| CUTTER.with(SegmentConfig { cut_from_s, cut_by_s });
        let Cutter { from, by } = with(1.0, 2.5);
        assert_eq!((from, by), (16_000, 40_000));
        let Cutter { from, by } = with(12.0, 25.0);
        assert_eq!((from, by), (47_200, 48_000));
    }

    #[test]
    fn cuts_inside_the_quiet() {
        let at = CUTTER.place(0, &loud_with_gap(36_000..39_200), None);
        assert!((36_000..39_200).contains(&at), "{at}");
    }

    #[test]
    fn quiet_before_the_range_does_not_count() {
        let at = CUTTER.place(0, &loud_with_gap(10_000..20_000), None);
        assert!((32_000..=48_000).contains(&at), "{at}");
    }

    #[test]
    fn a_pause_that_the_detector_heard_comes_before_what_is_quiet() {
        let voicing = voiced_but_for(&[20..30, 70..75, 80..82]);
        let at = CUTTER.place(0, &loud_with_gap(43_000..46_000), Some(&voicing));
        assert_eq!(at, 145 * endpoint::WINDOW_SAMPLES / 2);
    }

    #[test]
    fn speech_without_a_pause_is_cut_where_it_is_quietest() {
        let at = CUTTER.place(0, &loud_with_gap(43_000..46_000), Some(&voiced_but_for(&[])));
        assert!((43_000..46_000).contains(&at), "{at}");
    }
}
