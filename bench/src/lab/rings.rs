//! How long a message takes from one pinned core to another, over our ring and over others.
//!
//! A message goes there and its number comes back over a link of the same kind; the one-way time is half of
//! that. Both ends spin, and the next message leaves only when the last is back: this is the time of a lone
//! message, without queueing. The kinds take turns in every round, so that what the machine does to one it does
//! to all; the figures of a round are compared with those of the same round.

use super::links::{self, Message};
use anyhow::{Context, Result};
use core_affinity::CoreId;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Instant;
use voxlane::frame::AudioFrame;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each kind gets its turn.
    pub rounds: usize,
    /// Messages a turn.
    pub messages: u64,
    /// The two cores.
    pub cores: [usize; 2],
}

/// What came out for one kind of link.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What it is.
    pub link: &'static str,
    /// The size of its messages in bytes.
    pub bytes: usize,
    /// One-way nanoseconds over all rounds.
    pub p50: f64,
    /// Of the same.
    pub p99: f64,
    /// Of the same.
    pub p999: f64,
    /// Of the same.
    pub max: f64,
    /// Messages over all rounds.
    pub count: u64,
    /// The median over the rounds of its median divided by that of the bare line.
    pub to_floor: f64,
    /// The same, divided by that of our ring with messages of the same size.
    pub to_ours: f64,
}

/// One kind of link: its name, its message's size, one turn.
struct Kind {
    link: &'static str,
    bytes: usize,
    /// The median is compared with that of this kind.
    ours: usize,
    turn: Turn,
}

/// Where the floor stands among the kinds.
const FLOOR: usize = 0;

/// `name: link` for links of both message sizes.
macro_rules! kinds {
    ($($name:literal: $link:ident),+ $(,)?) => {{
        let mut kinds = vec![Kind {
            link: "bare cache line",
            bytes: size_of::<u64>(),
            ours: 1,
            turn: |plan, times| round_trips(plan, links::bare_line, times),
        }];
        sized::<u64>(&mut kinds, &[$(($name, |plan, times| round_trips(plan, links::$link::<u64>, times))),+]);
        sized::<AudioFrame>(
            &mut kinds,
            &[$(($name, |plan, times| round_trips(plan, links::$link::<AudioFrame>, times))),+],
        );
        kinds
    }};
}

type Turn = fn(&Plan, &mut Histogram<u64>) -> Result<()>;

/// Appends the kinds with messages `M`; the first is our ring.
fn sized<M: Message>(kinds: &mut Vec<Kind>, turns: &[(&'static str, Turn)]) {
    let ours = kinds.len();
    kinds.extend(turns.iter().map(|&(link, turn)| Kind { link, bytes: size_of::<M>(), ours, turn }));
}

/// Runs all kinds of links.
///
/// # Errors
/// If a core may not be used.
pub fn run(plan: &Plan) -> Result<Vec<Row>> {
    let kinds: Vec<Kind> = kinds! {
        "voxlane": voxlane_ring,
        "rtrb": rtrb,
        "crossbeam-channel": crossbeam_channel,
        "crossbeam-queue": crossbeam_queue,
        "std mpsc": std_mpsc,
    };
    let mut all: Vec<Histogram<u64>> = kinds.iter().map(|_| histogram()).collect::<Result<_>>()?;
    let mut medians: Vec<Vec<f64>> = vec![Vec::new(); kinds.len()];
    for _ in 0..plan.rounds {
        for (number, kind) in kinds.iter().enumerate() {
            let mut times = histogram()?;
            (kind.turn)(plan, &mut times)?;
            medians[number].push(one_way(times.value_at_quantile(0.5)));
            all[number].add(&times)?;
        }
    }
    let ratio = |kind: usize, base: usize| {
        let pairs = medians[kind].iter().zip(&medians[base]);
        median(pairs.map(|(own, base)| own / base).collect())
    };
    let row = |(number, kind): (usize, &Kind)| {
        let times = &all[number];
        Row {
            link: kind.link,
            bytes: kind.bytes,
            p50: one_way(times.value_at_quantile(0.5)),
            p99: one_way(times.value_at_quantile(0.99)),
            p999: one_way(times.value_at_quantile(0.999)),
            max: one_way(times.max()),
            count: times.len(),
            to_floor: ratio(number, FLOOR),
            to_ours: ratio(number, kind.ours),
        }
    };
    Ok(kinds.iter().enumerate().map(row).collect())
}

/// One turn: round trips in nanoseconds.
fn round_trips<S, R>(plan: &Plan, make: impl Fn() -> (S, R), times: &mut Histogram<u64>) -> Result<()>
where
    S: FnMut(u64) + Send,
    R: FnMut() -> u64 + Send,
{
    let ((mut there, mut arrives), (mut back, mut returns)) = (make(), make());
    let [near, far] = plan.cores;
    pin(near)?;
    std::thread::scope(|scope| {
        let echo = scope.spawn(move || {
            // Without its core it still answers, so that nobody waits for ever; the turn is void.
            let pinned = pin(far);
            for _ in 0..plan.messages {
                back(arrives());
            }
            pinned
        });
        for number in 0..plan.messages {
            let sent = Instant::now();
            there(number);
            returns();
            times.saturating_record(sent.elapsed().as_nanos() as u64);
        }
        echo.join().map_err(|_| anyhow::anyhow!("the echo panicked"))?
    })
}

fn pin(core: usize) -> Result<()> {
    let pinned = core_affinity::set_for_current(CoreId { id: core });
    pinned.then_some(()).with_context(|| format!("core {core} may not be used"))
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 10_000_000_000, 3)?)
}

fn one_way(round_trip: u64) -> f64 {
    round_trip as f64 / 2.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
