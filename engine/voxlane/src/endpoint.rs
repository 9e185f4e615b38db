//! Endpointing: from the probability of speech in each window to where segments begin and end.
//!
//! A pure function of the windows in order, all in samples of the stream: load and chunking change nothing.

use crate::audio::ENGINE_RATE_HZ;
use crate::config::{EndpointConfig, TurnRule};
use crate::message::EndCause;
use voxlane_models::voice::VOICE_FRAME_SAMPLES;

/// The length of one window.
pub(crate) const WINDOW_SAMPLES: u64 = VOICE_FRAME_SAMPLES as u64;

/// What a window decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing.
    None,
    /// A segment begins at this sample.
    Start { at: u64 },
    /// Silence has begun: should the segment end, it ends at `end`. Where a short silence is not enough, it must be known
    /// whether the speaker has finished.
    Speculate { end: u64, asks: bool },
    /// It must be known now: nothing goes on before [`Endpointer::hear`].
    Wait,
    /// Speech goes on after a pause in which that was asked: the answer does not matter any more.
    Resume,
    /// The segment ends.
    End { end: u64, speech_end: u64, cause: EndCause },
}

/// Follows one stream.
#[derive(Clone, Debug)]
pub(crate) struct Endpointer {
    rules: EndpointConfig,
    phase: Phase,
    /// The latest window was voiced.
    is_voiced: bool,
    /// Samples before this one belong to earlier segments.
    free_from: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No segment is open; windows have been voiced since `since`, if the latest was.
    Closed { since: Option<u64> },
    /// A segment is open.
    Open(Speech),
}

#[derive(Clone, Copy, Debug)]
struct Speech {
    /// The segment's first sample.
    start: u64,
    /// The sample after the last voiced window.
    voiced_end: u64,
    /// Voiced samples of the segment.
    voiced: u64,
    pause: Pause,
}

/// What has come of the silence since the last voiced window.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    /// Where the segment ends if it does: that has been said.
    end: Option<u64>,
    /// Whether the speaker has finished was asked.
    is_asked: bool,
    /// The answer.
    is_finished: Option<bool>,
}

fn samples(ms: u16) -> u64 {
    u64::from(ms) * u64::from(ENGINE_RATE_HZ) / 1000
}

impl Endpointer {
    pub(crate) fn new(rules: EndpointConfig) -> Self {
        Endpointer { rules, phase: Phase::Closed { since: None }, is_voiced: false, free_from: 0 }
    }

    /// Whether a segment is open.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Whether the latest window was voiced.
    pub(crate) fn is_voiced(&self) -> bool {
        self.is_voiced
    }

    /// The segment has been ended at `end` by something else than silence; none is open now.
    pub(crate) fn close(&mut self, end: u64) {
        self.phase = Phase::Closed { since: None };
        self.free_from = end;
    }

    /// The segment has been cut at the sample `at`, with `voiced` voiced samples since: they open the next one. In
    /// silence none is open.
    pub(crate) fn cut(&mut self, at: u64, voiced: u64) {
        let has_speech = self.is_voiced || voiced > 0;
        match &mut self.phase {
            Phase::Open(speech) if has_speech => {
                (speech.start, speech.voiced, speech.pause) = (at, voiced, Pause::default());
                self.free_from = at;
            }
            _ => self.close(at),
        }
    }

    /// Where speech ended if it has, and where its segment then ends: for a stream that ends at `now`.
    pub(crate) fn end_by(&self, now: u64) -> (u64, u64) {
        match self.phase {
            Phase::Open(speech) if !self.is_voiced => {
                let speech_end = speech.voiced_end.clamp(speech.start, now);
                let end = speech.pause.end.unwrap_or(speech_end + samples(self.rules.trail_ms));
                (end.min(now), speech_end)
            }
            _ => (now, now),
        }
    }

    /// Takes the next window, which begins at sample `start`, and its probability of speech.
    pub(crate) fn judge(&mut self, start: u64, probability: f32) -> Decision {
        let rules = self.rules;
        let goes_on = self.is_open() && self.is_voiced;
        self.is_voiced = probability >= if goes_on { rules.release } else { rules.threshold };
        let end = start + WINDOW_SAMPLES;
        match &mut self.phase {
            Phase::Closed { since } if !self.is_voiced => {
                *since = None;
                Decision::None
            }
            Phase::Closed { since } => {
                let since = *since.get_or_insert(start);
                let voiced = end - since;
                if voiced < samples(rules.onset_ms) {
                    return Decision::None;
                }
                let at = since.saturating_sub(samples(rules.lead_ms)).max(self.free_from);
                self.phase =
                    Phase::Open(Speech { start: at, voiced_end: end, voiced, pause: Pause::default() });
                Decision::Start { at }
            }
            Phase::Open(speech) if self.is_voiced => {
                speech.voiced += WINDOW_SAMPLES;
                speech.voiced_end = end;
                let pause = std::mem::take(&mut speech.pause);
                if pause.is_asked { Decision::Resume } else { Decision::None }
            }
            Phase::Open(_) => self.silence(end),
        }
    }

