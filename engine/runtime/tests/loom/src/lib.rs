//! The runtime's lock-free types, compiled from its own files against `loom`'s atomics and cells, so that a model in
//! `tests/` runs them in every order that threads and the memory model allow.
//!
//! The files reach what is replaced by three names: `crate::sync`, `crate::futex` and `ringbuf`. The eventcount is checked
//! with a fence on both sides ([`eventcount::Waiter::fenced`]): `loom` knows no `membarrier`.

// So that `use ringbuf::` in `ring.rs` finds the stand-in.
extern crate self as ringbuf;

#[path = "../../../src/eventcount.rs"]
pub mod eventcount;
#[path = "../../../src/fork_join.rs"]
pub mod fork_join;
pub mod futex;
mod membarrier;
mod plain;
#[path = "../../../src/pool.rs"]
pub mod pool;
#[path = "../../../src/ring.rs"]
pub mod ring;
mod ringbuf_stand_in;
mod sync;

pub use plain::Plain;
pub use ringbuf_stand_in::{Cons, End, HeapRb, Prod, SharedRb, storage, traits, wrap};

/// Checks a model that is too large to be run in every order: besides where they wait, threads are interrupted
/// `interruptions` times in all, or as often as `LOOM_MAX_PREEMPTIONS` says.
pub fn check_bounded(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(interruptions));
    builder.check(model);
}
