//! Starting a lane's threads and ending them.

use super::plan::{HelperPlan, LanePlan, ThreadPlan};
use super::{Life, Stages, help, run};
use crate::eventcount::Notifier;
use crate::host::thread::current_thread;
use crate::pin;
use crate::telemetry::recorder::{Reader, StageHistograms};
use crate::wait::Wait;
use crate::warm_up::WarmFeedback;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long a lane's threads may take to build their stages and run the first dummy pass.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long the threads of a lane that does not start may take to end; one that hangs is left to itself.
const END_LIMIT: Duration = Duration::from_secs(2);

/// How often a thread that is to end is looked at.
const POLL: Duration = Duration::from_micros(500);

/// The reason why a lane cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LaneError {
    /// A chain was given more or fewer cores than it has stages.
    #[error("cores: one for each stage (expected {expected}, found {found})")]
    Cores {
        /// The number of stages.
        expected: usize,
        /// The number of cores.
        found: usize,
    },
    /// The operating system refused to bind a thread to its core.
    #[error("core {core}: the operating system does not pin a thread to it ({})", stages_text(stages))]
    Pin {
        /// The core.
        core: usize,
        /// The stages that would have run there; none for the helper thread.
        stages: Vec<&'static str>,
    },
    /// The operating system gave no thread.
    #[error("{}: no thread can be started: {source}", stages_text(stages))]
    Spawn {
        /// The stages that would have run on it; none for the helper thread.
        stages: Vec<&'static str>,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A stage panicked while it was built or while it ran its first pass.
    #[error("{}: panicked while it started: {message}", stages_text(stages))]
    Build {
        /// The stages of the thread.
        stages: Vec<&'static str>,
        /// The panic's message.
        message: String,
    },
    /// The lane was not ready in time.
    #[error("start: not ready in time (expected within {} s)", START_LIMIT.as_secs())]
    Timeout,
}

fn stages_text(stages: &[&str]) -> String {
    if stages.is_empty() { "helper".to_owned() } else { stages.join("+") }
}

/// The way in which a thread of a lane ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was asked to end.
    Stopped,
    /// A stage panicked.
    Panicked {
        /// The stages of the thread.
        stages: Vec<&'static str>,
        /// The panic's message.
        message: String,
    },
}

/// The notice of a thread's end.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The lane's number.
    pub lane: usize,
    /// The number of restarts of the lane before the thread began.
    pub epoch: u64,
    /// The way in which it ended.
    pub outcome: Outcome,
}

/// A thread of a running lane.
pub(crate) struct LaneThread {
    pub(crate) handle: JoinHandle<()>,
    pub(crate) life: Arc<Life>,
    pub(crate) stages: Vec<&'static str>,
    pub(crate) notifier: Arc<Notifier>,
}

/// A running lane, as its supervisor sees it. Dropping it asks its threads to stop and does not wait for them.
#[must_use]
pub struct Lane {
    pub(crate) threads: Vec<LaneThread>,
    pub(crate) readers: Vec<(&'static str, Reader)>,
    pub(crate) warm_up: Option<Arc<WarmFeedback>>,
}

impl LanePlan {
    /// Starts the lane, whose threads wait by `W` when they have no work, and returns when every thread is pinned, built and
    /// warm. `exits` hears of every thread that ends.
    ///
    /// # Errors
    /// [`LaneError`] naming the core or the stage at fault. Nothing is left running.
    pub fn start<W: Wait + 'static>(self, epoch: u64, exits: &Sender<Exit>) -> Result<Lane, LaneError> {
        let LanePlan { number, prefix, threads, helper, readers, timing, warm_up } = self;
        let (ready, readiness) = bounded(threads.len() + 1);
        let mut lane = Lane { threads: Vec::new(), readers, warm_up };
        let mut starter = Starter { number, prefix, epoch, ready, exits, lane: &mut lane };
        let mut spawned = Ok(());
        for ThreadPlan { core, waiter, stages } in threads {
            let (timing, notifier) = (timing.clone(), waiter.notifier());
            let mut names: Vec<&'static str> = Vec::new();
            for stage in &stages {
                if !names.contains(&stage.name) {
                    names.push(stage.name);
                }
            }
            let prepare = move || {
                let mut stages =
                    Stages::new(stages.into_iter().map(|stage| (stage.turn, (stage.build)())).collect());
                let mut wait = W::new(waiter, timing.clock.clone(), timing.spin);
                move |life: &Life| run(&mut stages, &mut wait, life, &timing.clock, timing.slice)
            };
            spawned = spawned.and_then(|()| starter.spawn(names, core, notifier, prepare));
        }
        if let Some(HelperPlan { core, waiter, fork_join }) = helper {
            let notifier = waiter.notifier();
            let prepare = move || {
                let mut wait = W::new(waiter, timing.clock, timing.spin);
                move |life: &Life| help(&fork_join, &mut wait, life)
            };
            spawned = spawned.and_then(|()| starter.spawn(Vec::new(), core, notifier, prepare));
        }
        let limit = Instant::now() + START_LIMIT;
        let outcome = spawned
            .and_then(|()| {
                (0..lane.threads.len())
                    .try_for_each(|_| readiness.recv_deadline(limit).unwrap_or(Err(LaneError::Timeout)))
            })
            .and_then(|()| lane.wait_until_warm(&readiness, limit));
        if let Err(error) = outcome {
            lane.end(Instant::now() + END_LIMIT);
            return Err(error);
        }
        Ok(lane)
    }
}

