//! What every stage has beside its work: the clock, its histograms, and in tests a planned fault.

use crate::fault_plan::FaultPlan;
use crate::message::Header;
use crate::stage_kind::StageKind;
use crate::telemetry::{Measure, QUEUE, SERVICE};
use std::sync::Arc;
use voxlane_runtime::clock::{Clock, Time};
use voxlane_runtime::telemetry::recorder::Recorder;

/// Measures one stage.
pub(crate) struct Meter {
    pub(crate) clock: Clock,
    stage: StageKind,
    recorder: Recorder,
    faults: Arc<FaultPlan>,
}

impl Meter {
    pub(crate) fn new(stage: StageKind, clock: Clock, recorder: Recorder, faults: Arc<FaultPlan>) -> Self {
        Meter { clock, stage, recorder, faults }
    }

    /// The first thing done with a message that the stage before published at `published`.
    #[inline]
    pub(crate) fn received<C>(&mut self, header: &Header<C>, published: Time) -> Time {
        let now = self.clock.now();
        if !header.is_warm() {
            self.faults.strike(self.stage);
            self.recorder.record(QUEUE, now.nanos_since(published));
        }
        now
    }

    /// Accounts the time since `begun` to a message.
    #[inline]
    pub(crate) fn computed<C>(&mut self, header: &mut Header<C>, begun: Time) {
        header.add_compute(self.clock.now().nanos_since(begun));
    }

    /// The stage is done with a message that had taken `before` nanoseconds when it came in.
    #[inline]
    pub(crate) fn served<C>(&mut self, header: &Header<C>, before: u64) {
        if !header.is_warm() {
            self.recorder.record(SERVICE, header.compute_nanos() - before);
        }
    }

    /// Records some other measure.
    #[inline]
    pub(crate) fn record(&mut self, measure: Measure, nanos: u64) {
        self.recorder.record(measure as usize, nanos);
    }

    /// Stamps a message that is about to be published.
    #[inline]
    pub(crate) fn stamp<C>(&self, header: &mut Header<C>) {
        header.stamp(self.stage as usize, self.clock.now());
    }

    /// Hands the histograms over if they were asked for.
    #[inline]
    pub(crate) fn answer(&mut self, refused: u64) {
        self.recorder.answer(refused);
    }
}
