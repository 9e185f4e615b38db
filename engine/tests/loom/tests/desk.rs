//! Both shares of a call run once, on whichever thread, and nothing of the call is touched after it returned: shares
//! count in plain data of the caller, of which `loom` reports two unordered accesses.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;
use voxlane_loom::assist::Desk;
use voxlane_loom::bell::Sleeper;
use voxlane_loom::{Plain, check_bounded};
use voxlane_models::team::Assistant;

fn desk() -> Arc<Desk> {
    Arc::new(Desk::new(Sleeper::considerate().bell()))
}

/// A helper that looks for a job `times` times; how many it ran.
fn helper(desk: &Arc<Desk>, times: usize) -> thread::JoinHandle<usize> {
    let desk = Arc::clone(desk);
    thread::spawn(move || (0..times).filter(|_| desk.serve()).count())
}

fn call(desk: &Desk) {
    let (mut theirs, mut mine) = (Plain::new(), Plain::new());
    desk.both(&mut || theirs.add(), &mut || mine.add());
    assert_eq!((theirs.get(), mine.get()), (1, 1));
}

/// A call of which one share panics.
fn failing_call(desk: &Desk, theirs_panics: bool) {
    let (mut theirs, mut mine) = (Plain::new(), Plain::new());
    // Without the panic hook, which would print in every execution.
    let panic_if = |planned: bool| {
        if planned {
            resume_unwind(Box::new("planned"))
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        desk.both(
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
        let desk = desk();
        let helper = helper(&desk, 1);
        call(&desk);
        helper.join().unwrap();
    });
}

#[test]
fn a_desk_is_used_again() {
    loom::model(|| {
        let desk = desk();
        let helper = helper(&desk, 2);
        call(&desk);
        call(&desk);
        assert!(helper.join().unwrap() <= 2);
    });
}

#[test]
fn two_callers_meet() {
    loom::model(|| {
        let desk = desk();
        let helper = helper(&desk, 1);
        let other = Arc::clone(&desk);
        let other = thread::spawn(move || call(&other));
        call(&desk);
        other.join().unwrap();
        helper.join().unwrap();
    });
}

#[test]
fn a_share_calls_from_within() {
    loom::model(|| {
        let desk = desk();
        let helper = helper(&desk, 1);
        let (within_theirs, within_mine) = (Arc::clone(&desk), Arc::clone(&desk));
        desk.both(&mut || call(&within_theirs), &mut || call(&within_mine));
        helper.join().unwrap();
    });
}

#[test]
fn a_panic_of_the_helpers_share_reaches_the_caller() {
    loom::model(|| {
        let desk = desk();
        let helper = helper(&desk, 1);
        failing_call(&desk, true);
        call(&desk);
        helper.join().unwrap();
    });
}

#[test]
fn a_panic_of_the_callers_share_waits_for_the_helper() {
    loom::model(|| {
        let desk = desk();
        let helper = helper(&desk, 1);
        failing_call(&desk, false);
        call(&desk);
        helper.join().unwrap();
    });
}

#[test]
fn a_helper_that_sleeps_is_told_to_stop() {
    check_bounded(5, || {
        let sleeper = Sleeper::considerate();
        let bell = sleeper.bell();
        let desk = Arc::new(Desk::new(sleeper.bell()));
        let stop = Arc::new(AtomicBool::new(false));
        let (its_desk, its_stop) = (Arc::clone(&desk), Arc::clone(&stop));
        let helper = thread::spawn(move || {
            while !its_stop.load(Ordering::Acquire) {
                sleeper.sleep(Duration::ZERO, || its_stop.load(Ordering::Acquire) || its_desk.serve());
            }
        });
        call(&desk);
        stop.store(true, Ordering::Release);
        bell.ring();
        helper.join().unwrap();
    });
}
