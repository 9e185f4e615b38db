//! A buffer has one owner at a time, and is freed once. A buffer holds an [`Arc`] of `loom`, which reports one that is
//! never dropped, and plain data, of which it reports two unordered accesses.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use voxlane_loom::Plain;
use voxlane_loom::pool::Pool;

struct Buffer {
    uses: Plain,
    _freed_once: Arc<()>,
}

fn pool(count: usize) -> Arc<Pool<Buffer>> {
    Arc::new(Pool::new(count, || Buffer { uses: Plain::new(), _freed_once: Arc::new(()) }))
}

/// Uses buffer 0 unless someone has it; how often it did.
fn try_use(pool: &Pool<Buffer>) -> u32 {
    let Some(mut buffer) = pool.take(0) else { return 0 };
    buffer.uses.add();
    pool.put(0, buffer);
    1
}

#[test]
fn two_threads_never_have_the_same_buffer() {
    loom::model(|| {
        let pool = pool(1);
        let other = Arc::clone(&pool);
        let other = thread::spawn(move || try_use(&other) + try_use(&other));
        let mine = try_use(&pool) + try_use(&pool);
        let used = mine + other.join().unwrap();
        assert!((2..=4).contains(&used));
        assert_eq!(pool.take(0).map(|buffer| buffer.uses.get()), Some(used));
        assert!(pool.take(0).is_none());
    });
}

#[test]
fn who_is_passed_the_number_finds_the_buffer() {
    loom::model(|| {
        let pool = pool(2);
        let passed = Arc::new(AtomicBool::new(false));
        let (source, number) = (Arc::clone(&pool), Arc::clone(&passed));
        let source = thread::spawn(move || {
            assert_eq!(try_use(&source), 1);
            number.store(true, Ordering::Release);
        });
        if passed.load(Ordering::Acquire) {
            assert_eq!(pool.take(0).map(|buffer| buffer.uses.get()), Some(1));
        }
        source.join().unwrap();
    });
}

#[test]
fn the_last_owner_frees_the_pool_and_what_is_out() {
    loom::model(|| {
        let pool = pool(2);
        let other = Arc::clone(&pool);
        let other = thread::spawn(move || {
            if let Some(buffer) = other.take(0) {
                // No such place: dropped here.
                other.put(2, buffer);
            }
            try_use(&other)
        });
        let taken = pool.take(0);
        drop(pool);
        drop(taken);
        other.join().unwrap();
    });
}
