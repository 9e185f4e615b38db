//! Sharing the rows of a large kernel call between two threads.
//!
//! Results do not depend on it: a row is computed the same way wherever it is computed.

use std::sync::Arc;

/// A second thread that stands by.
pub trait Assistant: Send + Sync {
    /// Runs `theirs` on the other thread and `mine` on the caller's, and returns when both are done. If the
    /// other thread is not ready in time, the caller runs both. Does not allocate.
    ///
    /// # Panics
    /// If one of the two panics, after the other is done.
    fn both(&self, theirs: &mut (dyn FnMut() + Send), mine: &mut dyn FnMut());
}

/// The caller alone, or the caller and an assistant.
#[derive(Clone, Default)]
pub struct Team(Option<Arc<dyn Assistant>>);

impl Team {
    /// The caller alone.
    pub fn alone() -> Self {
        Team(None)
    }

    /// The caller and an assistant.
    pub fn with(assistant: Arc<dyn Assistant>) -> Self {
        Team(Some(assistant))
    }

    /// Whether there is an assistant.
    pub fn is_pair(&self) -> bool {
        self.0.is_some()
    }

    /// Runs both pieces of work and returns when both are done.
    #[inline]
    pub fn both(&self, mut theirs: impl FnMut() + Send, mut mine: impl FnMut()) {
        match &self.0 {
            Some(assistant) => assistant.both(&mut theirs, &mut mine),
            None => {
                mine();
                theirs();
            }
        }
    }
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_pair() { "Team(pair)" } else { "Team(alone)" })
    }
}
