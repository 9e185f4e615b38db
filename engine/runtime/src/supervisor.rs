//! Watching over lanes: a stage that panics or is wedged costs its lane's clients, never the process. A thread that is
//! starved of processor time costs nothing but time (see `heartbeat.rs`).
//!
//! A lane that fails is replaced as a whole. Its rings and buffers are not reused, so nothing of it can reach
//! a later stream; a thread of it that hangs is abandoned, and ends by itself if it ever goes on.

use crate::clock::Clock;
use crate::heartbeat::{Heartbeat, Verdict};
use crate::host::thread::thread_status;
use crate::lane::{Exit, Lane, LaneError, Outcome};
use crate::telemetry::{Report, StageHistograms, StageReport};
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long a report waits for the stages.
const REPORT_LIMIT: Duration = Duration::from_secs(1);
/// The longest deadline of a shutdown: longer ones are shortened to it, so that adding it to a time cannot overflow.
pub const LONGEST_SHUTDOWN: Duration = Duration::from_secs(365 * 24 * 3600);
/// A maker of one lane, which is asked again whenever the lane has failed. [`Supervisor`] has an example.
pub trait LaneFactory: Send {
    /// Starts the lane anew and lets clients into it: nothing of an earlier lane is reused, so that nothing of it can reach
    /// a later client.
    ///
    /// # Errors
    /// If it does not start; nothing is left running.
    fn start(&mut self, epoch: u64, exits: &Sender<Exit>) -> Result<Lane, LaneError>;

    /// Ends what clients have of a lane that has failed: they get an error, and nobody gets a slot of it any more.
    fn failed(&mut self);
}

/// A request to a supervisor.
pub enum Command {
    /// Collects every stage's measurements.
    Report(Sender<Report>),
    /// Ends every lane when its clients' work is done, or the time is over.
    Shutdown {
        /// The time that clients' work may take.
        deadline: Duration,
        /// The channel for the answer.
        reply: Sender<ShutdownReport>,
    },
}

/// The streams and threads that a shutdown had to cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Streams that were not served to their end within the deadline.
    pub cut_streams: usize,
    /// Threads that did not end within the deadline and were given up.
    pub abandoned_threads: usize,
}

/// The limits beyond which a lane counts as failed, or as failed too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The time that a thread may work or sleep within one round.
    pub watchdog: Duration,
    /// The number of restarts of a lane that are allowed within the window.
    pub max_restarts: usize,
    /// The time for which a restart counts.
    pub restart_window: Duration,
}

/// A lane that did not start when its supervisor did.
#[derive(Debug, Error)]
#[error("lane {lane}: {source}")]
pub struct StartError {
    /// The lane's number.
    pub lane: usize,
    /// The reason.
    pub source: LaneError,
}

