//! What a pipeline is made of.

use crate::budget::Budget;
use std::time::Duration;

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// The stage did something, or has left something that the budget did not allow or that waits for room.
    Busy,
    /// The stage had nothing to do.
    Idle,
}

impl StepStatus {
    /// Returns `Busy` if `worked`, else `Idle`.
    #[inline]
    pub fn of(worked: bool) -> Self {
        if worked { StepStatus::Busy } else { StepStatus::Idle }
    }

    /// Returns whether the step was busy.
    #[inline]
    pub fn is_busy(self) -> bool {
        self == StepStatus::Busy
    }
}

/// A stage of a lane: owns its state and its ends of the rings, and knows neither which thread it runs on nor who its
/// neighbors are.
///
/// ```
/// use std::time::Duration;
/// use voxlane_runtime::budget::Budget;
/// use voxlane_runtime::clock::Clock;
/// use voxlane_runtime::eventcount::Waiter;
/// use voxlane_runtime::ring::{Receiver, ring};
/// use voxlane_runtime::stage::{Stage, StepStatus};
///
/// struct Sum {
///     input: Receiver<u64>,
///     sum: u64,
/// }
///
/// impl Stage for Sum {
///     fn step(&mut self, budget: &Budget) -> StepStatus {
///         let mut worked = false;
///         while let (false, Some(number)) = (budget.is_spent(), self.input.take()) {
///             self.sum += number;
///             worked = true;
///         }
///         StepStatus::of(worked)
///     }
/// }
///
/// // A lane's thread steps its stages in turn; here the test does.
/// let (mut sender, input) = ring(8, Waiter::fenced().notifier());
/// let mut stage = Sum { input, sum: 0 };
/// let budget = Budget::of(&Clock::new(), Duration::from_secs(60));
/// assert_eq!(stage.step(&budget), StepStatus::Idle);
/// assert!(sender.send(&20) && sender.send(&22));
/// assert!(stage.step(&budget).is_busy());
/// assert_eq!(stage.sum, 42);
/// ```
pub trait Stage {
    /// Does what is at hand within `budget`: many messages in, many out. Never blocks, allocates or locks.
    fn step(&mut self, budget: &Budget) -> StepStatus;

    /// Keeps caches warm, a small piece at a time: called when no stage of the thread has anything else to do. Most stages are
    /// warmed by what another one sends them.
    fn warm_up(&mut self) -> StepStatus {
        StepStatus::Idle
    }

    /// Returns how long the thread may sleep at most, although nothing wakes it.
    fn due_in(&self) -> Option<Duration> {
        None
    }

    /// Hands the stage's histograms over if they were asked for: each round, whether or not it has a turn.
    fn report(&mut self) {}
}

/// The rounds in which a stage has its turn among those of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A turn in every round.
    Always,
    /// A turn in every round, before background stages.
    Foreground,
    /// A turn in rounds in which no foreground stage has anything to do, one background stage at a time: the last in
    /// order that has work.
    Background,
}

/// A function that makes a stage, on the thread that is to run it: memory belongs to the core that first touches it.
pub type Build = Box<dyn FnOnce() -> Box<dyn Stage> + Send>;
