//! What a client should know of its request and finds in `warnings` of its metadata.

use std::sync::{Arc, Mutex, PoisonError};

/// The most that are kept.
const MOST: usize = 64;

/// Notes, which all parts of a connection share.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    /// Starts with those about the options.
    pub(super) fn new(notes: Vec<String>) -> Self {
        Notes(Arc::new(Mutex::new(notes)))
    }

    /// Adds one, unless it is there or there are too many.
    pub(super) fn add(&self, note: String) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < MOST && !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// All of them so far.
    pub(super) fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
