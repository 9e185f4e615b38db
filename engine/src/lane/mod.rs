//! A lane: one chain of five stages on its threads.
//!
//! Every thread of a lane runs `run`: whatever stages it has, in order. One core, two or five: the same code.

mod pin;
mod start;
mod wiring;

pub use pin::current_core;
pub(crate) use start::{Exit, Lane, LaneError, LaneFactory, LanePlan, LaneSpec, Outcome};
pub(crate) use wiring::Endpoints;

use crate::assist::Desk;
use crate::clock::Clock;
use crate::stage::{Decoder, Emit, Encoder, Features, Ingest, Stage};
use crate::wait::Wait;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::model::Model;

/// The stages of one thread.
pub(crate) struct Stages<M: Model> {
    ingest: Option<Ingest>,
    features: Option<Features<M::FrontEnd>>,
    encoder: Option<Encoder<M::Encoder>>,
    decoder: Option<Decoder<M::Decoder>>,
    emit: Option<Emit>,
}

/// What a thread and its supervisor share.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Counts rounds: the thread's heartbeat.
    pub(crate) beat: AtomicU64,
    /// The kernel's number of the thread, 0 until it runs.
    pub(crate) thread: AtomicI32,
    /// Set when the thread should end.
    pub(crate) stop: AtomicBool,
}

impl<M: Model> Stages<M> {
    /// One round: every stage in order, each for a slice of time, so that ingest has its turn again soon.
    fn step(&mut self, clock: &Clock, slice: Duration) -> bool {
        fn turn<S: Stage>(stage: &mut Option<S>, clock: &Clock, slice: Duration) -> bool {
            stage
                .as_mut()
                .is_some_and(|stage| stage.step(&Budget::of(clock.quanta(), slice)) == Progress::More)
        }
        turn(&mut self.ingest, clock, slice)
            | turn(&mut self.features, clock, slice)
            | turn(&mut self.encoder, clock, slice)
            | turn(&mut self.decoder, clock, slice)
            | turn(&mut self.emit, clock, slice)
    }
}

/// Runs the stages until told to stop.
pub(crate) fn run<M: Model, W: Wait>(
    stages: &mut Stages<M>,
    wait: &mut W,
    life: &Life,
    clock: &Clock,
    slice: Duration,
) {
    while !life.stop.load(Ordering::Acquire) {
        life.beat.fetch_add(1, Ordering::Relaxed);
        if stages.step(clock, slice) {
            wait.busy();
        } else {
            let due = stages.ingest.as_ref().and_then(|ingest| ingest.due_in());
            wait.idle(due, || stages.step(clock, slice) || life.stop.load(Ordering::Acquire));
        }
    }
}

/// Runs the helper thread until told to stop.
pub(crate) fn help<W: Wait>(desk: &Desk, wait: &mut W, life: &Life) {
    while !life.stop.load(Ordering::Acquire) {
        life.beat.fetch_add(1, Ordering::Relaxed);
        if desk.serve() {
            wait.busy();
        } else {
            wait.idle(None, || desk.serve() || life.stop.load(Ordering::Acquire));
        }
    }
}
