//! Watching over lanes: a stage that panics or is wedged costs its lane's streams, never the process. A thread that is
//! starved of processor time costs nothing but time (see [`heartbeat`](crate::heartbeat)).
//!
//! A lane that fails is replaced as a whole. Its rings and buffers are not reused, so nothing of it can reach
//! a later stream; a thread of it that hangs is abandoned, and ends by itself if it ever goes on.

use crate::clock::Clock;
use crate::config::SuperviseConfig;
use crate::frame::StageKind;
use crate::heartbeat::{Heartbeat, Verdict};
use crate::host::thread::thread_status;
use crate::lane::{Exit, Lane, LaneFactory, Outcome};
use crate::session::{EngineError, Gate, LaneState, ShutdownReport};
use crate::telemetry::{Report, StageHistograms, StageReport};
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a report waits for the stages.
const REPORT_LIMIT: Duration = Duration::from_secs(1);
/// What a longer deadline of a shutdown counts as: a time that every clock can add.
pub(crate) const LONGEST_SHUTDOWN: Duration = Duration::from_secs(365 * 24 * 3600);
/// How often something that is waited for is looked at.
const POLL: Duration = Duration::from_micros(500);

/// What an engine asks of its supervisor.
pub(crate) enum Command {
    Report(Sender<Report>),
    Shutdown { deadline: Duration, reply: Sender<ShutdownReport> },
}

/// See the module.
pub(crate) struct Supervisor {
    lanes: Vec<Watched>,
    gates: Arc<[Gate]>,
    config: SuperviseConfig,
    exits: Receiver<Exit>,
    exit_sender: Sender<Exit>,
    abandoned_threads: usize,
    clock: Clock,
}

/// A lane under watch.
struct Watched {
    factory: Box<dyn LaneFactory>,
    /// Nothing while the lane could not be restarted.
    lane: Option<Lane>,
    epoch: u64,
    /// How often it has been restarted, and when, of those that count against the limit.
    restarts: u32,
    recent: VecDeque<Instant>,
    beats: Vec<Heartbeat>,
    /// Whether a thread is starved, and how often that has begun.
    is_starved: bool,
    starvations: u64,
    totals: Vec<StageHistograms>,
}

impl Supervisor {
    /// Starts every lane.
    pub(crate) fn start(
        factories: Vec<Box<dyn LaneFactory>>,
        config: SuperviseConfig,
        clock: Clock,
    ) -> Result<Self, EngineError> {
        let (exit_sender, exits) = unbounded();
        let mut lanes: Vec<Watched> = Vec::new();
        let mut gates = Vec::new();
        for (number, factory) in factories.into_iter().enumerate() {
            match factory.start(0, &exit_sender) {
                Ok(mut lane) => {
                    let endpoints = std::mem::take(&mut lane.endpoints);
                    gates.push(Gate::new(Arc::clone(&lane.slots), Arc::clone(&lane.bell), endpoints));
                    let totals = StageKind::ALL.map(StageHistograms::new).into();
                    lanes.push(Watched {
                        factory,
                        lane: Some(lane),
                        epoch: 0,
                        restarts: 0,
                        recent: VecDeque::new(),
                        beats: Vec::new(),
                        is_starved: false,
                        starvations: 0,
                        totals,
                    });
                }
                Err(source) => {
                    for watched in &mut lanes {
                        watched.lane.take().into_iter().for_each(|lane| {
                            end(lane, Instant::now() + REPORT_LIMIT);
                        });
                    }
                    return Err(EngineError::Lane { lane: number, source });
                }
            }
        }
        let gates = gates.into();
        Ok(Supervisor { lanes, gates, config, exits, exit_sender, abandoned_threads: 0, clock })
    }

    pub(crate) fn gates(&self) -> Arc<[Gate]> {
        Arc::clone(&self.gates)
    }

