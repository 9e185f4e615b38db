//! HdrHistogram interval logs, version 2: one file an experiment, one line a distribution.

use super::outcome::Outcome;
use anyhow::{Context as _, Result};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::io::Write;
use std::time::{Duration, SystemTime};

/// Writes the distributions of `outcome`; the tags are `group.name` with everything but letters and digits as `_`.
///
/// # Errors
/// If `out` cannot be written to or a distribution is damaged.
pub fn write(outcome: &Outcome, out: &mut impl Write) -> Result<()> {
    let elapsed = Duration::from_secs_f64(outcome.seconds);
    let start = SystemTime::now().checked_sub(elapsed).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&format!("voxlane lab, {}: nanoseconds", outcome.name))
        .with_start_time(start)
        .begin_log_with(out, &mut serializer)?;
    for group in &outcome.groups {
        for member in &group.members {
            let name = tag(&format!("{}.{}", group.title, member.name));
            let tag = Tag::new(&name).context("a tag of letters and digits")?;
            log.write_histogram(&member.histogram()?, Duration::ZERO, elapsed, Some(tag))
                .map_err(|error| anyhow::anyhow!("{name}: {error:?}"))?;
        }
    }
    Ok(())
}

fn tag(name: &str) -> String {
    name.chars().map(|letter| if letter.is_alphanumeric() || letter == '.' { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::distribution::{Distribution, histogram, record};
    use super::super::outcome::Unit;
    use super::*;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn every_distribution_is_a_line_that_can_be_read_back() {
        let mut values = histogram();
        (1..=100).for_each(|value| record(&mut values, value));
        let mut outcome = Outcome { name: "test".into(), seconds: 1.5, ..Outcome::default() };
        let member = |name: &str| Distribution::of(name, &values).unwrap();
        outcome.group("of two", Unit::Nanoseconds, vec![member("the first"), member("the second")]);
        let mut log = Vec::new();
        write(&outcome, &mut log).unwrap();
        let tags: Vec<String> = IntervalLogIterator::new(&log)
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(interval) => Some(interval.tag().unwrap().as_str().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(tags, ["of_two.the_first", "of_two.the_second"]);
    }
}
