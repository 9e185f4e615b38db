//! The greedy strategy in an enum: what the engine does not do, for comparison.

use std::hint::black_box;
use voxlane_models::decode::{AttentionGreedy, DecodeStrategy, Next, Prediction, Vocabulary};
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Hypothesis;
use voxlane_models::model::{Request, Slot};

/// A strategy in an enum, matched at every call.
pub enum ByEnum {
    /// The one that runs.
    Greedy(AttentionGreedy),
    /// Another one, so that there is something to match.
    Other(Patient),
}

/// Greedy decoding that never takes the end token for an answer before its limit.
pub struct Patient(AttentionGreedy);

impl Patient {
    fn accept(&mut self, predictions: &[Prediction], faults: &mut Faults) -> Next {
        match self.0.accept(predictions, faults) {
            Next::Done if faults.is_none() => Next::Block { keep: self.0.hypothesis(0).tokens().len() },
            next => next,
        }
    }
}

/// Calls a method of whatever strategy `$self` holds.
macro_rules! each {
    ($self:ident, $inner:ident => $call:expr) => {
        match $self {
            ByEnum::Greedy($inner) => $call,
            ByEnum::Other(Patient($inner)) => $call,
        }
    };
}

impl DecodeStrategy for ByEnum {
    const MAX_BLOCK: usize = AttentionGreedy::MAX_BLOCK;

    fn new(vocabulary: Vocabulary, slots: usize) -> Self {
        let greedy = AttentionGreedy::new(vocabulary, slots);
        // The choice is hidden from the optimizer, as a configuration file would hide it.
        if black_box(true) { ByEnum::Greedy(greedy) } else { ByEnum::Other(Patient(greedy)) }
    }

    fn begin(&mut self, slot: Slot, request: Request, max_tokens: usize) {
        each!(self, inner => inner.begin(slot, request, max_tokens));
    }

    fn block(&self) -> &[u32] {
        each!(self, inner => inner.block())
    }

    fn excluded(&self) -> Option<u32> {
        each!(self, inner => inner.excluded())
    }

    fn accept(&mut self, predictions: &[Prediction], faults: &mut Faults) -> Next {
        match self {
            ByEnum::Greedy(greedy) => greedy.accept(predictions, faults),
            ByEnum::Other(patient) => patient.accept(predictions, faults),
        }
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        each!(self, inner => inner.hypothesis(slot))
    }

    fn hypothesis_mut(&mut self, slot: Slot) -> &mut Hypothesis {
        each!(self, inner => inner.hypothesis_mut(slot))
    }

    fn reset(&mut self, slot: Slot) {
        each!(self, inner => inner.reset(slot));
    }
}
