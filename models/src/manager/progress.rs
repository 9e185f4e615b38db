//! How a fetch gets on.

/// Hears how a fetch gets on. All methods do nothing by default; `()` listens to nothing.
pub trait Progress {
    /// `done` of `total` bytes of `file` have arrived; called often, and once with `done == total` at the end.
    fn advance(&mut self, file: &str, done: u64, total: u64) {
        let _ = (file, done, total);
    }

    /// Something that a person may want to know: a source that is being asked, one that failed, a damaged
    /// file that is fetched anew.
    fn note(&mut self, message: &str) {
        let _ = message;
    }
}

impl Progress for () {}
