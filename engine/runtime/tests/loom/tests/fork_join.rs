//! Both shares of a call run once, on whichever thread, and nothing of the call is touched after it returned: shares
//! count in plain data of the caller, of which `loom` reports two unordered accesses.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;
use voxlane_loom::eventcount::Waiter;
use voxlane_loom::fork_join::ForkJoin;
use voxlane_loom::{Plain, check_bounded};

fn fork_join() -> Arc<ForkJoin> {
    Arc::new(ForkJoin::new(Waiter::fenced().notifier()))
}

/// A helper that looks for a job `times` times; how many it ran.
fn helper(fork_join: &Arc<ForkJoin>, times: usize) -> thread::JoinHandle<usize> {
    let fork_join = Arc::clone(fork_join);
    thread::spawn(move || (0..times).filter(|_| fork_join.serve()).count())
}

fn call(fork_join: &ForkJoin) {
    let (mut theirs, mut mine) = (Plain::new(), Plain::new());
    fork_join.join(&mut || theirs.add(), &mut || mine.add());
    assert_eq!((theirs.get(), mine.get()), (1, 1));
}

/// A call of which one share panics.
fn failing_call(fork_join: &ForkJoin, theirs_panics: bool) {
    let (mut theirs, mut mine) = (Plain::new(), Plain::new());
    // Without the panic hook, which would print in every execution.
    let panic_if = |planned: bool| {
        if planned {
            resume_unwind(Box::new("planned"))
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        fork_join.join(
            &mut || {
                theirs.add();
                panic_if(theirs_panics);
            },
            &mut || {
                mine.add();
                panic_if(!theirs_panics);
            },
        );
    }));
    assert!(outcome.is_err());
    assert_eq!((theirs.get(), mine.get()), (1, 1));
}

#[test]
fn both_shares_run_once() {
    loom::model(|| {
        let fork_join = fork_join();
        let helper = helper(&fork_join, 1);
        call(&fork_join);
        helper.join().unwrap();
    });
}

#[test]
fn a_place_is_used_again() {
    loom::model(|| {
        let fork_join = fork_join();
        let helper = helper(&fork_join, 2);
        call(&fork_join);
        call(&fork_join);
        assert!(helper.join().unwrap() <= 2);
    });
}

#[test]
fn two_callers_meet() {
    loom::model(|| {
        let fork_join = fork_join();
        let helper = helper(&fork_join, 1);
        let other = Arc::clone(&fork_join);
        let other = thread::spawn(move || call(&other));
        call(&fork_join);
        other.join().unwrap();
        helper.join().unwrap();
    });
}

#[test]
fn a_share_calls_from_within() {
    loom::model(|| {
        let fork_join = fork_join();
        let helper = helper(&fork_join, 1);
        let (within_theirs, within_mine) = (Arc::clone(&fork_join), Arc::clone(&fork_join));
        fork_join.join(&mut || call(&within_theirs), &mut || call(&within_mine));
        helper.join().unwrap();
    });
}

#[test]
fn a_panic_of_the_helpers_share_reaches_the_caller() {
    loom::model(|| {
        let fork_join = fork_join();
        let helper = helper(&fork_join, 1);
        failing_call(&fork_join, true);
        call(&fork_join);
        helper.join().unwrap();
    });
}

#[test]
fn a_panic_of_the_callers_share_waits_for_the_helper() {
    loom::model(|| {
        let fork_join = fork_join();
        let helper = helper(&fork_join, 1);
        failing_call(&fork_join, false);
        call(&fork_join);
        helper.join().unwrap();
    });
}

#[test]
fn a_helper_that_sleeps_is_asked_to_stop() {
    check_bounded(5, || {
        let waiter = Waiter::fenced();
        let notifier = waiter.notifier();
        let fork_join = Arc::new(ForkJoin::new(waiter.notifier()));
        let stop = Arc::new(AtomicBool::new(false));
        let (its_place, its_stop) = (Arc::clone(&fork_join), Arc::clone(&stop));
        let helper = thread::spawn(move || {
            while !its_stop.load(Ordering::Acquire) {
                waiter.wait(Duration::ZERO, || its_stop.load(Ordering::Acquire) || its_place.serve());
            }
        });
        call(&fork_join);
        stop.store(true, Ordering::Release);
        notifier.notify();
        helper.join().unwrap();
    });
}
