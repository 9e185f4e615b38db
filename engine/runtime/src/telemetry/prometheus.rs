//! A report for Prometheus: classic histograms as text, native ones as protobuf.
//!
//! The text goes to every scraper. Native histograms (eight buckets to a factor of two, so that a quantile is off by at most
//! 4.5 %) only exist in the protobuf format, which a scraper asks for by `Accept`; its messages are those of
//! `io.prometheus.client` (the [data model][1]'s `metrics.proto`), as far as they are needed.
//!
//! [1]: https://github.com/prometheus/client_model

use super::report::Report;
use hdrhistogram::Histogram;
use prost::Message;
use std::fmt::Write as _;

/// The `Content-Type` of [`Report::prometheus`].
pub const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The `Content-Type` of [`Report::prometheus_protobuf`].
pub const PROTOBUF_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The histograms' name.
const STAGES: &str = "voxlane_stage_seconds";

/// Upper bounds of the classic buckets in nanoseconds: 1, 2.5 and 5 of each power of ten, from a microsecond to 100 s.
const BOUNDS: [u64; 25] = {
    let mut bounds = [0; 25];
    let (mut number, mut power) = (0, 1_000);
    while number < bounds.len() {
        bounds[number] = match number % 3 {
            0 => power,
            1 => power * 5 / 2,
            _ => power * 5,
        };
        if number % 3 == 2 {
            power *= 10;
        }
        number += 1;
    }
    bounds
};

/// Native buckets: 2 to the power of this to a factor of two.
const SCHEMA: i32 = 3;

/// `io.prometheus.client.MetricType`.
const COUNTER: i32 = 0;
const GAUGE: i32 = 1;
const HISTOGRAM: i32 = 4;

impl Report {
    /// Returns the report in Prometheus' text format: histograms in seconds, and counters. Of a whole report, not of a
    /// [window](Report::since): a scraper takes differences itself.
    pub fn prometheus(&self) -> String {
        let mut text = format!("# TYPE {STAGES} histogram\n");
        for (lane, stage, measure, histogram) in self.histograms() {
            // Names of stages and measures are plain words, and need no escaping.
            let labels = format!("lane=\"{lane}\",stage={stage:?},measure={measure:?}");
            for (seconds, counted) in counts(histogram) {
                let _ = writeln!(text, "{STAGES}_bucket{{{labels},le=\"{seconds}\"}} {counted}");
            }
            let _ = writeln!(text, "{STAGES}_bucket{{{labels},le=\"+Inf\"}} {}", histogram.len());
            let _ = writeln!(text, "{STAGES}_count{{{labels}}} {}", histogram.len());
            let _ = writeln!(text, "{STAGES}_sum{{{labels}}} {}", sum(histogram));
        }
        for (name, kind, value) in self.numbers() {
            let kind = if kind == GAUGE { "gauge" } else { "counter" };
            let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
        }
        text
    }

    /// Returns the report in Prometheus' protobuf format, with native histograms and the classic ones. Of a whole report, like the text.
    pub fn prometheus_protobuf(&self) -> Vec<u8> {
        let label = |name: &str, value: String| LabelPair { name: Some(name.to_owned()), value: Some(value) };
        let metric = |(lane, stage, measure, histogram): (usize, &str, &str, &Histogram<u64>)| Metric {
            label: vec![
                label("lane", lane.to_string()),
                label("stage", stage.to_owned()),
                label("measure", measure.to_owned()),
            ],
            histogram: Some(NativeHistogram::of(histogram)),
            ..Metric::default()
        };
        let histograms = MetricFamily {
            name: Some(STAGES.to_owned()),
            kind: Some(HISTOGRAM),
            metric: self.histograms().map(metric).collect(),
        };
        let numbers = self.numbers().map(|(name, kind, value)| {
            let value = Some(Value { value: Some(value) });
            let (gauge, counter) = if kind == GAUGE { (value, None) } else { (None, value) };
            let metric = vec![Metric { gauge, counter, ..Metric::default() }];
            MetricFamily { name: Some(name.to_owned()), kind: Some(kind), metric }
        });
        std::iter::once(histograms)
            .chain(numbers)
            .flat_map(|family| family.encode_length_delimited_to_vec())
            .collect()
    }

