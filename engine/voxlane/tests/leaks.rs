//! Nothing is orphaned: threads and file descriptors before and after an engine. Alone in its program, so
//! that nobody else's threads are counted.

mod support;

use std::time::{Duration, Instant};
use support::{engine, noise, open};

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).map(Iterator::count).unwrap_or(0)
}

#[test]
fn threads_and_descriptors_are_the_same_before_and_after() {
    let before = (count("/proc/self/task"), count("/proc/self/fd"));
    for round in 0..3 {
        let engine = engine(support::config(2));
        let mut finished = open(&engine);
        finished.push_wait(&noise(5000, round)).unwrap();
        finished.finish().unwrap();
        let mut open_still = open(&engine);
        open_still.push_wait(&noise(5000, round)).unwrap();
        if round == 0 {
            engine.shutdown(Duration::from_secs(20));
        } else {
            drop(engine);
        }
    }
    // The kernel drops a joined thread's entry a moment after the join.
    let waited = Instant::now();
    while (count("/proc/self/task"), count("/proc/self/fd")) != before {
        assert!(waited.elapsed() < Duration::from_secs(30), "threads or descriptors are left over");
        std::thread::sleep(Duration::from_millis(5));
    }
}
