//! Sharing a piece of work with a helper thread that stands by.
//!
//! One job at a time, handed over by one state word. The caller waits for a job that has begun and takes back
//! one that has not, so that a helper that sleeps or was descheduled never delays a pass by more than the work
//! itself.

use crate::eventcount::Notifier;
use crate::sync::{AtomicU32, Ordering, UnsafeCell, spin_loop};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// No job.
const IDLE: u32 = 0;
/// A job waits for whoever comes first.
const POSTED: u32 = 1;
/// The helper runs the job.
const RUNNING: u32 = 2;
/// The helper has run the job.
const DONE: u32 = 3;
/// The job panicked on the helper.
const PANICKED: u32 = 4;
/// A caller writes its job down.
const CLAIMED: u32 = 5;

type Job = *mut (dyn FnMut() + Send + 'static);

/// A place where callers and one helper thread meet. One call at a time has the helper; another that comes meanwhile, from
/// another thread or from within a share, does both of its shares itself.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use voxlane_runtime::eventcount::Waiter;
/// use voxlane_runtime::fork_join::ForkJoin;
///
/// let numbers: Vec<u64> = (0..1000).collect();
/// let (first, second) = numbers.split_at(500);
/// let fork_join = ForkJoin::new(Waiter::fenced().notifier());
/// let (mut left, mut right, done) = (0, 0, AtomicBool::new(false));
/// std::thread::scope(|scope| {
///     // The helper: here one that spins, in a lane one that waits by its strategy.
///     scope.spawn(|| {
///         while !done.load(Ordering::Acquire) {
///             fork_join.serve();
///         }
///     });
///     fork_join.join(&mut || right = second.iter().sum(), &mut || left = first.iter().sum());
///     done.store(true, Ordering::Release);
/// });
/// assert_eq!(left + right, 499_500);
/// ```
pub struct ForkJoin {
    state: AtomicU32,
    job: UnsafeCell<Option<Job>>,
    notifier: Arc<Notifier>,
}

// SAFETY: `job` is written only by the caller that has taken the state from IDLE to CLAIMED, and read by the helper only after it has
// taken the state from POSTED to RUNNING; the state's release and acquire order the two. What it points to is
// `Send`.
unsafe impl Send for ForkJoin {}
// SAFETY: as above.
unsafe impl Sync for ForkJoin {}

impl ForkJoin {
    /// Creates a place for callers and the helper thread that `notifier` wakes.
    pub fn new(notifier: Arc<Notifier>) -> Self {
        ForkJoin { state: AtomicU32::new(IDLE), job: UnsafeCell::new(None), notifier }
    }

    /// Runs a job if one waits, and returns whether it did. For the helper thread.
    pub fn serve(&self) -> bool {
        if self.state.load(Ordering::Relaxed) != POSTED
            || self.state.compare_exchange(POSTED, RUNNING, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            return false;
        }
        // SAFETY: RUNNING is ours, so the caller wrote the job before POSTED and keeps it alive, and touches
        // neither the cell nor what the job borrows until we store DONE or PANICKED.
        let outcome = unsafe {
            match self.job.with(|job| *job) {
                Some(job) => catch_unwind(AssertUnwindSafe(|| (*job)())),
                None => Ok(()),
            }
        };
        self.state.store(if outcome.is_ok() { DONE } else { PANICKED }, Ordering::Release);
        true
    }

    /// Runs `theirs` on the helper thread and `mine` on the caller's, and returns when both are done. If the helper has not begun when
    /// `mine` is done, or is busy, the caller runs both. Does not allocate.
    ///
    /// # Panics
    /// If one of the two panics, after the other is done, or the waker of the helper's task.
    pub fn join(&self, theirs: &mut (dyn FnMut() + Send), mine: &mut dyn FnMut()) {
        if self.state.compare_exchange(IDLE, CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            let outcome = catch_unwind(AssertUnwindSafe(theirs));
            mine();
            return outcome.unwrap_or_else(|panic| resume_unwind(panic));
        }
        let job: *mut (dyn FnMut() + Send + '_) = theirs;
        // SAFETY: only the lifetime changes. `settle` below returns after the last use of the job, on every
        // path, also when `mine` or the helper's waker panics.
        let job = unsafe { std::mem::transmute::<*mut (dyn FnMut() + Send + '_), Job>(job) };
        // SAFETY: CLAIMED is ours: no other caller writes, and the helper reads only after POSTED.
        self.job.with_mut(|place| unsafe { *place = Some(job) });
        self.state.store(POSTED, Ordering::Release);
        // Waking may run a task's waker, which may panic: nothing may leave before `settle`.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.notifier.notify();
            mine();
        }));
        // SAFETY: the pointer came from `theirs`, which nobody else uses before this returns.
        unsafe { self.settle(job) };
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }

    /// Waits until the job has been run, by the helper or, if it has not begun, by the caller.
    ///
    /// # Safety
    /// `job` is the job that the caller has posted, still alive, and nobody but the helper uses it.
    unsafe fn settle(&self, job: Job) {
        // CLAIMED, not IDLE: the job itself may call again.
        if self.state.compare_exchange(POSTED, CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            // SAFETY: it was not begun and now cannot be: it is the caller's again.
            let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)() }));
            self.state.store(IDLE, Ordering::Release);
            if let Err(panic) = outcome {
                resume_unwind(panic);
            }
            return;
        }
        let outcome = loop {
            match self.state.load(Ordering::Acquire) {
                RUNNING => spin_loop(),
                outcome => break outcome,
            }
        };
        self.state.store(IDLE, Ordering::Release);
        assert!(outcome != PANICKED, "the helper thread's share of the work panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventcount::Waiter;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    /// Runs `body` with a fork_join that a helper thread serves.
    fn with_helper(body: impl FnOnce(&ForkJoin)) {
        let waiter = Waiter::new();
        let fork_join = Arc::new(ForkJoin::new(waiter.notifier()));
        let stop = Arc::new(AtomicBool::new(false));
        let (its_place, its_stop) = (Arc::clone(&fork_join), Arc::clone(&stop));
        let helper = std::thread::spawn(move || {
            while !its_stop.load(Ordering::Relaxed) {
                if !its_place.serve() {
                    waiter.wait(Duration::from_millis(1), || its_place.serve());
                }
            }
        });
        body(&fork_join);
        stop.store(true, Ordering::Relaxed);
        helper.join().unwrap();
    }

    #[test]
    fn both_halves_are_done_when_it_returns() {
        with_helper(|fork_join| {
            let rounds = if cfg!(miri) { 20 } else { 5_000 };
            let mut rows = [0u64; 64];
            for round in 1..=rounds {
                let (a, b) = rows.split_at_mut(32);
                fork_join.join(&mut || b.iter_mut().for_each(|x| *x += round), &mut || {
                    a.iter_mut().for_each(|x| *x += round)
                });
            }
            assert_eq!(rows, [rounds * (rounds + 1) / 2; 64]);
        });
    }

    #[test]
    fn without_a_helper_the_caller_does_it_all() {
        let fork_join = ForkJoin::new(Waiter::new().notifier());
        let (mut a, mut b) = (0, 0);
        fork_join.join(&mut || a += 1, &mut || b += 1);
        assert_eq!((a, b), (1, 1));
    }

    #[test]
    fn callers_that_meet_or_nest_do_their_own_work() {
        with_helper(|fork_join| {
            let rounds = if cfg!(miri) { 20 } else { 2_000 };
            let count = || {
                let (mut a, mut b, mut c) = (0u64, 0u64, 0u64);
                for _ in 0..rounds {
                    fork_join.join(&mut || a += 1, &mut || fork_join.join(&mut || b += 1, &mut || c += 1));
                }
                assert_eq!([a, b, c], [rounds; 3]);
            };
            std::thread::scope(|scope| {
                scope.spawn(count);
                scope.spawn(count);
            });
        });
    }

    #[test]
    fn a_waker_that_panics_leaves_no_job_behind() {
        struct Panics;
        impl std::task::Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("planned");
            }
        }
        let waiter = Waiter::fenced();
        let waker = std::task::Waker::from(Arc::new(Panics));
        let mut context = std::task::Context::from_waker(&waker);
        assert!(waiter.poll(&mut context, || false).is_pending());
        let fork_join = ForkJoin::new(waiter.notifier());
        let mut ran = false;
        let outcome = catch_unwind(AssertUnwindSafe(|| fork_join.join(&mut || ran = true, &mut || {})));
        assert!(outcome.is_err() && ran, "the job is done before its caller leaves");
        assert!(!fork_join.serve(), "nothing is posted");
    }

    #[test]
    fn a_panic_on_either_side_reaches_the_caller_after_the_other_is_done() {
        with_helper(|fork_join| {
            for side in [0, 1] {
                let done = AtomicBool::new(false);
                let share = |which: usize| {
                    if which == side {
                        panic!("planned");
                    }
                    done.store(true, Ordering::SeqCst);
                };
                let outcome =
                    catch_unwind(AssertUnwindSafe(|| fork_join.join(&mut || share(0), &mut || share(1))));
                assert!(outcome.is_err() && done.load(Ordering::SeqCst));
                // The fork_join still works.
                let mut ran = false;
                fork_join.join(&mut || ran = true, &mut || {});
                assert!(ran);
            }
        });
    }
}
