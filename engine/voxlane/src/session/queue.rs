//! Clients that wait for a slot: first come, first served, and no more than a stated number.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the client whose turn it is looks for a free slot: a slot becomes free on a lane's thread, which wakes nobody.
const LOOK: Duration = Duration::from_millis(1);

/// See the module.
pub(super) struct OpenQueue {
    limit: usize,
    waiting: Mutex<Waiting>,
    moved: Condvar,
}

#[derive(Default)]
struct Waiting {
    tickets: VecDeque<u64>,
    next: u64,
}

/// Why waiting was to no avail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many wait as may.
    Full,
    /// The time is up.
    Late,
}

/// A place in the queue, given up when it is dropped.
struct Ticket<'a> {
    queue: &'a OpenQueue,
    number: u64,
}

impl OpenQueue {
    /// For `limit` clients that wait.
    pub(super) fn new(limit: usize) -> Self {
        OpenQueue { limit, waiting: Mutex::default(), moved: Condvar::new() }
    }

    /// How many may wait.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody waits: then nobody goes past them.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().tickets.is_empty()
    }

    /// What `attempt` gives when it is this client's turn and there is something, tried until `deadline` and once at least.
    pub(super) fn wait<T>(
        &self,
        deadline: Instant,
        mut attempt: impl FnMut() -> Option<T>,
    ) -> Result<T, Refused> {
        let ticket = {
            let mut waiting = self.lock();
            if waiting.tickets.len() >= self.limit {
                return Err(Refused::Full);
            }
            let number = waiting.next;
            waiting.next += 1;
            waiting.tickets.push_back(number);
            Ticket { queue: self, number }
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let waiting = self.lock();
            let is_first = waiting.tickets.front() == Some(&ticket.number);
            if !is_first && !left.is_zero() {
                drop(self.moved.wait_timeout(waiting, left));
                continue;
            }
            drop(waiting);
            if let Some(found) = is_first.then(&mut attempt).flatten() {
                return Ok(found);
            }
            if left.is_zero() {
                return Err(Refused::Late);
            }
            std::thread::sleep(LOOK.min(left));
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.queue.lock().tickets.retain(|&number| number != self.number);
        self.queue.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn clients_are_served_in_their_order() {
        let (queue, free, served) = (OpenQueue::new(8), AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (queue, free, served) = (&queue, &free, &served);
                scope.spawn(move || {
                    let attempt = || {
                        let is_taken =
                            free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(1));
                        is_taken.ok().map(|_| served.lock().unwrap().push(client))
                    };
                    queue.wait(Instant::now() + LONG, attempt).unwrap();
                });
                while queue.lock().tickets.len() <= client {
                    std::thread::yield_now();
                }
            }
            free.store(4, Ordering::SeqCst);
        });
        assert_eq!(*served.lock().unwrap(), [0, 1, 2, 3]);
        assert!(queue.is_empty());
    }

    #[test]
    fn too_many_and_too_late_are_refused() {
        let queue = OpenQueue::new(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.wait(Instant::now() + 20 * SOON, || None::<()>));
            while queue.is_empty() {
                std::thread::yield_now();
            }
            assert_eq!(queue.wait(Instant::now() + LONG, || Some(())), Err(Refused::Full));
            assert_eq!(waiting.join().unwrap(), Err(Refused::Late));
        });
        assert_eq!(queue.wait(Instant::now(), || Some(7)), Ok(7), "tried once although the time is up");
    }
}
