//! Greedy decoding of a transducer with everything behind trait objects: what the engine does not do, for comparison.

use super::{Network, forwarded};
use std::hint::black_box;
use voxlane_kernels::projection::Best;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_models::decode::{Joiner, Predictor, StreamLimits, StreamStrategy, TransducerGreedy};
use voxlane_models::fault::Faults;
use voxlane_models::model::Slot;

/// A network that is called through a trait object, for every product.
struct Virtual<'a>(&'a mut dyn Network);

impl Predictor for Virtual<'_> {
    fn state_len(&self) -> usize {
        self.0.state_len()
    }

    fn prediction_len(&self) -> usize {
        self.0.prediction_len()
    }

    fn start(&mut self, state: &mut [f32], prediction: &mut [f32]) {
        self.0.start(state, prediction);
    }

    fn advance(&mut self, symbol: u32, state: &mut [f32], prediction: &mut [f32]) {
        self.0.advance(symbol, state, prediction);
    }
}

impl Joiner for Virtual<'_> {
    fn symbols(&self) -> usize {
        self.0.symbols()
    }

    fn blank(&self) -> u32 {
        self.0.blank()
    }

    fn best(&mut self, frame: &[f32], prediction: &[f32]) -> Option<Best> {
        self.0.best(frame, prediction)
    }

    fn logits(&mut self, frame: &[f32], predictions: Rows<'_>, out: RowsMut<'_>) {
        self.0.logits(frame, predictions, out);
    }
}

/// A strategy that is called through a trait object, for every frame.
trait Strategy: Send {
    fn frame(&mut self, network: &mut dyn Network, slot: Slot, frame: &[f32], faults: &mut Faults);
    fn greedy(&self) -> &TransducerGreedy;
    fn greedy_mut(&mut self) -> &mut TransducerGreedy;
}

impl Strategy for TransducerGreedy {
    fn frame(&mut self, network: &mut dyn Network, slot: Slot, frame: &[f32], faults: &mut Faults) {
        StreamStrategy::frame(self, &mut Virtual(network), slot, frame, faults);
    }

    fn greedy(&self) -> &TransducerGreedy {
        self
    }

    fn greedy_mut(&mut self) -> &mut TransducerGreedy {
        self
    }
}

/// The strategy behind a trait object, which calls its network through another.
pub struct ByTrait(Box<dyn Strategy>);

impl ByTrait {
    fn greedy(&self) -> &TransducerGreedy {
        self.0.greedy()
    }

    fn greedy_mut(&mut self) -> &mut TransducerGreedy {
        self.0.greedy_mut()
    }
}

impl<N: Network> StreamStrategy<N> for ByTrait {
    const NEEDS_CTC: bool = false;

    fn new(network: &mut N, limits: StreamLimits) -> Self {
        // Hidden from the optimizer, which would see through a box that holds only one type.
        ByTrait(black_box(Box::new(<TransducerGreedy as StreamStrategy<N>>::new(network, limits))))
    }

    fn frame(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults) {
        self.0.frame(black_box(network as &mut dyn Network), slot, frame, faults);
    }

    forwarded!(N);
}
