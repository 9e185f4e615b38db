//! How long a message takes from one pinned core to another, over our ring and over others.

use super::context::Context;
use super::distribution::{Distribution, SEED, histogram};
use super::echo::{self, Bursts, Plan};
use super::experiment::Experiment;
use super::links::{self, AudioMessage, SpanMessage};
use super::outcome::{Cell, Outcome, Role, Unit};
use crate::bootstrap::median_interval;
use anyhow::Result;
use hdrhistogram::Histogram;
use std::time::Duration;
use voxlane::Clock;

pub const EXPERIMENT: Experiment = Experiment {
    name: "rings",
    title: "A message from one core to another",
    method: "Lone messages: a message goes to the other core and its number comes back over a link of the same kind; \
             one way is half of that. Both ends spin on cores of their own. The kinds take turns in every round, and \
             ratios are of the medians of the same round, so that what the machine does to one it does to all. The \
             floor is a bare cache line with a number in it. 768 bytes is an audio frame, 128 bytes the frame that \
             carries the handle of a pooled buffer; our ring and the disruptor are written and read in place, the \
             others copy. Bursts: every pause, a burst of messages of 768 bytes, each stamped with the time at which \
             the burst was due (open loop); with no pause the sender never stops, and what counts is messages a second.",
    needs_model: false,
    run,
};

/// Our ring between threads that the scheduler places.
const UNPINNED: &str = "voxlane, threads not pinned";

/// One kind of link: its name, its message's size, and what it can do.
struct Kind {
    link: &'static str,
    bytes: usize,
    round_trips: fn([usize; 2], u64, &Clock) -> Result<Histogram<u64>>,
}

/// A link that takes bursts.
struct BurstKind {
    link: &'static str,
    run: fn([usize; 2], Plan, &Clock) -> Result<Bursts>,
}

/// `$name: $link` for each kind of link, with messages `$message`.
macro_rules! with_links {
    ($use:ident!($($message:ty)?)) => {
        $use!($($message)?;
            "voxlane": voxlane_ring, "rtrb": rtrb, "disruptor": disruptor, "crossbeam-channel": crossbeam_channel,
            "crossbeam-queue": crossbeam_queue, "std mpsc": std_mpsc, "Mutex<VecDeque>": mutex_queue)
    };
}

macro_rules! kinds {
    ($message:ty; $($name:literal: $link:ident),+) => {
        [$(Kind {
            link: $name,
            bytes: size_of::<$message>(),
            round_trips: |cores, count, clock| echo::round_trips(cores, count, clock, links::$link::<$message>),
        }),+]
    };
}

macro_rules! burst_kinds {
    (; $($name:literal: $link:ident),+) => {
        [$(BurstKind {
            link: $name,
            run: |cores, plan, clock| echo::bursts(cores, plan, clock, links::$link::<AudioMessage>()),
        }),+]
    };
}

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    lone_messages(context, outcome)?;
    bursts(context, outcome)
}

/// What a message of this kind is compared with: our ring with messages of the same size.
fn ours<'a>(kinds: &'a [Kind], kind: &Kind) -> usize {
    let is_ours = |other: &'a Kind| other.link == "voxlane" && other.bytes == kind.bytes;
    kinds.iter().position(is_ours).unwrap_or_default()
}