/// What the threads of a starting lane have in common.
struct Starter<'a> {
    number: usize,
    prefix: &'static str,
    epoch: u64,
    ready: Sender<Result<(), LaneError>>,
    exits: &'a Sender<Exit>,
    lane: &'a mut Lane,
}

impl Starter<'_> {
    /// Starts a thread on `core` that prepares itself, says that it is ready, and works until it is to end.
    /// No stages are the helper thread's.
    fn spawn<F: FnOnce(&Life)>(
        &mut self,
        stages: Vec<&'static str>,
        core: usize,
        notifier: Arc<Notifier>,
        prepare: impl FnOnce() -> F + Send + 'static,
    ) -> Result<(), LaneError> {
        let life = Arc::new(Life::default());
        let (its_life, its_stages) = (Arc::clone(&life), stages.clone());
        let (ready, exits, lane, epoch) = (self.ready.clone(), self.exits.clone(), self.number, self.epoch);
        let work = move || {
            its_life.thread.store(current_thread(), Ordering::Release);
            if !pin::pin(core) {
                return Err(LaneError::Pin { core, stages: its_stages });
            }
            let serve = catch_unwind(AssertUnwindSafe(prepare)).map_err(|panic| LaneError::Build {
                stages: its_stages.clone(),
                message: panic_text(&*panic),
            })?;
            // The starter hears of every thread, or has given up.
            let _ = ready.send(Ok(()));
            let outcome = match catch_unwind(AssertUnwindSafe(|| serve(&its_life))) {
                Ok(()) => Outcome::Stopped,
                Err(panic) => {
                    let (stages, message) = (its_stages, panic_text(&*panic));
                    let error = LaneError::Build { stages: stages.clone(), message: message.clone() };
                    // Heard only while the lane runs its first pass.
                    let _ = ready.try_send(Err(error));
                    Outcome::Panicked { stages, message }
                }
            };
            let _ = exits.send(Exit { lane, epoch, outcome });
            Ok(())
        };
        let failed = self.ready.clone();
        let handle = std::thread::Builder::new()
            .name(format!("{}{lane}-{}", self.prefix, stages_text(&stages)))
            .spawn(move || {
                if let Err(error) = work() {
                    let _ = failed.send(Err(error));
                }
            })
            .map_err(|source| LaneError::Spawn { stages: stages.clone(), source })?;
        self.lane.threads.push(LaneThread { handle, life, stages, notifier });
        Ok(())
    }
}

impl Lane {
    /// The first dummy touches every page and every branch before the first client is let in.
    fn wait_until_warm(
        &self,
        failures: &Receiver<Result<(), LaneError>>,
        limit: Instant,
    ) -> Result<(), LaneError> {
        let Some(feedback) = &self.warm_up else { return Ok(()) };
        while feedback.totals().0 == 0 {
            if let Ok(Err(error)) = failures.recv_timeout(Duration::from_millis(1)) {
                return Err(error);
            }
            if Instant::now() > limit {
                return Err(LaneError::Timeout);
            }
        }
        Ok(())
    }

    /// Asks every stage for its histograms, waits for them until `limit`, and adds them to `totals`: one entry for each name,
    /// in the order in which they first came.
    pub(crate) fn measure(&mut self, totals: &mut Vec<(&'static str, StageHistograms)>, limit: Instant) {
        self.readers.iter_mut().for_each(|(_, reader)| reader.request());
        for (stage, reader) in &mut self.readers {
            let at = totals.iter().position(|(name, _)| name == stage).unwrap_or_else(|| {
                totals.push((stage, StageHistograms::new(reader.measures())));
                totals.len() - 1
            });
            while !reader.collect(&mut totals[at].1) && Instant::now() < limit {
                std::thread::sleep(POLL);
            }
        }
    }

    /// The stages' names with empty histograms, as [`measure`](Self::measure) adds to them.
    pub(crate) fn unmeasured(&self) -> Vec<(&'static str, StageHistograms)> {
        let mut totals: Vec<(&'static str, StageHistograms)> = Vec::new();
        for (stage, reader) in &self.readers {
            if totals.iter().all(|(name, _)| name != stage) {
                totals.push((stage, StageHistograms::new(reader.measures())));
            }
        }
        totals
    }

    /// Asks every thread to stop; does not wait.
    pub fn stop(&self) {
        for thread in &self.threads {
            thread.life.stop.store(true, Ordering::Release);
            thread.notifier.notify();
        }
    }

    /// Asks the lane to stop, joins its threads, and returns how many did not end in time. Those are left to themselves.
    pub fn end(self, limit: Instant) -> usize {
        self.stop();
        self.join(limit)
    }

    /// Joins the threads of a lane that has been asked to stop; how many did not end in time.
    pub(crate) fn join(mut self, limit: Instant) -> usize {
        let mut hanging = 0;
        for thread in std::mem::take(&mut self.threads) {
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
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.stop();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}
