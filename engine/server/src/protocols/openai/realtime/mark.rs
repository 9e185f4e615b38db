//! Places in the audio at which the client said something, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the client said at a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// A turn ends, which has this name already.
    Turn { item_id: String, seconds: f64 },
    /// A turn ends, if the detector has heard one begin.
    Commit { event_id: Option<String> },
    /// What was not committed is to be forgotten.
    Clear,
}

/// The marks that the engine has not come to. Whoever pushes audio adds them, whoever hears the engine takes them off.
#[derive(Clone, Default)]
pub(super) struct Marks(Arc<Mutex<VecDeque<Mark>>>);

impl Marks {
    pub(super) fn add(&self, mark: Mark) {
        self.lock().push_back(mark);
    }

    pub(super) fn take(&self) -> Option<Mark> {
        self.lock().pop_front()
    }

    /// Whether the next of them is that audio is to be forgotten.
    pub(super) fn is_clear_next(&self) -> bool {
        self.lock().front() == Some(&Mark::Clear)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Mark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