/// The one thread that watches over all lanes, and replaces a lane that fails.
///
/// ```
/// use crossbeam_channel::{Sender, bounded};
/// use std::time::Duration;
/// use voxlane_runtime::budget::Budget;
/// use voxlane_runtime::clock::Clock;
/// use voxlane_runtime::lane::{Exit, Lane, LaneError, LanePlan, StagePlan, ThreadPlan, Timing};
/// use voxlane_runtime::stage::{Stage, StepStatus, Turn};
/// use voxlane_runtime::supervisor::{Command, LaneFactory, ShutdownReport, Supervisor, Watch};
/// use voxlane_runtime::wait::SpinPark;
///
/// /// A stage that fails in the first lane, and not in the one that replaces it.
/// struct Fragile {
///     epoch: u64,
/// }
///
/// impl Stage for Fragile {
///     fn step(&mut self, _: &Budget) -> StepStatus {
///         assert!(self.epoch > 0, "the first lane fails");
///         StepStatus::Idle
///     }
/// }
///
/// struct Factory {
///     core: usize,
/// }
///
/// impl LaneFactory for Factory {
///     fn start(&mut self, epoch: u64, exits: &Sender<Exit>) -> Result<Lane, LaneError> {
///         let mut thread = ThreadPlan::new(self.core);
///         thread.stages.push(StagePlan::new("fragile", Turn::Always, move || Fragile { epoch }));
///         let timing = Timing {
///             clock: Clock::new(),
///             slice: Duration::from_micros(200),
///             spin: Duration::from_micros(50),
///         };
///         let (threads, readers) = (vec![thread], Vec::new());
///         let plan =
///             LanePlan { number: 0, prefix: "demo", threads, helper: None, readers, timing, warm_up: None };
///         plan.start::<SpinPark>(epoch, exits)
///     }
///
///     fn failed(&mut self) {} // clients would get an error
/// }
///
/// # let core = voxlane_runtime::host::allowed_cores().unwrap()[0];
/// let watch = Watch {
///     watchdog: Duration::from_secs(2),
///     max_restarts: 8,
///     restart_window: Duration::from_secs(600),
/// };
/// let supervisor = Supervisor::start(vec![Box::new(Factory { core })], watch, Clock::new())?;
/// let (commands, inbox) = bounded(8);
/// // There are no clients whose work a shutdown would wait for.
/// let thread = std::thread::spawn(move || supervisor.run(&inbox, |_, _| 0));
///
/// let report = || {
///     let (reply, answer) = bounded(1);
///     commands.send(Command::Report(reply)).unwrap();
///     answer.recv().unwrap()
/// };
/// while report().restarts == 0 {
///     std::thread::sleep(Duration::from_millis(1));
/// }
/// assert_eq!((report().restarts, report().lanes_down), (1, 0));
///
/// let (reply, answer) = bounded(1);
/// commands.send(Command::Shutdown { deadline: Duration::from_secs(1), reply })?;
/// assert_eq!(answer.recv()?, ShutdownReport::default(), "nothing had to be cut");
/// thread.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Supervisor {
    lanes: Vec<Watched>,
    watch: Watch,
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
    /// What each stage has measured, in the order in which they were first named.
    totals: Vec<(&'static str, StageHistograms)>,
}

impl Supervisor {
    /// Starts every lane.
    ///
    /// # Errors
    /// The first that does not start. Nothing is left running.
    pub fn start(
        factories: Vec<Box<dyn LaneFactory>>,
        watch: Watch,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let (exit_sender, exits) = unbounded();
        let mut supervisor =
            Supervisor { lanes: Vec::new(), watch, exits, exit_sender, abandoned_threads: 0, clock };
        for (lane, mut factory) in factories.into_iter().enumerate() {
            // Those that run already end with the supervisor.
            let started = factory.start(0, &supervisor.exit_sender);
            let started = started.map_err(|source| StartError { lane, source })?;
            supervisor.lanes.push(Watched {
                totals: started.unmeasured(),
                factory,
                lane: Some(started),
                epoch: 0,
                restarts: 0,
                recent: VecDeque::new(),
                beats: Vec::new(),
                is_starved: false,
                starvations: 0,
            });
        }
        Ok(supervisor)
    }