fn lone_messages(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let cores = context.two_cores()?;
    let (rounds, messages) = (context.pick(2, 3, 11, 21), context.pick(50, 2_000, 20_000, 100_000));
    let floor = Kind {
        link: "bare cache line",
        bytes: size_of::<u64>(),
        round_trips: |cores, count, clock| echo::round_trips(cores, count, clock, links::bare_line),
    };
    let mut kinds = vec![floor];
    kinds.extend(with_links!(kinds!(u64)));
    kinds.extend(with_links!(kinds!(SpanMessage)));
    kinds.extend(with_links!(kinds!(AudioMessage)));

    kinds.push(Kind {
        link: UNPINNED,
        bytes: size_of::<AudioMessage>(),
        round_trips: |_, count, clock| {
            let link = links::voxlane_ring::<AudioMessage>;
            echo::round_trips_over(None, count, clock, link(), link())
        },
    });

    let clock = Clock::new();
    let mut all: Vec<Histogram<u64>> = kinds.iter().map(|_| histogram()).collect();
    let mut medians: Vec<Vec<f64>> = vec![Vec::new(); kinds.len()];
    for _ in 0..rounds {
        for (number, kind) in kinds.iter().enumerate() {
            let times = halved(&(kind.round_trips)(cores, messages, &clock)?);
            medians[number].push(times.value_at_quantile(0.5) as f64);
            all[number].add(&times)?;
        }
    }
    let ratio = |kind: usize, base: usize| {
        let pairs = medians[kind].iter().zip(&medians[base]);
        median_interval(&pairs.map(|(own, base)| own / base).collect::<Vec<_>>(), SEED)
    };
    let mut rows = Vec::new();
    for bytes in [size_of::<u64>(), size_of::<SpanMessage>(), size_of::<AudioMessage>()] {
        let members = kinds
            .iter()
            .zip(&all)
            .filter(|(kind, _)| kind.bytes == bytes)
            .map(|(kind, times)| Distribution::of(format!("{}, {bytes} bytes", kind.link), times))
            .collect::<Result<Vec<_>>>()?;
        outcome.group(&format!("One way of a lone message of {bytes} bytes"), Unit::Nanoseconds, members);
    }
    for (number, kind) in kinds.iter().enumerate() {
        rows.push(vec![
            Cell::from(kind.link),
            kind.bytes.into(),
            ratio(number, 0).into(),
            ratio(number, ours(&kinds, kind)).into(),
            (rounds as u64).into(),
        ]);
        if kind.link == "voxlane" {
            let p50 = all[number].value_at_quantile(0.5) as f64;
            outcome.figure(&format!("rings/voxlane {} bytes", kind.bytes), Some(p50), Role::Hop);
        }
    }
    let columns = ["link", "bytes", "to the bare line", "to voxlane, same size", "rounds"];
    outcome.table("Ratios of medians, over the rounds", &columns, rows);

    let at =
        |link: &str, bytes: usize| kinds.iter().position(|kind| kind.link == link && kind.bytes == bytes);
    for bytes in [size_of::<u64>(), size_of::<AudioMessage>()] {
        let against = |link: &str, base: usize| Some(ratio(at("voxlane", bytes)?, at(link, base)?).estimate);
        if bytes == size_of::<u64>() {
            outcome.goal("8 bytes: p50 to the bare ping-pong", against("bare cache line", bytes), 1.4);
        }
        outcome.goal(format!("{bytes} bytes: p50 to rtrb"), against("rtrb", bytes), 1.15);
        outcome.goal(
            format!("{bytes} bytes: p50 to crossbeam-channel"),
            against("crossbeam-channel", bytes),
            0.6,
        );
    }
    Ok(())
}

fn bursts(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let cores = context.two_cores()?;
    let clock = Clock::new();
    let kinds: [BurstKind; 7] = with_links!(burst_kinds!());
    let mut rows = Vec::new();
    let mut void = 0;
    for pause in [0, 1, 10].map(Duration::from_millis) {
        for burst in [1u64, 10, 100] {
            let count = match pause.as_millis() {
                0 => context.pick(200, 20_000, 400_000, 2_000_000) / burst,
                1 => context.pick(5, 40, 1_000, 10_000),
                _ => context.pick(2, 4, 100, 1_000),
            };
            let mut members = Vec::new();
            for BurstKind { link, run } in &kinds {
                let done = run(cores, Plan { bursts: count, burst, pause }, &clock)?;
                let name = format!("{link}, {burst} every {} ms", pause.as_millis());
                let latency = Distribution::of(name.clone(), &done.latency)?;
                let quantile = |name| Cell::from(latency.quantile(name).map(|nanos| nanos as f64));
                let is_void = done.lag.as_ref().is_some_and(|lag| lag.is_void());
                void += usize::from(is_void);
                rows.push(vec![
                    format!("{link}{}", if is_void { " (void)" } else { "" }).into(),
                    burst.into(),
                    (pause.as_millis() as u64).into(),
                    quantile("p50"),
                    quantile("p99"),
                    quantile("p99.9"),
                    quantile("p99.99"),
                    done.latency.max().into(),
                    done.latency.len().into(),
                    if pause.is_zero() { Cell::from(done.rate / 1e6) } else { Cell::None },
                    done.lag.as_ref().map(|lag| 100.0 * lag.share()).into(),
                ]);
                members.push(latency);
            }
            if burst == 10 && !pause.is_zero() {
                let title = format!("Bursts of 10 messages of 768 bytes every {} ms", pause.as_millis());
                outcome.group(&title, Unit::Nanoseconds, members);
            }
        }
    }
    outcome.void(void, rows.len());
    let columns = [
        "link",
        "burst",
        "pause, ms",
        "p50, ns",
        "p99, ns",
        "p99.9, ns",
        "p99.99, ns",
        "max, ns",
        "n",
        "million a second",
        "generator's lag, % of the pause",
    ];
    outcome.table("Bursts × pauses, 768 bytes, from the intended time", &columns, rows);
    Ok(())
}

/// Round trips as one-way times.
fn halved(round_trips: &Histogram<u64>) -> Histogram<u64> {
    let mut halves = histogram();
    for value in round_trips.iter_recorded() {
        halves
            .saturating_record_n((value.value_iterated_to() / 2).max(1), value.count_since_last_iteration());
    }
    halves
}
