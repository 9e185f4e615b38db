//! What is wrong with the signal itself: a microphone that is dead, or one that is turned up too far.

use crate::audio::ENGINE_RATE_HZ;
use crate::protocol::Notice;

/// Digital silence for this long is reported: no analog input is that quiet.
const NO_AUDIO_SAMPLES: u64 = 2 * ENGINE_RATE_HZ as u64;
/// Samples at least this large count as clipped: full scale, less what a resampling filter takes off.
const CLIPPED: u16 = 32_700;
/// Clipping is reported when this share of a second's samples is clipped: 1 in 100. Loud speech touches full
/// scale now and then.
const CLIPPED_SHARE: u64 = 100;

/// Watches one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalMonitor {
    silent: u64,
    seen: u64,
    clipped: u64,
}

impl SignalMonitor {
    /// Takes the stream's next samples. Each condition is reported once: no audio until there is some again,
    /// clipping at most once a second.
    pub(crate) fn push(&mut self, samples: &[i16]) -> Option<Notice> {
        let was_silent = self.silent >= NO_AUDIO_SAMPLES;
        let trailing = samples.iter().rev().take_while(|sample| sample.unsigned_abs() <= 1).count();
        self.silent = if trailing == samples.len() { self.silent } else { 0 } + trailing as u64;
        self.clipped += samples.iter().filter(|sample| sample.unsigned_abs() >= CLIPPED).count() as u64;
        self.seen += samples.len() as u64;
        if self.silent >= NO_AUDIO_SAMPLES && !was_silent {
            return Some(Notice::NoAudio);
        }
        if self.seen < u64::from(ENGINE_RATE_HZ) {
            return None;
        }
        let is_clipping = self.clipped * CLIPPED_SHARE >= self.seen;
        (self.seen, self.clipped) = (0, 0);
        is_clipping.then_some(Notice::Clipping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notices(samples: &[i16]) -> Vec<Notice> {
        let mut monitor = SignalMonitor::default();
        samples.chunks(512).filter_map(|chunk| monitor.push(chunk)).collect()
    }

    #[test]
    fn a_dead_microphone_is_told_once_until_it_lives() {
        let mut samples = vec![0i16; 100_000];
        assert_eq!(notices(&samples), [Notice::NoAudio]);
        samples[50_000] = 200;
        assert_eq!(notices(&samples), [Notice::NoAudio, Notice::NoAudio]);
        samples[20_000] = 9;
        samples[80_000] = 9;
        assert_eq!(notices(&samples[..90_000]), []);
    }

    #[test]
    fn a_loud_word_is_no_clipping_but_a_loud_second_is() {
        let loud = |every: usize| -> Vec<i16> {
            (0..16_000).map(|i| if i % every == 0 { i16::MAX } else { 2000 }).collect()
        };
        assert_eq!(notices(&loud(1000)), []);
        assert_eq!(notices(&[loud(50), loud(50)].concat()).first(), Some(&Notice::Clipping));
    }
}