    /// Whether the speaker has finished, by what was heard up to `now`, the end of the latest window.
    pub(crate) fn hear(&mut self, now: u64, is_finished: bool) -> Decision {
        match &mut self.phase {
            Phase::Open(speech) if speech.pause.is_asked => speech.pause.is_finished = Some(is_finished),
            _ => return Decision::None,
        }
        self.silence(now)
    }

    /// A segment is open and the window up to `now` is silent.
    fn silence(&mut self, now: u64) -> Decision {
        let rules = self.rules;
        let Phase::Open(speech) = &mut self.phase else { return Decision::None };
        let silence = now - speech.voiced_end;
        // A cut may have come after the last voiced window.
        let speech_end = speech.voiced_end.max(speech.start);
        let Silences { least, most } = speech.silences(&rules);
        let asks = most > least;
        if speech.pause.end.is_none() && silence >= speculation(&rules, least, asks) && silence < most {
            let end = (speech_end + samples(rules.trail_ms)).min(now);
            speech.pause = Pause { end: Some(end), is_asked: asks, is_finished: None };
            return Decision::Speculate { end, asks };
        }
        let cause = match speech.pause.is_finished {
            _ if silence < least => return Decision::None,
            None if speech.pause.is_asked => return Decision::Wait,
            Some(true) if silence < most => EndCause::EndOfTurn,
            _ if silence >= most => EndCause::Silence,
            _ => return Decision::None,
        };
        let end = speech.pause.end.unwrap_or((speech_end + samples(rules.trail_ms)).min(now));
        self.close(end);
        Decision::End { end, speech_end, cause }
    }
}

/// After how much silence it is said where the segment would end, and asked whether the speaker has finished, where
/// that is asked: before a silence of `least` has passed.
fn speculation(rules: &EndpointConfig, least: u64, asks: bool) -> u64 {
    let at = match rules.speculate_ms {
        0 => u64::MAX,
        ms => samples(ms.max(rules.trail_ms)),
    };
    if asks { at.min(least.saturating_sub(WINDOW_SAMPLES)) } else { at }
}

/// How long silence may be within a segment, in samples.
struct Silences {
    /// The shortest that ends it, where the speaker has finished.
    least: u64,
    /// The shortest that ends it in any case.
    most: u64,
}