    /// Watches until told to shut down, or until the engine is gone.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        let watchdog = self.config.watchdog();
        let period = watchdog / 4;
        loop {
            let waiting = Instant::now();
            // A supervisor that wakes late was itself starved, as all threads may have been.
            let mut is_late = false;
            select! {
                recv(commands) -> command => match command {
                    // An engine that has gone does not wait for the answer.
                    Ok(Command::Report(reply)) => { let _ = reply.send(self.report()); }
                    Ok(Command::Shutdown { deadline, reply }) => {
                        let report = self.shut_down(deadline);
                        let _ = reply.send(report);
                        return;
                    }
                    Err(_) => {
                        self.shut_down(Duration::ZERO);
                        return;
                    }
                },
                recv(self.exits) -> exit => if let Ok(exit) = exit { self.thread_ended(&exit) },
                default(period) => is_late = waiting.elapsed() > period + watchdog / 2,
            }
            self.clock.note();
            self.compare_heartbeats(watchdog, is_late);
            self.retry();
        }
    }

    fn thread_ended(&mut self, exit: &Exit) {
        let watched = &self.lanes[exit.lane];
        if exit.epoch != watched.epoch || watched.lane.is_none() {
            return; // of a lane that has been replaced
        }
        if let Outcome::Panicked { stages, message } = &exit.outcome {
            tracing::error!(lane = exit.lane, ?stages, %message, "a stage panicked; restarting its lane");
            self.replace(exit.lane);
        }
    }

    /// Gives up lanes of which a thread is wedged; one that comes late forgets all heartbeats.
    fn compare_heartbeats(&mut self, watchdog: Duration, is_late: bool) {
        let now = Instant::now();
        for number in 0..self.lanes.len() {
            let Watched { lane: Some(lane), beats, is_starved, starvations, .. } = &mut self.lanes[number]
            else {
                continue;
            };
            if is_late {
                beats.clear();
            }
            beats.resize(lane.threads.len(), Heartbeat::new(now));
            let (mut wedged, mut starved) = (Vec::new(), Vec::new());
            for (thread, heartbeat) in lane.threads.iter().zip(beats) {
                let count = thread.life.beat.load(Ordering::Relaxed);
                let status = || thread_status(thread.life.thread.load(Ordering::Acquire));
                match heartbeat.look(now, count, watchdog, status) {
                    Verdict::Alive => {}
                    Verdict::Starved => starved.extend(thread.stages.iter().copied()),
                    Verdict::Wedged => wedged.extend(thread.stages.iter().copied()),
                }
            }
            let was_starved = std::mem::replace(is_starved, !starved.is_empty());
            if *is_starved && !was_starved {
                *starvations += 1;
                tracing::warn!(lane = number, stages = ?starved, "a thread gets no processor time");
            }
            if !wedged.is_empty() {
                tracing::error!(lane = number, stages = ?wedged, "a thread is wedged; restarting its lane without it");
                self.replace(number);
            }
        }
    }

    /// Ends a lane that has failed, as far as it can be ended, and puts a new one in its place.
    fn replace(&mut self, number: usize) {
        let now = Instant::now();
        // Nobody gets a slot of the failed lane while the new one starts.
        self.gates[number].close(LaneState::Failed);
        let watched = &mut self.lanes[number];
        if let Some(lane) = watched.lane.take() {
            lane.stop();
            // Its other threads end within a step; one that is wedged is left to itself.
            let limit = now + self.config.watchdog().min(Duration::from_millis(200));
            self.abandoned_threads += join(lane, limit);
        }
        watched.beats.clear();
        watched.is_starved = false;
        if watched.is_exhausted(&self.config, now) {
            tracing::error!(
                lane = number,
                within_s = self.config.restart_window_s,
                "restarted too often; the lane is down until restarts are longer ago"
            );
            return;
        }
        self.restart(number);
    }

    /// Starts lanes again that are down for having failed too often, when that is long enough ago.
    fn retry(&mut self) {
        let now = Instant::now();
        for number in 0..self.lanes.len() {
            let watched = &mut self.lanes[number];
            if watched.lane.is_none() && !watched.is_exhausted(&self.config, now) {
                self.restart(number);
            }
        }
    }

    /// Starts a new lane in the place of one that has ended.
    fn restart(&mut self, number: usize) {
        let watched = &mut self.lanes[number];
        watched.epoch += 1;
        watched.restarts += 1;
        watched.recent.push_back(Instant::now());
        match watched.factory.start(watched.epoch, &self.exit_sender) {
            Ok(mut lane) => {
                let endpoints = std::mem::take(&mut lane.endpoints);
                self.gates[number].replace(Arc::clone(&lane.slots), Arc::clone(&lane.bell), endpoints);
                watched.lane = Some(lane);
            }
            Err(error) => tracing::error!(lane = number, %error, "the lane cannot be restarted"),
        }
        // Starting takes long: what happened to the other lanes meanwhile is unknown.
        self.lanes.iter_mut().for_each(|watched| watched.beats.clear());
    }

    /// Asks every stage for its histograms and waits for them.
    fn report(&mut self) -> Report {
        let limit = Instant::now() + REPORT_LIMIT;
        for watched in &mut self.lanes {
            let Some(lane) = &mut watched.lane else { continue };
            lane.readers.iter_mut().for_each(|(_, reader)| reader.request());
            for (stage, reader) in &mut lane.readers {
                let total = &mut watched.totals[*stage as usize];
                while !reader.collect(total) && Instant::now() < limit {
                    std::thread::sleep(POLL);
                }
            }
        }
        let stages = self.lanes.iter().enumerate().flat_map(|(lane, watched)| {
            watched.totals.iter().map(move |total| StageReport { lane, histograms: total.clone() })
        });
        Report {
            stages: stages.collect(),
            warm_passes: self
                .lanes
                .iter()
                .filter_map(|watched| Some(watched.lane.as_ref()?.feedback.totals().0))
                .sum(),
            restarts: self.lanes.iter().map(|watched| watched.restarts).sum(),
            starvations: self.lanes.iter().map(|watched| watched.starvations).sum(),
            abandoned_threads: self.abandoned_threads,
            lanes_down: self.lanes.iter().filter(|watched| watched.lane.is_none()).count(),
        }
    }

    fn shut_down(&mut self, deadline: Duration) -> ShutdownReport {
        let limit = Instant::now() + deadline.min(LONGEST_SHUTDOWN);
        self.gates.iter().for_each(Gate::drain);
        for gate in &*self.gates {
            let (slots, bell, present) = gate.present();
            for (slot, generation) in present {
                // A client in the middle of a push was let in before the gate closed: its samples count. One that is
                // stopped there keeps nobody waiting beyond the deadline.
                while slots.is_pushing(slot) && Instant::now() < limit {
                    std::thread::yield_now();
                }
                slots.finish(slot, generation);
            }
            bell.ring();
        }
        let open = |gates: &[Gate]| gates.iter().map(|gate| gate.present().2.len()).sum::<usize>();
        while open(&self.gates) > 0 && Instant::now() < limit && self.lanes.iter().any(|w| w.lane.is_some()) {
            std::thread::sleep(POLL);
        }
        let cut_streams = open(&self.gates);
        self.gates.iter().for_each(|gate| gate.close(LaneState::Stopped));
        // Threads end within a step; a deadline that has passed still leaves them that.
        let limit = limit.max(Instant::now() + Duration::from_millis(200));
        let lanes: Vec<Lane> = self.lanes.iter_mut().filter_map(|watched| watched.lane.take()).collect();
        lanes.iter().for_each(Lane::stop);
        let hanging: usize = lanes.into_iter().map(|lane| join(lane, limit)).sum();
        ShutdownReport { cut_streams, abandoned_threads: self.abandoned_threads + hanging }
    }
}