    /// What is counted, with the kind of each.
    fn numbers(&self) -> impl Iterator<Item = (&'static str, i32, f64)> {
        let refused: u64 = self.stages.iter().map(|stage| stage.histograms.refused).sum();
        [
            ("voxlane_ring_full_total", COUNTER, refused as f64),
            ("voxlane_warm_passes_total", COUNTER, self.warm_passes as f64),
            ("voxlane_lane_restarts_total", COUNTER, f64::from(self.restarts)),
            ("voxlane_starvations_total", COUNTER, self.starvations as f64),
            ("voxlane_abandoned_threads_total", COUNTER, self.abandoned_threads as f64),
            ("voxlane_lanes_down", GAUGE, self.lanes_down as f64),
        ]
        .into_iter()
    }
}

/// The values up to each of [`BOUNDS`], in seconds.
fn counts(histogram: &Histogram<u64>) -> impl Iterator<Item = (f64, u64)> {
    let (mut counted, mut from) = (0, 0);
    BOUNDS.into_iter().map(move |bound| {
        counted += histogram.count_between(from, bound);
        from = histogram.next_non_equivalent(bound);
        (bound as f64 / 1e9, counted)
    })
}

/// The sum of all values in seconds.
fn sum(histogram: &Histogram<u64>) -> f64 {
    histogram.mean() * histogram.len() as f64 / 1e9
}

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Value>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Value>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<NativeHistogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// A counter or a gauge.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct NativeHistogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<ClassicBucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    positive_delta: Vec<i64>,
}

/// For scrapers that read protobuf and keep classic histograms.
#[derive(Clone, PartialEq, Message)]
struct ClassicBucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

/// A run of buckets: how many are left out before it, and how many it has.
#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

impl NativeHistogram {
    /// Nanoseconds as seconds. Bucket number `i` ends with 2^(i / 8) seconds, which belong to it.
    fn of(histogram: &Histogram<u64>) -> Self {
        let (mut positive_span, mut positive_delta): (Vec<BucketSpan>, _) = (Vec::new(), Vec::new());
        let (mut next, mut last) = (0, 0);
        for (bucket, count) in buckets(histogram) {
            match positive_span.last_mut() {
                Some(span) if bucket == next => span.length = span.length.map(|length| length + 1),
                _ => positive_span.push(BucketSpan { offset: Some(bucket - next), length: Some(1) }),
            }
            positive_delta.push(count - last);
            (next, last) = (bucket + 1, count);
        }
        if positive_span.is_empty() {
            // An empty span distinguishes a native histogram without values from a classic one.
            positive_span.push(BucketSpan { offset: Some(0), length: Some(0) });
        }
        NativeHistogram {
            sample_count: Some(histogram.len()),
            sample_sum: Some(sum(histogram)),
            bucket: counts(histogram)
                .map(|(bound, count)| ClassicBucket {
                    cumulative_count: Some(count),
                    upper_bound: Some(bound),
                })
                .collect(),
            schema: Some(SCHEMA),
            zero_threshold: Some(1e-9),
            zero_count: Some(0),
            positive_span,
            positive_delta,
        }
    }
}

