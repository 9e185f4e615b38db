//! The greedy strategy behind a trait object: what the engine does not do, for comparison.

use std::hint::black_box;
use voxlane_models::decode::{AttentionGreedy, DecodeStrategy, Next, Prediction, Vocabulary};
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Hypothesis;
use voxlane_models::model::{Request, Slot};

/// What can be called through a trait object.
trait Strategy: Send {
    fn begin(&mut self, slot: Slot, request: Request, max_tokens: usize);
    fn block(&self) -> &[u32];
    fn excluded(&self) -> Option<u32>;
    fn accept(&mut self, predictions: &[Prediction], faults: &mut Faults) -> Next;
    fn hypothesis(&self, slot: Slot) -> &Hypothesis;
    fn hypothesis_mut(&mut self, slot: Slot) -> &mut Hypothesis;
    fn reset(&mut self, slot: Slot);
}

impl<S: DecodeStrategy> Strategy for S {
    fn begin(&mut self, slot: Slot, request: Request, max_tokens: usize) {
        DecodeStrategy::begin(self, slot, request, max_tokens);
    }

    fn block(&self) -> &[u32] {
        DecodeStrategy::block(self)
    }

    fn excluded(&self) -> Option<u32> {
        DecodeStrategy::excluded(self)
    }

    fn accept(&mut self, predictions: &[Prediction], faults: &mut Faults) -> Next {
        DecodeStrategy::accept(self, predictions, faults)
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        DecodeStrategy::hypothesis(self, slot)
    }

    fn hypothesis_mut(&mut self, slot: Slot) -> &mut Hypothesis {
        DecodeStrategy::hypothesis_mut(self, slot)
    }

    fn reset(&mut self, slot: Slot) {
        DecodeStrategy::reset(self, slot);
    }
}

/// A strategy behind a trait object.
pub struct ByTrait(Box<dyn Strategy>);

impl DecodeStrategy for ByTrait {
    const MAX_BLOCK: usize = AttentionGreedy::MAX_BLOCK;

    fn new(vocabulary: Vocabulary, slots: usize) -> Self {
        // Hidden from the optimizer, which would see through a box that holds only one type.
        ByTrait(black_box(Box::new(AttentionGreedy::new(vocabulary, slots))))
    }

    fn begin(&mut self, slot: Slot, request: Request, max_tokens: usize) {
        self.0.begin(slot, request, max_tokens);
    }

    fn block(&self) -> &[u32] {
        self.0.block()
    }

    fn excluded(&self) -> Option<u32> {
        self.0.excluded()
    }

    fn accept(&mut self, predictions: &[Prediction], faults: &mut Faults) -> Next {
        self.0.accept(predictions, faults)
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        self.0.hypothesis(slot)
    }

    fn hypothesis_mut(&mut self, slot: Slot) -> &mut Hypothesis {
        self.0.hypothesis_mut(slot)
    }

    fn reset(&mut self, slot: Slot) {
        self.0.reset(slot);
    }
}