impl Speech {
    fn silences(&self, rules: &EndpointConfig) -> Silences {
        let length = self.voiced_end.saturating_sub(self.start);
        let is_short = length < u64::from(rules.join_s) * u64::from(ENGINE_RATE_HZ);
        let least = if is_short { rules.silence_ms.max(rules.join_silence_ms) } else { rules.silence_ms };
        if self.voiced < samples(rules.speech_ms) {
            let least = samples(least.max(rules.silence_without_speech_ms));
            return Silences { least, most: least };
        }
        let most = if rules.turn == TurnRule::Off { least } else { least.max(rules.silence_max_ms) };
        Silences { least: samples(least), most: samples(most) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decisions other than none, with the number of the window that made them.
    fn decisions(rules: EndpointConfig, probabilities: &[f32]) -> Vec<(usize, Decision)> {
        let mut endpointer = Endpointer::new(rules);
        (probabilities.iter().enumerate())
            .map(|(i, &p)| (i, endpointer.judge(i as u64 * WINDOW_SAMPLES, p)))
            .filter(|(_, decision)| *decision != Decision::None)
            .collect()
    }

    fn windows(parts: &[(usize, f32)]) -> Vec<f32> {
        parts.iter().flat_map(|&(count, p)| vec![p; count]).collect()
    }

    #[test]
    fn speech_opens_and_silence_closes_where_the_rules_say() {
        let rules = EndpointConfig::default();
        let found = decisions(rules, &windows(&[(20, 0.05), (30, 0.9), (20, 0.05)]));
        let speech_end = 50 * WINDOW_SAMPLES;
        let end = speech_end + 1600;
        assert_eq!(
            found,
            [
                (21, Decision::Start { at: 20 * WINDOW_SAMPLES - 3200 }),
                (53, Decision::Speculate { end, asks: false }),
                (59, Decision::End { end, speech_end, cause: EndCause::Silence }),
            ]
        );
    }

    #[test]
    fn a_pause_is_speculated_upon_and_speech_may_go_on() {
        let found =
            decisions(EndpointConfig::default(), &windows(&[(10, 0.9), (6, 0.05), (5, 0.9), (20, 0.0)]));
        let kinds: Vec<bool> = found.iter().map(|(_, d)| matches!(d, Decision::Speculate { .. })).collect();
        assert_eq!(kinds, [false, true, true, false]);
    }

    #[test]
    fn a_single_window_opens_nothing_and_a_dip_above_the_release_is_speech() {
        let rules = EndpointConfig::default();
        assert_eq!(decisions(rules, &windows(&[(5, 0.1), (1, 0.9), (5, 0.1), (1, 0.99), (9, 0.05)])), []);
        let found = decisions(rules, &windows(&[(3, 0.9), (30, 0.2), (9, 0.05)]));
        assert_eq!(found.len(), 2, "start and speculation: {found:?}");
    }

    #[test]
    fn little_speech_waits_longer() {
        let rules = EndpointConfig::default();
        let found = decisions(rules, &windows(&[(3, 0.9), (30, 0.05)]));
        let Some((window, Decision::End { .. })) = found.last() else { panic!("{found:?}") };
        assert_eq!(*window, 3 + 18);
    }

    /// A segment of thirty voiced windows, silence, and the answer to whether the speaker has finished.
    fn turn(rules: EndpointConfig, silent: usize, is_finished: bool) -> Vec<(usize, Decision)> {
        let mut endpointer = Endpointer::new(rules);
        let mut found = Vec::new();
        for (i, p) in windows(&[(30, 0.9), (silent, 0.05), (4, 0.9)]).into_iter().enumerate() {
            let now = (i as u64 + 1) * WINDOW_SAMPLES;
            let mut decision = endpointer.judge(now - WINDOW_SAMPLES, p);
            if decision == Decision::Wait {
                found.push((i, decision));
                decision = endpointer.hear(now, is_finished);
            }
            if decision != Decision::None {
                found.push((i, decision));
            }
        }
        found
    }

    #[test]
    fn a_finished_turn_ends_after_the_short_silence_and_another_after_the_long_one() {
        let rules = EndpointConfig { turn: TurnRule::Both, trail_ms: 200, ..EndpointConfig::default() };
        let (speech_end, end) = (30 * WINDOW_SAMPLES, 30 * WINDOW_SAMPLES + 3200);
        let ending = |cause| Decision::End { end, speech_end, cause };
        let asked = [(1, Decision::Start { at: 0 }), (36, Decision::Speculate { end, asks: true })];
        let finished = turn(rules, 30, true);
        assert_eq!(finished[..2], asked);
        assert_eq!(finished[2..4], [(39, Decision::Wait), (39, ending(EndCause::EndOfTurn))]);
        let unfinished = turn(rules, 30, false);
        assert_eq!(unfinished[2..4], [(39, Decision::Wait), (51, ending(EndCause::Silence))]);
        // Once asked it is not asked again in the same pause, and speech makes the answer worthless.
        assert_eq!(turn(rules, 15, false)[2..], [(39, Decision::Wait), (45, Decision::Resume)]);
        assert_eq!(turn(rules, 8, true)[2..], [(38, Decision::Resume)]);
    }

    #[test]
    fn a_turn_is_asked_about_before_the_short_silence_is_over_whatever_else_the_rules_say() {
        for (silence_ms, trail_ms, speculate_ms) in
            [(32, 0, 0), (300, 300, 0), (300, 100, 1000), (64, 64, 64)]
        {
            let rules = EndpointConfig {
                turn: TurnRule::Text,
                silence_ms,
                trail_ms,
                speculate_ms,
                ..EndpointConfig::default()
            };
            let found = turn(rules, 30, true);
            let Decision::Speculate { end, asks: true } = found[1].1 else { panic!("{found:?}") };
            let Decision::End { end: ended, cause: EndCause::EndOfTurn, .. } = found[3].1 else {
                panic!("{found:?}")
            };
            assert_eq!(end, ended, "what was begun is what ends");
            assert_eq!(found[3].0, 30 + usize::from(silence_ms).div_ceil(32).max(2) - 1);
        }
    }

    #[test]
    fn a_stream_that_ends_in_silence_ends_where_its_segment_would_have() {
        let mut endpointer = Endpointer::new(EndpointConfig::default());
        for (i, p) in windows(&[(10, 0.9), (6, 0.05)]).into_iter().enumerate() {
            endpointer.judge(i as u64 * WINDOW_SAMPLES, p);
        }
        let speech_end = 10 * WINDOW_SAMPLES;
        assert_eq!(endpointer.end_by(16 * WINDOW_SAMPLES + 100), (speech_end + 1600, speech_end));
        assert_eq!(endpointer.end_by(speech_end + 10), (speech_end + 10, speech_end));
    }
}
