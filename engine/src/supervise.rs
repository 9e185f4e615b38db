//! Watching over lanes: a stage that panics or hangs costs its lane's streams, never the process.
//!
//! A lane that fails is replaced as a whole. Its rings and buffers are not reused, so nothing of it can reach
//! a later stream; a thread of it that hangs is abandoned, and ends by itself if it ever goes on.

use crate::config::SuperviseConfig;
use crate::frame::StageKind;
use crate::lane::{Exit, Lane, LaneFactory, Outcome};
use crate::session::{EngineError, Gate, LaneState, ShutdownReport};
use crate::telemetry::{Report, StageHistograms, StageReport};
use crossbeam_channel::{Receiver, Sender, select, unbounded};
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
}

/// A lane under watch.
struct Watched {
    factory: Box<dyn LaneFactory>,
    /// Nothing while the lane could not be restarted.
    lane: Option<Lane>,
    epoch: u64,
    restarts: u32,
    beats: Vec<(u64, Instant)>,
    totals: Vec<StageHistograms>,
}

impl Supervisor {
    /// Starts every lane.
    pub(crate) fn start(
        factories: Vec<Box<dyn LaneFactory>>,
        config: SuperviseConfig,
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
                    let beats = Vec::new();
                    lanes.push(Watched { factory, lane: Some(lane), epoch: 0, restarts: 0, beats, totals });
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
        Ok(Supervisor { lanes, gates: gates.into(), config, exits, exit_sender, abandoned_threads: 0 })
    }

    pub(crate) fn gates(&self) -> Arc<[Gate]> {
        Arc::clone(&self.gates)
    }

    /// Watches until told to shut down, or until the engine is gone.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        let watchdog = self.config.watchdog();
        loop {
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
                default(watchdog / 4) => {}
            }
            self.look_for_hangs(watchdog);
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

    /// Gives up lanes of which a thread has shown no sign of life for the watchdog time.
    fn look_for_hangs(&mut self, watchdog: Duration) {
        let now = Instant::now();
        for number in 0..self.lanes.len() {
            let Watched { lane: Some(lane), beats, .. } = &mut self.lanes[number] else { continue };
            beats.resize(lane.threads.len(), (u64::MAX, now));
            let mut hung = Vec::new();
            for (thread, beat) in lane.threads.iter().zip(beats) {
                let count = thread.life.beat.load(Ordering::Relaxed);
                if count != beat.0 {
                    *beat = (count, now);
                } else if now.duration_since(beat.1) > watchdog {
                    hung.extend(thread.stages.iter().copied());
                }
            }
            if !hung.is_empty() {
                tracing::error!(lane = number, stages = ?hung, "a thread hangs; restarting its lane without it");
                self.replace(number);
            }
        }
    }

    /// Ends a lane that has failed, as far as it can be ended, and puts a new one in its place.
    fn replace(&mut self, number: usize) {
        let watched = &mut self.lanes[number];
        if let Some(lane) = watched.lane.take() {
            lane.stop();
            // Its other threads end within a step; one that hangs is left to itself.
            let limit = Instant::now() + self.config.watchdog().min(Duration::from_millis(200));
            self.abandoned_threads += join(lane, limit);
        }
        watched.epoch += 1;
        watched.restarts += 1;
        watched.beats.clear();
        if watched.restarts > self.config.max_restarts {
            tracing::error!(lane = number, "restarted too often; the lane stays down");
            self.gates[number].close(LaneState::Failed);
            return;
        }
        match watched.factory.start(watched.epoch, &self.exit_sender) {
            Ok(mut lane) => {
                let endpoints = std::mem::take(&mut lane.endpoints);
                self.gates[number].replace(Arc::clone(&lane.slots), Arc::clone(&lane.bell), endpoints);
                watched.lane = Some(lane);
            }
            Err(error) => {
                tracing::error!(lane = number, %error, "the lane cannot be restarted");
                self.gates[number].close(LaneState::Failed);
            }
        }
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
            abandoned_threads: self.abandoned_threads,
            lanes_down: self.lanes.iter().filter(|watched| watched.lane.is_none()).count(),
        }
    }

    fn shut_down(&mut self, deadline: Duration) -> ShutdownReport {
        let limit = Instant::now() + deadline.min(LONGEST_SHUTDOWN);
        self.gates.iter().for_each(Gate::refuse);
        for gate in &*self.gates {
            let (slots, bell, present) = gate.present();
            for (slot, generation) in present {
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
