//! What five stages cost when they do nothing.

mod chain;

use super::context::Context;
use super::distribution::{Distribution, histogram, record};
use super::experiment::Experiment;
use super::links::{self, AudioMessage, END, Message};
use super::open_loop::{Lag, OpenLoop};
use super::outcome::{Cell, Outcome, Role, Unit};
use super::pin::{on_core, pin};
use super::table::counted;
use crate::bootstrap::median;
use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use std::time::Duration;
use voxlane::Clock;

pub const EXPERIMENT: Experiment = Experiment {
    name: "pipeline",
    title: "Five stages that do nothing",
    method: "Frames of 768 bytes pass five stages, each of which copies a frame from the link before it to the link \
             behind it; the last one records the time since the frame was due. The stages run in one, two or five pinned \
             threads, with the generator in the first of them; all threads spin, and where there are more of them than \
             cores they yield after every look that found nothing (labelled oversubscribed). Only the links differ, \
             except for two kinds whose generator has a thread of its own: in the runtime's chain every stage stamps, measures and counts \
             what passes, and the generator takes the frames out again; for tokio every stage is a task that awaits its channel, \
             and there are as many workers as the other pipelines have threads. Lone frames come one every \
             200 µs, open loop; the flood sends as fast as frames are taken, and what counts is the time a frame. The kinds take turns.",
    needs_model: false,
    run,
};

const STAGES: usize = 5;
const HOP: Duration = Duration::from_micros(200);

/// What to send through a pipeline.
#[derive(Clone, Copy)]
struct Load<'a> {
    frames: u64,
    /// Zero floods.
    hop: Duration,
    threads: usize,
    cores: &'a [usize],
}

impl Load<'_> {
    /// A run ends early after this time, on a machine whose cores others need.
    fn longest(&self) -> Duration {
        Duration::from_secs(2) + self.hop * self.frames as u32
    }
}

/// What came out.
struct Passage {
    latency: Histogram<u64>,
    lag: Option<Lag>,
    nanos_per_frame: f64,
}

struct Kind {
    link: &'static str,
    /// Threads beside the stages': the generator's own.
    more_threads: usize,
    pass: fn(Load<'_>) -> Result<Passage>,
}

const KINDS: [Kind; 7] = [
    Kind { link: "voxlane", more_threads: 0, pass: |load| pass(load, links::voxlane_ring::<AudioMessage>) },
    Kind { link: "voxlane chain", more_threads: 1, pass: chain::pass },
    Kind { link: "rtrb", more_threads: 0, pass: |load| pass(load, links::rtrb::<AudioMessage>) },
    Kind { link: "disruptor", more_threads: 0, pass: |load| pass(load, links::disruptor::<AudioMessage>) },
    Kind {
        link: "crossbeam-channel",
        more_threads: 0,
        pass: |load| pass(load, links::crossbeam_channel::<AudioMessage>),
    },
    Kind {
        link: "Mutex<VecDeque>",
        more_threads: 0,
        pass: |load| pass(load, links::mutex_queue::<AudioMessage>),
    },
    Kind { link: "tokio", more_threads: 1, pass: pass_tokio },
];

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let rounds = context.pick(1, 3, 7, 15);
    let (lone, flood) = (context.pick(50, 400, 2_000, 20_000), context.pick(500, 10_000, 200_000, 1_000_000));
    let mut rows = Vec::new();
    let mut void = 0;
    for threads in [1, 2, 5] {
        let is_oversubscribed = |kind: &Kind| context.is_oversubscribed(threads + kind.more_threads);
        // With threads waiting for their turn a frame takes milliseconds.
        let load = |kind: &Kind, frames: u64, hop| {
            let frames = if is_oversubscribed(kind) { (frames / 10).max(10) } else { frames };
            Load { frames, hop, threads, cores: &context.cores }
        };
        let mut latencies: Vec<Histogram<u64>> = KINDS.iter().map(|_| histogram()).collect();
        let mut lags = latencies.clone();
        let mut costs = vec![Vec::new(); KINDS.len()];
        for _ in 0..rounds {
            for (number, kind) in KINDS.iter().enumerate() {
                let passage = (kind.pass)(load(kind, lone, HOP))?;
                latencies[number].add(passage.latency)?;
                if let Some(lag) = passage.lag {
                    lags[number].add(lag.lag)?;
                }
                costs[number].push((kind.pass)(load(kind, flood, Duration::ZERO))?.nanos_per_frame);
            }
        }
        let mut members = Vec::new();
        for (number, kind) in KINDS.iter().enumerate() {
            let oversubscribed = is_oversubscribed(kind);
            let name = format!("{}, {}", kind.link, counted(threads, "thread"));
            let lag = Lag { hop: HOP, lag: lags[number].clone() };
            void += usize::from(lag.is_void());
            let latency = Distribution::of(name, &latencies[number])?.oversubscribed(oversubscribed);
            let cost = median(&mut costs[number]);
            if kind.link == "voxlane" && !oversubscribed {
                let role = if threads == 1 { Role::Component } else { Role::Hop };
                outcome.figure(
                    &format!("pipeline/lone frame, {}", counted(threads, "thread")),
                    latency.p50(),
                    role,
                );
            }
            rows.push(vec![
                Cell::from(format!("{}{}", kind.link, if lag.is_void() { " (void)" } else { "" })),
                threads.into(),
                if oversubscribed { "yes".into() } else { "no".into() },
                cost.into(),
                (100.0 * lag.share()).into(),
                (rounds as u64).into(),
            ]);
            members.push(latency);
        }
        outcome.group(
            &format!("Lone frames through five stages in {}", counted(threads, "thread")),
            Unit::Microseconds,
            members,
        );
    }
    outcome.void(void, rows.len());
    let columns = [
        "link",
        "threads",
        "oversubscribed",
        "flood: ns a frame",
        "lone frames: generator's lag, % of hop",
        "rounds",
    ];
    outcome.table("The cost of a frame in a flood, and the generator's lag", &columns, rows);
    Ok(())
}

