//! What a pipeline is made of.

use crate::budget::Budget;
use std::time::Duration;

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// It did something, or has left something that the budget did not allow or that waits for room.
    Busy,
    /// There was nothing to do.
    Idle,
}

impl StepStatus {
    /// Busy if `worked`.
    #[inline]
    pub fn of(worked: bool) -> Self {
        if worked { StepStatus::Busy } else { StepStatus::Idle }
    }

    /// Whether the step was busy.
    #[inline]
    pub fn is_busy(self) -> bool {
        self == StepStatus::Busy
    }
}

/// A stage of a lane: owns its state and its ends of the rings, and knows neither which thread it runs on nor who its
/// neighbors are.
pub trait Stage {
    /// Does what is at hand within `budget`: many messages in, many out. Never blocks, allocates or locks.
    fn step(&mut self, budget: &Budget) -> StepStatus;

    /// Keeps caches warm, a small piece at a time: called when no stage of the thread has anything else to do. Most stages are
    /// warmed by what another one sends them.
    fn warm_up(&mut self) -> StepStatus {
        StepStatus::Idle
    }

    /// How long the thread may sleep at most, although nothing wakes it.
    fn due_in(&self) -> Option<Duration> {
        None
    }

    /// Hands the stage's histograms over if they were asked for: each round, whether or not it has a turn.
    fn report(&mut self) {}
}

/// When a stage has its turn among those of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// In every round.
    Always,
    /// In every round, and before background stages.
    Foreground,
    /// In rounds in which no foreground stage has anything to do, one background stage at a time: the last one that has.
    Background,
}

/// Makes a stage, on the thread that is to run it: memory belongs to the core that first touches it.
pub type Build = Box<dyn FnOnce() -> Box<dyn Stage> + Send>;
