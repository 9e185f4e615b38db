//! Starting a lane's threads and ending them.

use super::wiring::{Endpoints, Wiring};
use super::{Life, help, pin, run};
use crate::bell::Bell;
use crate::clock::Clock;
use crate::config::{Config, Placement};
use crate::fault_plan::FaultPlan;
use crate::frame::StageKind;
use crate::host::thread::current_thread;
use crate::memory::say_unlocked;
use crate::slots::Slots;
use crate::supervise;
use crate::telemetry::recorder::Reader;
use crate::voice::Voice;
use crate::wait::Wait;
use crate::warm::WarmFeedback;
use crossbeam_channel::{Sender, bounded};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thiserror::Error;
use voxlane_models::model::Model;

/// How long a lane's threads may take to build their stages and run the first dummy pass.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long the threads of a lane that does not start may take to end; one that hangs is left to itself.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Why a lane cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LaneError {
    /// The operating system refused to bind a thread to its core.
    #[error("cannot pin {} to core {core}: the operating system refused", stages_text(stages))]
    Pin {
        /// The core.
        core: usize,
        /// What would have run there.
        stages: Vec<StageKind>,
    },
    /// The operating system gave no thread.
    #[error("cannot start a thread for {}: {source}", stages_text(stages))]
    Spawn {
        /// What would have run on it.
        stages: Vec<StageKind>,
        /// Why.
        source: std::io::Error,
    },
    /// A stage panicked while it was built or while it ran its first pass.
    #[error("{} failed to start: {message}", stages_text(stages))]
    Build {
        /// What the thread runs.
        stages: Vec<StageKind>,
        /// The panic's message.
        message: String,
    },
    /// The lane was not ready in time.
    #[error("the lane was not ready within {} s", START_LIMIT.as_secs())]
    Timeout,
}

fn stages_text(stages: &[StageKind]) -> String {
    if stages.is_empty() {
        return "helper".to_owned();
    }
    stages.iter().map(|stage| stage.name()).collect::<Vec<_>>().join("+")
}

/// How a thread of a lane ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It was told to.
    Stopped,
    /// A stage panicked.
    Panicked { stages: Vec<StageKind>, message: String },
}

/// Notice of a thread's end.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    pub(crate) lane: usize,
    pub(crate) epoch: u64,
    pub(crate) outcome: Outcome,
}

/// A thread of a running lane.
pub(crate) struct LaneThread {
    pub(crate) handle: JoinHandle<()>,
    pub(crate) life: Arc<Life>,
    pub(crate) stages: Vec<StageKind>,
    pub(crate) bell: Arc<Bell>,
}

/// A running lane, as its supervisor sees it.
pub(crate) struct Lane {
    pub(crate) threads: Vec<LaneThread>,
    pub(crate) readers: Vec<(StageKind, Reader)>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) feedback: Arc<WarmFeedback>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) endpoints: Vec<Endpoints>,
}

/// Makes a lane again and again, with its types hidden.
pub(crate) trait LaneFactory: Send {
    /// Starts the lane and waits until every thread is pinned, built and warm.
    fn start(&self, epoch: u64, exits: &Sender<Exit>) -> Result<Lane, LaneError>;
}

/// Everything needed to start lane number `number` with model `M`.
pub(crate) struct LanePlan<M> {
    pub(crate) number: usize,
    pub(crate) model: Arc<M>,
    pub(crate) config: Arc<Config>,
    pub(crate) placement: Placement,
    pub(crate) clock: Clock,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) voice: Voice,
}

/// A plan together with the wait strategy `W`.
pub(crate) struct LaneSpec<M, W> {
    pub(crate) plan: LanePlan<M>,
    pub(crate) wait: PhantomData<fn() -> W>,
}

