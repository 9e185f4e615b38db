//! What the markers of a stream stand for. Markers are answered in order, so that the side that takes audio and the side
//! that tells what was said agree on the moment.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What a marker stands for, with the place in the audio in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mark {
    /// The client wanted the open segment's end.
    Finalize(f64),
    /// The teller wanted to know when the audio has come so far.
    Due(f64),
}

/// The markers of one stream that are not yet answered, and the place where the next is due.
#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    expected: VecDeque<Mark>,
    due_s: Option<f64>,
}

impl Marks {
    fn with<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes what the next marker stands for, before it is asked for.
    pub(super) fn expect(&self, mark: Mark) {
        self.with(|inner| inner.expected.push_back(mark));
    }

    /// What a marker that was answered stands for.
    pub(super) fn answered(&self) -> Option<Mark> {
        self.with(|inner| inner.expected.pop_front())
    }

    /// Whether the client waits for a segment's end.
    pub(super) fn is_finalizing(&self) -> bool {
        self.with(|inner| inner.expected.iter().any(|mark| matches!(mark, Mark::Finalize(_))))
    }

    /// Wants a marker when the audio has come to `place_s`, in place of what was wanted before.
    pub(super) fn want(&self, place_s: Option<f64>) {
        self.with(|inner| inner.due_s = place_s);
    }

    /// Whether a marker is due now that the audio has come to `seconds`. Never more than one waits: they are no hurry.
    pub(super) fn is_due(&self, seconds: f64) -> bool {
        self.with(|inner| {
            let is_due = inner.due_s.is_some_and(|due| due <= seconds) && inner.expected.is_empty();
            if is_due {
                inner.due_s = None;
            }
            is_due
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_in_order_and_a_due_one_comes_once() {
        let marks = Marks::default();
        assert!(!marks.is_due(9.0));
        marks.want(Some(1.0));
        assert!(!marks.is_due(0.9) && marks.is_due(1.0) && !marks.is_due(1.1));
        marks.expect(Mark::Due(1.0));
        marks.want(Some(1.2));
        assert!(!marks.is_due(2.0), "one is on its way");
        marks.expect(Mark::Finalize(2.0));
        assert!(marks.is_finalizing());
        assert_eq!(marks.answered(), Some(Mark::Due(1.0)));
        assert_eq!((marks.answered(), marks.answered()), (Some(Mark::Finalize(2.0)), None));
        assert!(!marks.is_finalizing() && marks.is_due(2.0));
    }
}