impl Drop for Supervisor {
    /// Ends lanes that still run: of an engine whose supervisor got no thread.
    fn drop(&mut self) {
        for lane in self.lanes.iter_mut().filter_map(|watched| watched.lane.take()) {
            end(lane, Instant::now() + REPORT_LIMIT);
        }
    }
}

impl Watched {
    /// Whether the lane has been restarted as often as it may be. Restarts count for a limited time.
    fn is_exhausted(&mut self, config: &SuperviseConfig, now: Instant) -> bool {
        let window = config.restart_window();
        while self.recent.front().is_some_and(|&then| now.duration_since(then) > window) {
            self.recent.pop_front();
        }
        self.recent.len() >= config.max_restarts as usize
    }
}

/// Tells a lane to stop and joins its threads; how many did not end in time.
pub(crate) fn end(lane: Lane, limit: Instant) -> usize {
    lane.stop();
    join(lane, limit)
}

/// Joins the threads of a lane that has been told to stop; how many did not end in time.
fn join(lane: Lane, limit: Instant) -> usize {
    let mut hanging = 0;
    for thread in lane.threads {
        while !thread.handle.is_finished() && Instant::now() < limit {
            std::thread::sleep(POLL);
        }
        if thread.handle.is_finished() {
            // A panic has been reported by the thread itself.
            let _ = thread.handle.join();
        } else {
            tracing::error!(stages = ?thread.stages, "a thread does not end and is abandoned");
            hanging += 1;
        }
    }
    hanging
}
