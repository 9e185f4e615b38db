//! Reports of what lanes have measured, stage by stage: as a table and as an HdrHistogram log.

use super::recorder::StageHistograms;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

/// The quantiles in tables, with their names.
pub const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// The measurements of one stage of one lane.
#[derive(Clone, Debug)]
pub struct StageReport {
    /// The lane's number.
    pub lane: usize,
    /// The stage's name.
    pub stage: &'static str,
    /// The measurements since the lane first started, or in a [window](Report::since).
    pub histograms: StageHistograms,
}

/// The measurements of lanes since they first started, or in a [window](Report::since).
///
/// ```
/// use voxlane_runtime::telemetry::{Report, SERVICE, STAGE_MEASURES, StageReport};
/// # use voxlane_runtime::{eventcount::Waiter, telemetry::recorder::recorder, telemetry::StageHistograms};
///
/// # let (mut recorder, mut reader) = recorder(STAGE_MEASURES, Waiter::fenced().notifier());
/// # recorder.record(SERVICE, 1_500_000);
/// # reader.request();
/// # recorder.answer(0);
/// # let mut histograms = StageHistograms::new(STAGE_MEASURES);
/// # assert!(reader.collect(&mut histograms));
/// // As a pipeline or a supervisor reports it: one message took the stage 1.5 ms.
/// let report = Report { stages: vec![StageReport { lane: 0, stage: "parse", histograms }], ..Report::default() };
/// assert_eq!(report.to_string().lines().count(), 3, "a table: a heading, queue and service");
///
/// let sum = "voxlane_stage_seconds_count{lane=\"0\",stage=\"parse\",measure=\"service\"} 1";
/// assert!(report.prometheus().contains(sum));
/// // Nothing has come since.
/// assert_eq!(report.since(&report).stages[0].histograms.get(SERVICE).len(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every stage of every lane, in order.
    pub stages: Vec<StageReport>,
    /// Dummy passes that ran to their end while lanes were idle.
    pub warm_passes: u64,
    /// The number of times that lanes have been restarted.
    pub restarts: u32,
    /// The number of times that a lane's thread did not get the processor time to finish a round within the watchdog time.
    /// Nothing was lost.
    pub starvations: u64,
    /// Threads that were wedged and given up.
    pub abandoned_threads: usize,
    /// Lanes that are down: service is degraded if there are any.
    pub lanes_down: usize,
}

impl Report {
    /// Returns what was measured after `earlier`, an earlier report of the same lanes: each reader keeps its last
    /// report and so has its own window. `lanes_down` is the current number.
    pub fn since(&self, earlier: &Report) -> Report {
        let before = |stage: &StageReport| {
            earlier.stages.iter().find(|other| (other.lane, other.stage) == (stage.lane, stage.stage))
        };
        let window = |stage: &StageReport| StageReport {
            histograms: match before(stage) {
                Some(other) => stage.histograms.since(&other.histograms),
                None => stage.histograms.clone(),
            },
            ..*stage
        };
        Report {
            stages: self.stages.iter().map(window).collect(),
            warm_passes: self.warm_passes.saturating_sub(earlier.warm_passes),
            restarts: self.restarts.saturating_sub(earlier.restarts),
            starvations: self.starvations.saturating_sub(earlier.starvations),
            abandoned_threads: self.abandoned_threads.saturating_sub(earlier.abandoned_threads),
            lanes_down: self.lanes_down,
        }
    }

    /// Returns every histogram with its lane, stage and measure; those that are not always reported only if they hold something.
    pub fn histograms(&self) -> impl Iterator<Item = (usize, &'static str, &'static str, &Histogram<u64>)> {
        self.stages.iter().flat_map(|StageReport { lane, stage, histograms }| {
            let measures = histograms.measures();
            measures
                .names
                .iter()
                .enumerate()
                .map(|(number, measure)| (number, *measure, histograms.get(number)))
                .filter(move |(number, _, histogram)| *number < measures.always || !histogram.is_empty())
                .map(|(_, measure, histogram)| (*lane, *stage, measure, histogram))
        })
    }

    /// Writes every histogram as one line of an HdrHistogram interval log, version 2: values in nanoseconds,
    /// tags `lane0.encoder.service`. Needs `elapsed`, the length of the interval.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn write_hlog(&self, out: &mut impl Write, elapsed: Duration) -> io::Result<()> {
        let mut serializer = V2DeflateSerializer::new();
        let start = SystemTime::now().checked_sub(elapsed).unwrap_or(SystemTime::UNIX_EPOCH);
        let other = |error: &dyn fmt::Debug| io::Error::other(format!("{error:?}"));
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment("voxlane: nanoseconds")
            .with_start_time(start)
            .begin_log_with(out, &mut serializer)?;
        for (lane, stage, measure, histogram) in self.histograms() {
            let name = format!("lane{lane}.{stage}.{measure}").replace([' ', ','], "_");
            let tag = Tag::new(&name).ok_or_else(|| io::Error::other("a tag with a comma or a space"))?;
            log.write_histogram(histogram, Duration::ZERO, elapsed, Some(tag)).map_err(|e| other(&e))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    /// A table in milliseconds. A quantile that the sample count does not carry is shown as `-`: p99 needs
    /// 1,000 samples, p99.9 needs 10,000.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<5}{:<10}{:<6}{:<22}", "lane", "stage", "core", "milliseconds")?;
        for (name, _) in QUANTILES {
            write!(f, "{name:>10}")?;
        }
        writeln!(f, "{:>10}{:>9}", "max", "count")?;
        for (lane, stage, measure, histogram) in self.histograms() {
            let core = self
                .stages
                .iter()
                .find(|report| report.lane == lane && report.stage == stage)
                .and_then(|report| report.histograms.core)
                .map_or_else(|| "?".to_owned(), |core| core.to_string());
            write!(f, "{lane:<5}{:<10}{core:<6}{:<22}", stage, measure)?;
            for (_, quantile) in QUANTILES {
                if carries(histogram.len(), quantile) {
                    write!(f, "{:>10.3}", histogram.value_at_quantile(quantile) as f64 / 1e6)?;
                } else {
                    write!(f, "{:>10}", "-")?;
                }
            }
            if histogram.is_empty() {
                writeln!(f, "{:>10}{:>9}", "-", 0)?;
            } else {
                writeln!(f, "{:>10.3}{:>9}", histogram.max() as f64 / 1e6, histogram.len())?;
            }
        }
        if self.restarts > 0 || self.lanes_down > 0 {
            writeln!(f, "lane restarts {}, lanes down {}", self.restarts, self.lanes_down)?;
        }
        if self.starvations > 0 {
            writeln!(f, "starved of processor time {} times", self.starvations)?;
        }
        Ok(())
    }
}

/// Whether `samples` are enough to speak of a quantile.
fn carries(samples: u64, quantile: f64) -> bool {
    let needed = match quantile {
        q if q >= 0.999 => 10_000,
        q if q >= 0.99 => 1_000,
        _ => 1,
    };
    samples >= needed
}
