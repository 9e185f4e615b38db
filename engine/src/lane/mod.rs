//! A lane: five stages on its threads, of which the three that compute may be there twice.
//!
//! Every thread of a lane runs `run`: whatever stages it has, in order. One core, two or five: the same code. Where batch
//! streams are to make way, they have features, encoder and decoder of their own, which a thread steps only while those
//! of the live streams have nothing to do: so a live stream waits for one step of a batch pass at most, on each thread.

mod pin;
mod sizes;
mod start;
mod wiring;

pub use pin::current_core;
pub use sizes::LaneMemory;
pub(crate) use sizes::Sizes;
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
    /// Of live streams, or where there is no other chain of all.
    live: Chain<M>,
    batch: Chain<M>,
    emit: Option<Emit>,
}

/// Those of the three stages that compute which one thread has.
pub(crate) struct Chain<M: Model> {
    features: Option<Features<M::FrontEnd>>,
    encoder: Option<Encoder<M::Encoder>>,
    decoder: Option<Decoder<M::Decoder>>,
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
    /// One round: every stage in order, each for a slice of time, so that ingest has its turn again soon; a part of a dummy
    /// if there was nothing to do. Whether there was work.
    fn step(&mut self, clock: &Clock, slice: Duration) -> bool {
        self.report();
        let mut worked = turn(&mut self.ingest, clock, slice);
        let is_live = self.live.step(clock, slice);
        if !is_live {
            worked |= self.batch.step_one(clock, slice);
        }
        worked |= is_live | turn(&mut self.emit, clock, slice);
        worked || self.ingest.as_mut().is_some_and(Ingest::warm)
    }

    /// Every stage hands its histograms over if they were asked for.
    fn report(&mut self) {
        report(&mut self.ingest);
        self.live.report();
        self.batch.report();
        report(&mut self.emit);
    }
}

impl<M: Model> Chain<M> {
    fn report(&mut self) {
        report(&mut self.features);
        report(&mut self.encoder);
        report(&mut self.decoder);
    }

    /// Every stage in order.
    fn step(&mut self, clock: &Clock, slice: Duration) -> bool {
        turn(&mut self.features, clock, slice)
            | turn(&mut self.encoder, clock, slice)
            | turn(&mut self.decoder, clock, slice)
    }

    /// The last stage that has work: what is nearest to its end holds buffers.
    fn step_one(&mut self, clock: &Clock, slice: Duration) -> bool {
        turn(&mut self.decoder, clock, slice)
            || turn(&mut self.encoder, clock, slice)
            || turn(&mut self.features, clock, slice)
    }
}

fn report<S: Stage>(stage: &mut Option<S>) {
    if let Some(stage) = stage {
        stage.report();
    }
}

/// A slice of time for a stage, if it is on this thread; whether it had work.
fn turn<S: Stage>(stage: &mut Option<S>, clock: &Clock, slice: Duration) -> bool {
    stage.as_mut().is_some_and(|stage| stage.step(&Budget::of(clock.quanta(), slice)) == Progress::More)
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