/// One stage: a frame that it could not pass on yet waits in `held`.
struct Forward<S, R> {
    receive: R,
    send: S,
    held: Option<u64>,
    has_ended: bool,
}

impl<S: FnMut(u64) -> bool, R: FnMut() -> Option<u64>> Forward<S, R> {
    /// Whether a frame moved.
    #[inline]
    fn step(&mut self) -> bool {
        let Some(number) = self.held.take().or_else(&mut self.receive) else { return false };
        if (self.send)(number) {
            self.has_ended = number == END;
            true
        } else {
            self.held = Some(number);
            false
        }
    }
}

/// The last stage.
struct Sink<R> {
    receive: R,
    has_ended: bool,
    latency: Histogram<u64>,
    clock: Clock,
}

impl<R: FnMut() -> Option<u64>> Sink<R> {
    #[inline]
    fn step(&mut self) -> bool {
        let Some(intended) = (self.receive)() else { return false };
        self.has_ended = intended == END;
        if !self.has_ended {
            record(&mut self.latency, self.clock.now().nanos().saturating_sub(intended));
        }
        true
    }
}

/// Sends frames through stages that are joined by the links that `make` makes.
fn pass<S, R>(load: Load<'_>, make: impl Fn() -> (S, R)) -> Result<Passage>
where
    S: FnMut(u64) -> bool + Send,
    R: FnMut() -> Option<u64> + Send,
{
    let clock = Clock::new();
    let yields = load.threads > load.cores.len();
    let wait = move || if yields { std::thread::yield_now() } else { std::hint::spin_loop() };
    let (first, mut receive) = make();
    let mut stages = Vec::new();
    for _ in 1..STAGES {
        let (send, next) = make();
        stages.push(Forward { receive, send, held: None, has_ended: false });
        receive = next;
    }
    let mut sink = Some(Sink { receive, has_ended: false, latency: histogram(), clock: clock.clone() });
    let mut groups: Vec<Vec<Forward<S, R>>> = (0..load.threads).map(|_| Vec::new()).collect();
    for (number, stage) in stages.into_iter().enumerate() {
        groups[number * load.threads / STAGES].push(stage);
    }
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut groups = groups.into_iter().enumerate();
        let (_, own) = groups.next().context("at least one thread")?;
        let own_sink = if load.threads == 1 { sink.take() } else { None };
        for (number, mut group) in groups {
            let core = load.cores[number % load.cores.len()];
            let mut last = if number + 1 == load.threads { sink.take() } else { None };
            threads.push(scope.spawn(move || {
                // Without its core it still works, so that nobody waits for ever; the run is void.
                let pinned = pin(core);
                while work(&mut group, last.as_mut(), &wait) {}
                pinned.map(|()| last.map(|sink| sink.latency))
            }));
        }
        let (latency, lag, nanos_per_frame) = generate(load, &clock, first, own, own_sink, &wait)?;
        let mut latencies = latency.into_iter();
        let mut found = latencies.next();
        for thread in threads {
            let latency = thread.join().map_err(|_| anyhow::anyhow!("a stage panicked"))??;
            found = found.or(latency);
        }
        Ok(Passage { latency: found.context("the last stage has a histogram")?, lag, nanos_per_frame })
    })
}

