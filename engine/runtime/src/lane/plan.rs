//! Everything that is needed to start a lane once.

use crate::clock::Clock;
use crate::eventcount::Waiter;
use crate::fork_join::ForkJoin;
use crate::stage::{Build, Stage, Turn};
use crate::telemetry::recorder::Reader;
use crate::warm_up::WarmFeedback;
use std::sync::Arc;
use std::time::Duration;

/// A lane before its threads run.
pub struct LanePlan {
    /// The lane's number: its place among those of its supervisor.
    pub number: usize,
    /// Threads are called by it, the lane's number and their stages: `vox0-ingest`.
    pub prefix: &'static str,
    /// Its threads.
    pub threads: Vec<ThreadPlan>,
    /// A thread that takes a share of some stage's work.
    pub helper: Option<HelperPlan>,
    /// Where the stages' histograms come out, with the name of each stage; several of one name are added up.
    pub readers: Vec<(&'static str, Reader)>,
    /// Time, and how it is shared.
    pub timing: Timing,
    /// Where dummies end: the lane is ready when the first has. Ready at once without.
    pub warm_up: Option<Arc<WarmFeedback>>,
}

/// A thread before it runs.
pub struct ThreadPlan {
    /// The core that it is pinned to.
    pub core: usize,
    /// How it sleeps: who hands its stages work has the notifier.
    pub waiter: Waiter,
    /// What it runs, in order.
    pub stages: Vec<StagePlan>,
}

impl ThreadPlan {
    /// A thread on `core` without stages.
    pub fn new(core: usize) -> Self {
        ThreadPlan { core, waiter: Waiter::new(), stages: Vec::new() }
    }
}

/// A stage before it is built.
pub struct StagePlan {
    /// Its name, as in reports and errors. Several stages of a thread may share one: then it is said once.
    pub name: &'static str,
    /// When it has its turn.
    pub turn: Turn,
    /// Builds it on its thread.
    pub build: Build,
}

impl StagePlan {
    /// A stage called `name` that `build` makes on its thread.
    pub fn new<S: Stage + 'static>(
        name: &'static str,
        turn: Turn,
        build: impl FnOnce() -> S + Send + 'static,
    ) -> Self {
        StagePlan { name, turn, build: Box::new(|| Box::new(build())) }
    }
}

/// A helper thread before it runs.
pub struct HelperPlan {
    /// The core that it is pinned to.
    pub core: usize,
    /// How it sleeps.
    pub waiter: Waiter,
    /// Where it finds its work.
    pub fork_join: Arc<ForkJoin>,
}

/// Time, and how it is shared.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The clock of every thread.
    pub clock: Clock,
    /// How long a stage may work before the others of its thread have their turn.
    pub slice: Duration,
    /// How long a thread without work spins before it sleeps, where it does both.
    pub spin: Duration,
}
