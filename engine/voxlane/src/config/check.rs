//! Which values are in range and fit each other.

use super::{Config, EndpointConfig, LaneConfig, SegmentConfig, TurnRule};
use std::fmt::Display;

/// A value that is out of range or does not fit another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: {rule}")]
pub struct InvalidField {
    /// The field, with the table that it is in.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// The rule that it breaks. Names the other field if it is about two.
    pub rule: String,
    /// The other field, if the rule is about two.
    pub other: Option<&'static str>,
    /// The lane whose field it is, counted from 0.
    pub lane: Option<usize>,
}

/// A field and its value.
type Field<T> = (&'static str, T);

/// What is wrong with `value`, which must be within `least` and `most`.
fn range<T: PartialOrd + Display>((field, value): Field<T>, least: T, most: T) -> Option<InvalidField> {
    // Not a number is in no range.
    let is_within = least <= value && value <= most;
    (!is_within).then(|| fault(field, &value, format!("must be from {least} to {most}")))
}

/// What is wrong with a share: more than 0, and less than 1.
fn share((field, value): Field<f32>) -> Option<InvalidField> {
    let is_share = value > 0.0 && value < 1.0;
    (!is_share).then(|| fault(field, value, "must be more than 0 and less than 1".to_owned()))
}

/// What is wrong with a value that must be more than 0 and at most `most`.
fn positive<T: PartialOrd + Display + Default>((field, value): Field<T>, most: T) -> Option<InvalidField> {
    let is_within = T::default() < value && value <= most;
    (!is_within).then(|| fault(field, &value, format!("must be more than 0 and at most {most}")))
}

/// What is wrong with a value that must be at least another.
fn at_least<T: PartialOrd + Display>(
    (field, value): Field<T>,
    (other, least): Field<T>,
) -> Option<InvalidField> {
    let is_within = value >= least;
    let rule = || format!("must be at least {other} ({least})");
    (!is_within).then(|| InvalidField { other: Some(other), ..fault(field, &value, rule()) })
}

/// What is wrong with a value that must be at most another.
fn at_most<T: PartialOrd + Display>(
    (field, value): Field<T>,
    (other, most): Field<T>,
) -> Option<InvalidField> {
    let is_within = value <= most;
    let rule = || format!("must be at most {other} ({most})");
    (!is_within).then(|| InvalidField { other: Some(other), ..fault(field, &value, rule()) })
}

fn fault(field: &'static str, value: impl Display, rule: String) -> InvalidField {
    InvalidField { field, value: value.to_string(), rule, other: None, lane: None }
}

impl Config {
    /// Returns the first value that is out of range or does not fit another, if there is one.
    pub fn fault(&self) -> Option<InvalidField> {
        let none = || Some(fault("lane", "[]", "must be at least one".to_owned()));
        if self.lanes.is_empty() {
            return none();
        }
        let lane_fault =
            |(number, lane): (usize, &LaneConfig)| Some(InvalidField { lane: Some(number), ..lane.fault()? });
        let (device, warm) = (&self.device, &self.warm);
        self.lanes
            .iter()
            .enumerate()
            .find_map(lane_fault)
            .or_else(|| range(("device.batch", device.batch), 1, 1024))
            .or_else(|| range(("device.steps_in_flight", device.steps_in_flight), 1, 4))
            .or_else(|| self.segment.fault())
            .or_else(|| self.watchdog_fault())
            .or_else(|| range(("supervise.restart_window_s", self.supervise.restart_window_s), 1, 31_536_000))
            .or_else(|| self.endpoint.fault())
            .or_else(|| positive(("hotword_cap", self.hotword_cap), 10_000.0))
            .or_else(|| positive(("warm.duty", warm.duty), 1.0))
    }

    /// A thread shows that it lives once a round: at most five stages of a step each. Twice that is no hang.
    fn watchdog_fault(&self) -> Option<InvalidField> {
        const STEPS: u64 = 10;
        let (field, other) = ("supervise.watchdog_ms", "lane.step_us");
        let watchdog = self.supervise.watchdog_ms;
        let slowest = self.lanes.iter().enumerate().max_by_key(|(_, lane)| lane.step_us);
        let rounds = || {
            let (number, step) = slowest.map(|(number, lane)| (number, lane.step_us))?;
            let least = (step * STEPS).div_ceil(1000);
            let rule = format!("must be at least {STEPS} × {other} ({step} µs), which is {least}");
            (watchdog < least).then(|| InvalidField {
                other: Some(other),
                lane: Some(number),
                ..fault(field, watchdog, rule)
            })
        };
        range((field, watchdog), 200, 600_000).or_else(rounds)
    }
}

impl SegmentConfig {
    /// Returns the first value that is out of range or does not fit another, if there is one.
    pub fn fault(&self) -> Option<InvalidField> {
        let (from, by) = (self.cut_from_s, self.cut_by_s);
        let (field, other) = ("segment.cut_from_s", "segment.cut_by_s");
        let window = || {
            let is_within = (0.0..=by - 0.5).contains(&from);
            let rule = format!("must be from 0 to {other} - 0.5 ({})", by - 0.5);
            (!is_within).then(|| InvalidField { other: Some(other), ..fault(field, from, rule) })
        };
        range((other, by), 1.0, 3600.0).or_else(window)
    }
}

impl LaneConfig {
    /// The first value that is out of range, if there is one.
    fn fault(&self) -> Option<InvalidField> {
        range(("lane.slots", self.slots), 1, 4096)
            .or_else(|| range(("lane.audio_ms", self.audio_ms), 40, 600_000))
            .or_else(|| range(("lane.events", self.events), 32, 65_536))
            .or_else(|| range(("lane.step_us", self.step_us), 10, 1_000_000))
    }
}

impl EndpointConfig {
    /// Returns the first value that is out of range or does not fit another, if there is one.
    pub fn fault(&self) -> Option<InvalidField> {
        let silence = ("endpoint.silence_ms", self.silence_ms);
        let threshold = ("endpoint.threshold", self.threshold);
        let release = ("endpoint.release", self.release);
        let trail = ("endpoint.trail_ms", self.trail_ms);
        let without_speech = ("endpoint.silence_without_speech_ms", self.silence_without_speech_ms);
        share(threshold)
            .or_else(|| share(release))
            .or_else(|| at_most(release, threshold))
            .or_else(|| range(("endpoint.onset_ms", self.onset_ms), 1, 1000))
            .or_else(|| range(("endpoint.lead_ms", self.lead_ms), 0, 2000))
            .or_else(|| range(silence, 32, 10_000))
            .or_else(|| at_most(trail, silence))
            .or_else(|| range(("endpoint.silence_max_ms", self.silence_max_ms), 0, 10_000))
            .or_else(|| share(("endpoint.turn_threshold", self.turn_threshold)))
            .or_else(|| share(("endpoint.text_threshold", self.text_threshold)))
            .or_else(|| range(("endpoint.eager_threshold", self.eager_threshold), 0.0, 1.0))
            .or_else(|| self.eager_fault())
            .or_else(|| range(("endpoint.context_s", self.context_s), 0, 60))
            .or_else(|| range(("endpoint.blank_ms", self.blank_ms), 0, 10_000))
            .or_else(|| range(("endpoint.speech_ms", self.speech_ms), 0, 10_000))
            .or_else(|| range(("endpoint.join_s", self.join_s), 0, 60))
            .or_else(|| range(("endpoint.join_silence_ms", self.join_silence_ms), 0, 10_000))
            .or_else(|| range(without_speech, 32, 60_000))
            .or_else(|| at_least(without_speech, silence))
    }

    /// Nobody can say that a turn is over where nobody is asked.
    fn eager_fault(&self) -> Option<InvalidField> {
        let is_asked = self.turn != TurnRule::Off || self.eager_threshold == 0.0;
        let rule = || "must be 0 where endpoint.turn is \"off\"".to_owned();
        (!is_asked).then(|| InvalidField {
            other: Some("endpoint.turn"),
            ..fault("endpoint.eager_threshold", self.eager_threshold, rule())
        })
    }
}