/// One look at all stages of a thread; whether there is still something to come.
#[inline]
fn work<S, R>(group: &mut [Forward<S, R>], mut sink: Option<&mut Sink<R>>, wait: &impl Fn()) -> bool
where
    S: FnMut(u64) -> bool,
    R: FnMut() -> Option<u64>,
{
    let mut moved = false;
    for stage in &mut *group {
        moved |= stage.step();
    }
    if let Some(sink) = &mut sink {
        moved |= sink.step();
    }
    if !moved {
        wait();
    }
    group.last().is_some_and(|stage| !stage.has_ended) || sink.is_some_and(|sink| !sink.has_ended)
}

type Generated = (Option<Histogram<u64>>, Option<Lag>, f64);

/// The first thread: the generator and its stages.
fn generate<S, R>(
    load: Load<'_>,
    clock: &Clock,
    mut first: S,
    mut group: Vec<Forward<S, R>>,
    mut sink: Option<Sink<R>>,
    wait: &(impl Fn() + Sync),
) -> Result<Generated>
where
    S: FnMut(u64) -> bool + Send,
    R: FnMut() -> Option<u64> + Send,
{
    on_core(load.cores[0], || {
        let begun = clock.now();
        let mut generator = OpenLoop::new(clock, load.hop);
        let end = begun.after(load.longest());
        let (mut sent, mut waiting, mut has_sent_end) = (0, None, false);
        loop {
            let now = clock.now();
            if waiting.is_none() && (sent == load.frames || now > end) {
                has_sent_end = has_sent_end || first(END);
            } else if load.hop.is_zero() {
                sent += u64::from(first(now.nanos()));
            } else {
                if waiting.is_none() && now >= generator.due() {
                    waiting = Some(generator.wait().nanos());
                }
                // A full link is emptied by the stages of this thread, so there is no waiting for it here.
                if waiting.is_some_and(&mut first) {
                    (waiting, sent) = (None, sent + 1);
                }
            }
            if !work(&mut group, sink.as_mut(), wait) && has_sent_end {
                break;
            }
        }
        let nanos = clock.now().since(begun).as_nanos() as f64 / sent.max(1) as f64;
        Ok((sink.map(|sink| sink.latency), (!load.hop.is_zero()).then(|| generator.finish()), nanos))
    })
}

/// The same as tasks of tokio.
fn pass_tokio(load: Load<'_>) -> Result<Passage> {
    use tokio::sync::mpsc;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(load.threads).build()?;
    let clock = Clock::new();
    let (first, mut receive) = mpsc::channel::<AudioMessage>(links::CAPACITY);
    for _ in 1..STAGES {
        let (send, next) = mpsc::channel::<AudioMessage>(links::CAPACITY);
        runtime.spawn(async move {
            let mut message = AudioMessage::default();
            while let Some(frame) = receive.recv().await {
                message.fill(frame.read());
                if send.send(message).await.is_err() {
                    break;
                }
            }
        });
        receive = next;
    }
    let last_clock = clock.clone();
    let last = runtime.spawn(async move {
        let mut latency = histogram();
        while let Some(frame) = receive.recv().await {
            record(&mut latency, last_clock.now().nanos().saturating_sub(frame.read()));
        }
        latency
    });
    let (lag, begun, sent) = on_core(load.cores[0], || {
        let begun = clock.now();
        let mut generator = OpenLoop::new(&clock, load.hop);
        let mut message = AudioMessage::default();
        let mut sent: u64 = 0;
        while sent < load.frames && clock.now().since(begun) < load.longest() {
            sent += 1;
            let due = if load.hop.is_zero() { clock.now() } else { generator.wait() };
            message.fill(due.nanos());
            while first.try_send(message).is_err() {
                // The workers may need this core.
                std::thread::yield_now();
            }
        }
        drop(first);
        Ok(((!load.hop.is_zero()).then(|| generator.finish()), begun, sent))
    })?;
    let latency = runtime.block_on(last)?;
    let nanos_per_frame = clock.now().since(begun).as_nanos() as f64 / sent.max(1) as f64;
    Ok(Passage { latency, lag, nanos_per_frame })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pipeline_carries_every_frame() {
        for kind in &KINDS {
            // The third falls behind, so that links fill up.
            let loads = [(1, HOP), (1, Duration::ZERO), (2, Duration::from_nanos(100)), (3, Duration::ZERO)];
            for (threads, hop) in loads {
                let load = Load { frames: 200, hop, threads, cores: &[0] };
                let passage = (kind.pass)(load).unwrap();
                assert_eq!(passage.latency.len(), 200, "{} in {threads} threads", kind.link);
                assert_eq!(passage.lag.is_some(), !hop.is_zero());
            }
        }
    }
}