/// The buckets that hold something, with their counts, in rising order.
fn buckets(histogram: &Histogram<u64>) -> Vec<(i32, i64)> {
    let mut buckets: Vec<(i32, i64)> = Vec::new();
    for value in histogram.iter_recorded() {
        let seconds = histogram.median_equivalent(value.value_iterated_to()) as f64 / 1e9;
        let bucket = (seconds.log2() * f64::from(1 << SCHEMA)).ceil() as i32;
        let count = value.count_at_value() as i64;
        match buckets.last_mut() {
            Some((last, sum)) if *last == bucket => *sum += count,
            _ => buckets.push((bucket, count)),
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::recorder::{SERVICE, STAGE_MEASURES, StageHistograms, histogram, recorder};
    use crate::telemetry::report::StageReport;

    fn report() -> Report {
        let (mut recorder, mut reader) =
            recorder(STAGE_MEASURES, crate::eventcount::Waiter::new().notifier());
        for nanos in [900, 2_400, 2_000_000, 2_000_000, 900_000_000_000] {
            recorder.record(SERVICE, nanos);
        }
        reader.request();
        recorder.answer(3);
        let mut histograms = StageHistograms::new(STAGE_MEASURES);
        assert!(reader.collect(&mut histograms));
        Report { stages: vec![StageReport { lane: 0, stage: "book", histograms }], ..Report::default() }
    }

    #[test]
    fn text_counts_up_to_each_bound() {
        let text = report().prometheus();
        let line = |end: &str| {
            let wanted = format!("{{lane=\"0\",stage=\"book\",measure=\"service\"{end}");
            text.lines()
                .find(|line| line.contains(&wanted))
                .unwrap_or_else(|| panic!("{end}: {text}"))
                .to_owned()
        };
        for (bound, count) in
            [("0.000001", 1), ("0.0000025", 2), ("0.001", 2), ("0.0025", 4), ("100", 4), ("+Inf", 5)]
        {
            let line = line(&format!(",le=\"{bound}\"}}"));
            assert!(line.ends_with(&format!(" {count}")), "{line}");
        }
        assert!(text.contains("# TYPE voxlane_stage_seconds histogram\n"));
        assert!(text.contains("# TYPE voxlane_ring_full_total counter\nvoxlane_ring_full_total 3\n"));
        assert!(text.contains("# TYPE voxlane_lanes_down gauge\nvoxlane_lanes_down 0\n"));
    }

    #[test]
    fn protobuf_is_read_back() {
        let bytes = report().prometheus_protobuf();
        let mut rest = &bytes[..];
        let mut families = Vec::new();
        while !rest.is_empty() {
            families.push(MetricFamily::decode_length_delimited(&mut rest).unwrap());
        }
        assert_eq!(families.len(), 7);
        let service = families[0].metric[1].histogram.clone().unwrap();
        assert_eq!((service.sample_count, service.schema), (Some(5), Some(3)));
        assert_eq!(service.positive_delta.len(), 4, "two of the values are the same");
        let last = service.bucket.last().unwrap();
        assert_eq!((last.cumulative_count, last.upper_bound), (Some(4), Some(100.0)));
        let queue = families[0].metric[0].histogram.clone().unwrap();
        assert_eq!(queue.positive_span, [BucketSpan { offset: Some(0), length: Some(0) }]);
    }

    #[test]
    fn native_buckets_hold_what_the_histogram_holds() {
        let mut histogram = histogram();
        (0..5_000u64).for_each(|number| histogram.saturating_record(100 + number * number * 7));
        let native = NativeHistogram::of(&histogram);
        let (mut bucket, mut count, mut total, mut deltas) = (0, 0, 0, native.positive_delta.iter());
        for span in &native.positive_span {
            bucket += span.offset.unwrap();
            for _ in 0..span.length.unwrap() {
                count += deltas.next().unwrap();
                total += count;
                let upper = 2f64.powf(f64::from(bucket) / 8.0) * 1e9;
                let counted = histogram.count_between(0, upper as u64) as i64;
                // A value of the histogram is known to 1 %; those next to a bound may lie on the other side.
                assert!((counted - total).abs() <= 1 + total / 20, "bucket {bucket}: {counted} or {total}");
                bucket += 1;
            }
        }
        assert_eq!((total, deltas.next()), (5_000, None));
    }
}
