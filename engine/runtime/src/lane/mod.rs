//! A lane: the stages of a pipeline on pinned threads.
//!
//! Every thread of a lane runs `run`: whatever stages it has, in turns. One core or several run the same code.

mod plan;
mod start;

pub use plan::{HelperPlan, LanePlan, StagePlan, ThreadPlan, Timing};
pub use start::{Exit, Lane, LaneError, Outcome};

use crate::budget::Budget;
use crate::clock::Clock;
use crate::fork_join::ForkJoin;
use crate::stage::{Stage, Turn};
use crate::wait::Wait;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

/// The stages of one thread.
struct Stages {
    /// Those that have a turn in every round, in order.
    every: Vec<(Turn, Box<dyn Stage>)>,
    background: Vec<Box<dyn Stage>>,
}

/// What a thread and its supervisor share.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Counts rounds: the thread's heartbeat.
    pub(crate) beat: AtomicU64,
    /// The kernel's number of the thread, 0 until it runs.
    pub(crate) thread: AtomicI32,
    /// Set when the thread should end.
    pub(crate) stop: AtomicBool,
}

impl Stages {
    fn new(stages: Vec<(Turn, Box<dyn Stage>)>) -> Self {
        let (background, every): (Vec<_>, Vec<_>) =
            stages.into_iter().partition(|(turn, _)| *turn == Turn::Background);
        Stages { every, background: background.into_iter().map(|(_, stage)| stage).collect() }
    }

    /// One round: every stage in order, each for a slice of time, so that the first has its turn again soon; a piece of
    /// warm-up if there was nothing to do. Whether there was work.
    fn round(&mut self, clock: &Clock, slice: Duration) -> bool {
        let step = |stage: &mut dyn Stage| stage.step(&Budget::of(clock, slice)).is_busy();
        let (mut worked, mut is_foreground_busy) = (false, false);
        for (turn, stage) in &mut self.every {
            stage.report();
            let is_busy = step(&mut **stage);
            worked |= is_busy;
            is_foreground_busy |= is_busy && *turn == Turn::Foreground;
        }
        self.background.iter_mut().for_each(|stage| stage.report());
        if !is_foreground_busy {
            // The last one that has work: what is nearest to its end holds the most.
            worked |= self.background.iter_mut().rev().any(|stage| step(&mut **stage));
        }
        worked || self.every.iter_mut().any(|(_, stage)| stage.warm_up().is_busy())
    }

    fn due_in(&self) -> Option<Duration> {
        self.every.iter().filter_map(|(_, stage)| stage.due_in()).min()
    }
}

/// Runs the stages until the thread is to end.
fn run<W: Wait>(stages: &mut Stages, wait: &mut W, life: &Life, clock: &Clock, slice: Duration) {
    while !life.stop.load(Ordering::Acquire) {
        life.beat.fetch_add(1, Ordering::Relaxed);
        if stages.round(clock, slice) {
            wait.busy();
        } else {
            wait.idle(stages.due_in(), || stages.round(clock, slice) || life.stop.load(Ordering::Acquire));
        }
    }
}

/// Serves a stage until the helper thread is to end.
fn help<W: Wait>(fork_join: &ForkJoin, wait: &mut W, life: &Life) {
    while !life.stop.load(Ordering::Acquire) {
        life.beat.fetch_add(1, Ordering::Relaxed);
        if fork_join.serve() {
            wait.busy();
        } else {
            wait.idle(None, || fork_join.serve() || life.stop.load(Ordering::Acquire));
        }
    }
}
