//! TurnStage: beside the chain, hears whether the speakers who pause have finished, one after the other.
//!
//! A question names a slot, whose buffer holds the audio. The answer goes back through the slot table. A question that
//! has been taken back, because the speaker went on or the stream ended, is dropped, even in the middle.

use super::pass_budget;
use crate::message::{Header, TurnMessage};
use crate::meter::Meter;
use crate::slot_state::Slots;
use crate::turn::{TurnAudio, TurnLoad};
use std::sync::Arc;
use voxlane_models::budget::Progress;
use voxlane_models::turn::TurnDetector;
use voxlane_runtime::budget::Budget;
use voxlane_runtime::eventcount::Notifier;
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::Receiver;
use voxlane_runtime::stage::{Stage, StepStatus};

/// What the stage is connected to.
pub(crate) struct TurnPorts {
    /// From ingest.
    pub(crate) input: Receiver<TurnMessage>,
    /// A buffer for each slot.
    pub(crate) pool: Arc<Pool<TurnAudio>>,
    /// How many questions ingest has asked that are not dealt with.
    pub(crate) load: Arc<TurnLoad>,
    /// Where the answers go.
    pub(crate) slots: Arc<Slots>,
    /// Wakes ingest.
    pub(crate) ingest: Arc<Notifier>,
}

/// See the module.
pub(crate) struct TurnStage {
    detector: TurnDetector,
    ports: TurnPorts,
    look: Option<Look>,
    meter: Meter,
}

/// A question that is being answered.
struct Look {
    header: Header<()>,
    question: u32,
}

impl TurnStage {
    pub(crate) fn new(detector: TurnDetector, ports: TurnPorts, meter: Meter) -> Self {
        TurnStage { detector, ports, look: None, meter }
    }

    /// Takes the next question that still matters.
    fn read(&mut self) -> bool {
        let Some(message) = self.ports.input.take() else { return false };
        let (mut header, question) = (message.header, message.payload.question);
        let slot = usize::from(header.slot);
        let received = self.meter.received(&header, header.captured);
        if self.ports.slots.state(slot).wants_turn(question)
            && let Some(audio) = self.ports.pool.take(slot as u32)
        {
            let samples = audio.of(question);
            if let Some(samples) = samples {
                self.detector.begin(samples);
                self.meter.computed(&mut header, received);
                self.look = Some(Look { header, question });
            }
            self.ports.pool.put(slot as u32, audio);
        }
        if self.look.is_none() {
            self.ports.load.remove();
        }
        true
    }

    /// Goes on with a look.
    fn advance(&mut self, mut look: Look, budget: &Budget) {
        let slot = usize::from(look.header.slot);
        let state = self.ports.slots.state(slot);
        if !state.wants_turn(look.question) {
            return self.ports.load.remove();
        }
        let begun = self.meter.clock.now();
        let progress = self.detector.step(&pass_budget(budget, &self.meter.clock));
        self.meter.computed(&mut look.header, begun);
        if progress == Progress::More {
            self.look = Some(look);
            return;
        }
        self.meter.served(&look.header, 0);
        self.ports.load.remove();
        state.answer_turn(look.question, self.detector.probability());
        self.ports.slots.mark_active(slot);
        self.ports.ingest.notify();
    }
}

impl Stage for TurnStage {
    fn report(&mut self) {
        self.meter.answer(0);
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let mut worked = false;
        loop {
            match self.look.take() {
                Some(look) => self.advance(look, budget),
                None if self.read() => {}
                None => return StepStatus::of(worked),
            }
            worked = true;
            if budget.is_spent() {
                return StepStatus::Busy;
            }
        }
    }
}