impl<M: Model, W: Wait + 'static> LaneFactory for LaneSpec<M, W> {
    fn start(&self, epoch: u64, exits: &Sender<Exit>) -> Result<Lane, LaneError> {
        let plan = &self.plan;
        let settings = &plan.config.lanes[plan.number];
        let residency = plan.config.memory.residency();
        let (wiring, unlocked) = residency.apply(|| Wiring::new(plan, settings));
        say_unlocked("rings", unlocked);
        let (ready, readiness) = bounded(plan.placement.threads.len() + 1);
        let mut lane = Lane {
            threads: Vec::new(),
            readers: wiring.readers,
            slots: wiring.slots,
            feedback: Arc::clone(&wiring.feedback),
            bell: wiring.bell,
            endpoints: wiring.endpoints,
        };
        let mut crew = Crew { number: plan.number, epoch, ready, exits, lane: &mut lane };
        let mut spawned = Ok(());
        for ((sleeper, builders), place) in wiring.threads.into_iter().zip(&plan.placement.threads) {
            let (clock, slice) = (plan.clock.clone(), Duration::from_micros(settings.step_us));
            let spin = Duration::from_micros(settings.spin_us);
            let bell = sleeper.bell();
            let prepare = move || {
                let (mut stages, unlocked) = residency.apply(|| builders.build());
                say_unlocked("buffers", unlocked);
                let mut wait = W::new(sleeper, clock.clone(), spin);
                move |life: &Life| run(&mut stages, &mut wait, life, &clock, slice)
            };
            spawned = spawned.and_then(|()| crew.spawn(place.stages.clone(), place.core, bell, prepare));
        }
        if let Some((core, sleeper, desk)) = wiring.helper {
            let (clock, spin) = (plan.clock.clone(), Duration::from_micros(settings.spin_us));
            let bell = sleeper.bell();
            let prepare = move || {
                let mut wait = W::new(sleeper, clock, spin);
                move |life: &Life| help(&desk, &mut wait, life)
            };
            spawned = spawned.and_then(|()| crew.spawn(Vec::new(), core, bell, prepare));
        }
        let limit = Instant::now() + START_LIMIT;
        let outcome = spawned
            .and_then(|()| {
                (0..lane.threads.len())
                    .try_for_each(|_| readiness.recv_deadline(limit).unwrap_or(Err(LaneError::Timeout)))
            })
            .and_then(|()| plan.wait_until_warm(&wiring.feedback, &readiness, limit));
        if let Err(error) = outcome {
            supervise::end(lane, Instant::now() + END_LIMIT);
            return Err(error);
        }
        Ok(lane)
    }
}

/// What the threads of a starting lane have in common.
struct Crew<'a> {
    number: usize,
    epoch: u64,
    ready: Sender<Result<(), LaneError>>,
    exits: &'a Sender<Exit>,
    lane: &'a mut Lane,
}

impl Crew<'_> {
    /// Starts a thread on `core` that prepares itself, says that it is ready, and works until told to stop.
    /// No stages are the helper thread's.
    fn spawn<F: FnOnce(&Life)>(
        &mut self,
        stages: Vec<StageKind>,
        core: usize,
        bell: Arc<Bell>,
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
            .name(format!("vox{lane}-{}", stages_text(&stages)))
            .spawn(move || {
                if let Err(error) = work() {
                    let _ = failed.send(Err(error));
                }
            })
            .map_err(|source| LaneError::Spawn { stages: stages.clone(), source })?;
        self.lane.threads.push(LaneThread { handle, life, stages, bell });
        Ok(())
    }
}

impl<M> LanePlan<M> {
    /// The first dummy pass touches every page and every branch before the first stream is let in.
    fn wait_until_warm(
        &self,
        feedback: &WarmFeedback,
        failures: &crossbeam_channel::Receiver<Result<(), LaneError>>,
        limit: Instant,
    ) -> Result<(), LaneError> {
        while self.config.warm.enabled && feedback.totals().0 == 0 {
            if let Ok(Err(error)) = failures.recv_timeout(Duration::from_millis(1)) {
                return Err(error);
            }
            if Instant::now() > limit {
                return Err(LaneError::Timeout);
            }
        }
        Ok(())
    }
}

impl Lane {
    /// Tells every thread to stop; does not wait.
    pub(crate) fn stop(&self) {
        for thread in &self.threads {
            thread.life.stop.store(true, Ordering::Release);
            thread.bell.ring();
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}
