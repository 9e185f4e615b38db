//! The regression gate: a run against a stored baseline.
//!
//! Times are divided by the calibration that was measured beside them, so that a baseline holds on another or a noisier
//! machine: computing by a chain of multiplications, hops by a bare cache line. A component more than 20 % slower
//! fails, the whole path more than 10 % slower is a warning, memory fails above its own budget. A figure of the
//! baseline that the run lacks fails.

use super::outcome::Calibration;
use super::outcome::{Figure, Report, Role};
use super::table::number;
use std::fmt;

/// A component may be this many times as slow.
const COMPONENT: f64 = 1.2;
/// The whole path may be this many times as slow before it is a warning.
const WHOLE: f64 = 1.1;

/// How a figure came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within its limit.
    Pass,
    /// Worth a look.
    Warn,
    /// A regression.
    Fail,
}

/// One figure, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The figure's name.
    pub name: String,
    /// In words: the values and the ratio.
    pub text: String,
    /// How it came out.
    pub verdict: Verdict,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        write!(f, "{word}  {}: {}", self.name, self.text)
    }
}

/// Judges every figure of the baseline, and the memory of what is new.
pub fn judge(baseline: &Report, run: &Report) -> Vec<Judged> {
    let mut judged = Vec::new();
    for (old, old_calibration) in baseline.figures() {
        let now = run.figures().find(|(figure, _)| figure.name == old.name);
        judged.push(now.map_or_else(
            || Judged {
                name: old.name.clone(),
                text: "the run has no such figure".into(),
                verdict: Verdict::Fail,
            },
            |(figure, calibration)| compare(old, old_calibration, figure, calibration),
        ));
    }
    for (figure, calibration) in run.figures() {
        if !baseline.figures().any(|(old, _)| old.name == figure.name) {
            judged.push(compare(figure, calibration, figure, calibration));
        }
    }
    judged
}

/// The better of two judgements of each figure. A regression shows every time; a busy moment does not.
pub fn better(first: Vec<Judged>, second: &[Judged]) -> Vec<Judged> {
    let rank = |verdict: Verdict| verdict as u8;
    first
        .into_iter()
        .map(|judged| {
            let again = second.iter().find(|other| other.name == judged.name);
            match again {
                Some(again) if rank(again.verdict) < rank(judged.verdict) => again.clone(),
                _ => judged,
            }
        })
        .collect()
}

/// Whether anything failed.
pub fn has_failed(judged: &[Judged]) -> bool {
    judged.iter().any(|figure| figure.verdict == Verdict::Fail)
}

fn compare(old: &Figure, old_calibration: &Calibration, now: &Figure, calibration: &Calibration) -> Judged {
    let judged = |text, verdict| Judged { name: now.name.clone(), text, verdict };
    let (unit, limit, beyond) = match now.role {
        Role::Memory { budget } => {
            let verdict = if now.value > budget as f64 { Verdict::Fail } else { Verdict::Pass };
            let [value, budget] = [now.value, budget as f64].map(|bytes| number(bytes / (1 << 20) as f64));
            return judged(format!("{value} MiB of {budget}"), verdict);
        }
        Role::Hop => ((old_calibration.hop, calibration.hop), COMPONENT, Verdict::Fail),
        Role::Component => {
            ((Some(old_calibration.compute), Some(calibration.compute)), COMPONENT, Verdict::Fail)
        }
        Role::Whole => ((Some(old_calibration.compute), Some(calibration.compute)), WHOLE, Verdict::Warn),
    };
    let (Some(old_unit), Some(unit)) = unit else {
        return judged("there is no calibration for it".into(), Verdict::Fail);
    };
    let ratio = (now.value / unit) / (old.value / old_unit);
    let verdict = if ratio > limit || !ratio.is_finite() { beyond } else { Verdict::Pass };
    let [before, after, ratio] = [old.value, now.value, ratio].map(number);
    judged(format!("{before} ns before, {after} ns now, {ratio} times after calibration"), verdict)
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::report_with;
    use super::*;

    fn verdicts(baseline: &[(&str, f64, Role)], run: &[(&str, f64, Role)], slowdown: f64) -> Vec<Verdict> {
        let report = |figures: &[(&str, f64, Role)], compute: f64| {
            let mut report = report_with(compute, 100);
            report.experiments[0].calibration.hop = Some(compute / 10.0);
            for &(name, value, role) in figures {
                report.experiments[0].figure(name, Some(value), role);
            }
            report
        };
        let judged = judge(&report(baseline, 1_000.0), &report(run, 1_000.0 * slowdown));
        judged.into_iter().map(|figure| figure.verdict).collect()
    }

    #[test]
    fn components_fail_and_the_whole_warns_beyond_their_limits() {
        let old = [("a", 100.0, Role::Component), ("b", 100.0, Role::Hop), ("c", 100.0, Role::Whole)];
        let at = |value: f64| old.map(|(name, _, role)| (name, value, role));
        assert_eq!(verdicts(&old, &at(109.0), 1.0), [Verdict::Pass; 3]);
        assert_eq!(verdicts(&old, &at(115.0), 1.0), [Verdict::Pass, Verdict::Pass, Verdict::Warn]);
        assert_eq!(verdicts(&old, &at(125.0), 1.0), [Verdict::Fail, Verdict::Fail, Verdict::Warn]);
    }

    #[test]
    fn a_slower_machine_is_no_regression_and_a_faster_one_hides_none() {
        let old = [("a", 100.0, Role::Component)];
        assert_eq!(verdicts(&old, &[("a", 200.0, Role::Component)], 2.0), [Verdict::Pass]);
        assert_eq!(verdicts(&old, &[("a", 100.0, Role::Component)], 0.5), [Verdict::Fail]);
    }

    #[test]
    fn what_passes_once_passes() {
        let judged = |verdict, text: &str| vec![Judged { name: "a".into(), text: text.into(), verdict }];
        let found = better(judged(Verdict::Fail, "slow"), &judged(Verdict::Pass, "fast"));
        assert_eq!(found, judged(Verdict::Pass, "fast"));
        let found = better(judged(Verdict::Warn, "slow"), &judged(Verdict::Fail, "slower"));
        assert_eq!(found, judged(Verdict::Warn, "slow"));
        assert_eq!(better(judged(Verdict::Fail, "slow"), &[]), judged(Verdict::Fail, "slow"));
    }

    #[test]
    fn memory_has_a_budget_and_what_is_missing_fails() {
        let role = Role::Memory { budget: 1_000 };
        assert_eq!(verdicts(&[], &[("m", 1_001.0, role)], 1.0), [Verdict::Fail]);
        assert_eq!(verdicts(&[("m", 10.0, role)], &[("m", 1_000.0, role)], 1.0), [Verdict::Pass]);
        let judged = verdicts(&[("a", 1.0, Role::Hop)], &[], 1.0);
        assert_eq!(judged, [Verdict::Fail]);
    }
}
