//! Why work ends early.

use crate::signal::Signal;
use crate::signals::Signals;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by all threads of a command.
#[derive(Debug)]
pub struct Stop {
    signals: Signals,
    is_abandoned: AtomicBool,
}

/// A reason to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// What is open is finished, nothing is begun.
    Signal(Signal),
    /// Nobody takes results any more.
    Abandoned,
}

impl Stop {
    /// Stops on signals.
    pub fn new(signals: Signals) -> Self {
        Stop { signals, is_abandoned: AtomicBool::new(false) }
    }

    /// Makes everybody stop at once.
    pub fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }

    /// The signal that was received, if one was.
    pub fn signal(&self) -> Option<Signal> {
        self.signals.received()
    }

    /// Why to end now, if there is a reason.
    pub fn reason(&self) -> Option<Reason> {
        if self.is_abandoned.load(Ordering::Relaxed) {
            return Some(Reason::Abandoned);
        }
        self.signal().map(Reason::Signal)
    }
}
