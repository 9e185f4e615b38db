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
///
/// ```
/// use crossbeam_channel::unbounded;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::{Duration, Instant};
/// use voxlane_runtime::budget::Budget;
/// use voxlane_runtime::clock::Clock;
/// use voxlane_runtime::lane::{LanePlan, StagePlan, ThreadPlan, Timing};
/// use voxlane_runtime::stage::{Stage, StepStatus, Turn};
/// use voxlane_runtime::wait::SpinPark;
///
/// struct Counter(Arc<AtomicU64>);
///
/// impl Stage for Counter {
///     fn step(&mut self, _: &Budget) -> StepStatus {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         StepStatus::Idle
///     }
/// }
///
/// # let core = voxlane_runtime::host::allowed_cores().unwrap()[0];
/// let steps = Arc::new(AtomicU64::new(0));
/// let counter = Counter(Arc::clone(&steps));
/// let mut thread = ThreadPlan::new(core);
/// thread.stages.push(StagePlan::new("counter", Turn::Always, || counter));
/// let timing =
///     Timing { clock: Clock::new(), slice: Duration::from_micros(200), spin: Duration::from_micros(50) };
/// let (threads, readers) = (vec![thread], Vec::new());
/// let plan = LanePlan { number: 0, prefix: "demo", threads, helper: None, readers, timing, warm_up: None };
///
/// let (exits, ended) = unbounded();
/// let lane = plan.start::<SpinPark>(0, &exits)?; // the thread is called demo0-counter
/// while steps.load(Ordering::Relaxed) == 0 {
///     std::thread::yield_now();
/// }
/// assert_eq!(lane.end(Instant::now() + Duration::from_secs(60)), 0, "no thread hangs");
/// assert_eq!(ended.len(), 1, "one thread has ended");
/// # Ok::<(), voxlane_runtime::lane::LaneError>(())
/// ```
pub struct LanePlan {
    /// The lane's number: its place among those of its supervisor.
    pub number: usize,
    /// The first part of the threads' names; the lane's number and the stages follow: `vox0-ingest`.
    pub prefix: &'static str,
    /// Its threads.
    pub threads: Vec<ThreadPlan>,
    /// A thread that takes a share of some stage's work.
    pub helper: Option<HelperPlan>,
    /// The readers of the stages' histograms, with the name of each stage; several of one name are added up.
    pub readers: Vec<(&'static str, Reader)>,
    /// The clock, and how stages share time.
    pub timing: Timing,
    /// The place where dummies end: the lane is ready when the first has arrived; with `None`, at once.
    pub warm_up: Option<Arc<WarmFeedback>>,
}

/// A thread before it runs.
pub struct ThreadPlan {
    /// The core that it is pinned to.
    pub core: usize,
    /// The means by which it sleeps: who hands its stages work has the notifier.
    pub waiter: Waiter,
    /// The stages that it runs, in order.
    pub stages: Vec<StagePlan>,
}

impl ThreadPlan {
    /// Creates the plan of a thread on `core` without stages.
    pub fn new(core: usize) -> Self {
        ThreadPlan { core, waiter: Waiter::new(), stages: Vec::new() }
    }
}

/// A stage before it is built.
pub struct StagePlan {
    /// Its name, as in reports and errors. Several stages of a thread may share one: then it is said once.
    pub name: &'static str,
    /// The rounds in which it has its turn.
    pub turn: Turn,
    /// The function that builds it on its thread.
    pub build: Build,
}

impl StagePlan {
    /// Creates the plan of a stage called `name` that `build` makes on its thread.
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
    /// The means by which it sleeps.
    pub waiter: Waiter,
    /// The place where it finds its work.
    pub fork_join: Arc<ForkJoin>,
}

/// The clock of a lane, and how its stages share time.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The clock of every thread.
    pub clock: Clock,
    /// The time that a stage may work before the others of its thread have their turn.
    pub slice: Duration,
    /// The time for which a thread without work spins before it sleeps, where it does both.
    pub spin: Duration,
}