    /// Watches until it is asked to shut down, or until nobody can ask any more. Before lanes end, `drain` lets no further client
    /// in, waits until what has been handed over is done, at most until the time that it is given, and not at all where it
    /// gets the answer that no lane is up; and it says how many streams were cut.
    pub fn run(mut self, commands: &Receiver<Command>, mut drain: impl FnMut(Instant, bool) -> usize) {
        let watchdog = self.watch.watchdog;
        let period = watchdog / 4;
        loop {
            let waiting = Instant::now();
            // A supervisor that wakes late was itself starved, as all threads may have been.
            let mut is_late = false;
            select! {
                recv(commands) -> command => match command {
                    // Who has gone does not wait for the answer.
                    Ok(Command::Report(reply)) => { let _ = reply.send(self.report()); }
                    Ok(Command::Shutdown { deadline, reply }) => {
                        let report = self.shut_down(deadline, &mut drain);
                        let _ = reply.send(report);
                        return;
                    }
                    Err(_) => {
                        self.shut_down(Duration::ZERO, &mut drain);
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
        let is_current = |watched: &Watched| exit.epoch == watched.epoch && watched.lane.is_some();
        if !self.lanes.get(exit.lane).is_some_and(is_current) {
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
        let watched = &mut self.lanes[number];
        watched.factory.failed();
        if let Some(lane) = watched.lane.take() {
            lane.stop();
            // Its other threads end within a step; one that is wedged is left to itself.
            let limit = now + self.watch.watchdog.min(Duration::from_millis(200));
            self.abandoned_threads += lane.join(limit);
        }
        watched.beats.clear();
        watched.is_starved = false;
        if watched.is_exhausted(&self.watch, now) {
            tracing::error!(
                lane = number,
                within_s = self.watch.restart_window.as_secs(),
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
            if watched.lane.is_none() && !watched.is_exhausted(&self.watch, now) {
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
            Ok(lane) => watched.lane = Some(lane),
            Err(error) => tracing::error!(lane = number, %error, "the lane cannot be restarted"),
        }
        // Starting takes long: what happened to the other lanes meanwhile is unknown.
        self.lanes.iter_mut().for_each(|watched| watched.beats.clear());
    }

    /// Asks every stage for its histograms and waits for them.
    fn report(&mut self) -> Report {
        let limit = Instant::now() + REPORT_LIMIT;
        for Watched { lane, totals, .. } in &mut self.lanes {
            if let Some(lane) = lane {
                lane.measure(totals, limit);
            }
        }
        let stages = self.lanes.iter().enumerate().flat_map(|(lane, watched)| {
            let report = move |(stage, total): &(&'static str, StageHistograms)| StageReport {
                lane,
                stage,
                histograms: total.clone(),
            };
            watched.totals.iter().map(report)
        });
        let dummies = |watched: &Watched| Some(watched.lane.as_ref()?.warm_up.as_ref()?.totals().0);
        Report {
            stages: stages.collect(),
            warm_passes: self.lanes.iter().filter_map(dummies).sum(),
            restarts: self.lanes.iter().map(|watched| watched.restarts).sum(),
            starvations: self.lanes.iter().map(|watched| watched.starvations).sum(),
            abandoned_threads: self.abandoned_threads,
            lanes_down: self.lanes.iter().filter(|watched| watched.lane.is_none()).count(),
        }
    }

    fn shut_down(
        &mut self,
        deadline: Duration,
        drain: &mut impl FnMut(Instant, bool) -> usize,
    ) -> ShutdownReport {
        let limit = Instant::now() + deadline.min(LONGEST_SHUTDOWN);
        let cut_streams = drain(limit, self.lanes.iter().any(|watched| watched.lane.is_some()));
        // Threads end within a step; a deadline that has passed still leaves them that.
        let limit = limit.max(Instant::now() + Duration::from_millis(200));
        let lanes: Vec<Lane> = self.lanes.iter_mut().filter_map(|watched| watched.lane.take()).collect();
        lanes.iter().for_each(Lane::stop);
        let hanging: usize = lanes.into_iter().map(|lane| lane.join(limit)).sum();
        ShutdownReport { cut_streams, abandoned_threads: self.abandoned_threads + hanging }
    }
}

impl Drop for Supervisor {
    /// Ends lanes that still run: of a supervisor that was not run.
    fn drop(&mut self) {
        for lane in self.lanes.iter_mut().filter_map(|watched| watched.lane.take()) {
            lane.end(Instant::now() + REPORT_LIMIT);
        }
    }
}

impl Watched {
    /// Whether the lane has been restarted as often as it may be. Restarts count for a limited time.
    fn is_exhausted(&mut self, watch: &Watch, now: Instant) -> bool {
        while self.recent.front().is_some_and(|&then| now.duration_since(then) > watch.restart_window) {
            self.recent.pop_front();
        }
        self.recent.len() >= watch.max_restarts
    }
}
