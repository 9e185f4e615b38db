//! Greedy decoding of a transducer with strategy and network in enums: what the engine does not do, for comparison.

use super::{Network, forwarded};
use std::hint::black_box;
use voxlane_kernels::projection::Best;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_models::decode::{Joiner, Predictor, StreamLimits, StreamStrategy, TransducerGreedy};
use voxlane_models::fault::Faults;
use voxlane_models::model::Slot;

/// A network in an enum, matched for every product.
enum Matched<'a, N> {
    /// The one that runs.
    Whole(&'a mut N),
    /// Another one, so that there is something to match.
    Mute(Mute<'a, N>),
}

/// A network that never says anything.
struct Mute<'a, N>(&'a mut N);

impl<N: Network> Mute<'_, N> {
    fn best(&mut self) -> Option<Best> {
        Some(Best { token: self.0.blank() as usize, logit: 0.0 })
    }
}

/// Calls a method of whatever network `$self` holds.
macro_rules! each {
    ($self:ident, $network:ident => $call:expr) => {
        match $self {
            Matched::Whole($network) => $call,
            Matched::Mute(Mute($network)) => $call,
        }
    };
}

impl<N: Network> Predictor for Matched<'_, N> {
    fn state_len(&self) -> usize {
        each!(self, network => network.state_len())
    }

    fn prediction_len(&self) -> usize {
        each!(self, network => network.prediction_len())
    }

    fn start(&mut self, state: &mut [f32], prediction: &mut [f32]) {
        each!(self, network => network.start(state, prediction));
    }

    fn advance(&mut self, symbol: u32, state: &mut [f32], prediction: &mut [f32]) {
        each!(self, network => network.advance(symbol, state, prediction));
    }
}

impl<N: Network> Joiner for Matched<'_, N> {
    fn symbols(&self) -> usize {
        each!(self, network => network.symbols())
    }

    fn blank(&self) -> u32 {
        each!(self, network => network.blank())
    }

    fn best(&mut self, frame: &[f32], prediction: &[f32]) -> Option<Best> {
        match self {
            Matched::Whole(network) => network.best(frame, prediction),
            Matched::Mute(mute) => mute.best(),
        }
    }

    fn logits(&mut self, frame: &[f32], predictions: Rows<'_>, out: RowsMut<'_>) {
        each!(self, network => network.logits(frame, predictions, out));
    }
}

/// A strategy in an enum, matched for every frame.
pub enum ByEnum {
    /// The one that runs.
    Greedy(TransducerGreedy),
    /// Another one, so that there is something to match: one token a frame at most.
    Brief(TransducerGreedy, TransducerGreedy<1>),
}

impl ByEnum {
    fn greedy(&self) -> &TransducerGreedy {
        let (ByEnum::Greedy(greedy) | ByEnum::Brief(greedy, _)) = self;
        greedy
    }

    fn greedy_mut(&mut self) -> &mut TransducerGreedy {
        let (ByEnum::Greedy(greedy) | ByEnum::Brief(greedy, _)) = self;
        greedy
    }
}

impl<N: Network> StreamStrategy<N> for ByEnum {
    const NEEDS_CTC: bool = false;

    fn new(network: &mut N, limits: StreamLimits) -> Self {
        let greedy = <TransducerGreedy as StreamStrategy<N>>::new(network, limits);
        // The choice is hidden from the optimizer, as a configuration file would hide it.
        if black_box(true) {
            ByEnum::Greedy(greedy)
        } else {
            ByEnum::Brief(greedy, StreamStrategy::new(network, limits))
        }
    }

    fn frame(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults) {
        let mut network =
            if black_box(true) { Matched::Whole(network) } else { Matched::Mute(Mute(network)) };
        match self {
            ByEnum::Greedy(greedy) => greedy.frame(&mut network, slot, frame, faults),
            ByEnum::Brief(_, brief) => brief.frame(&mut network, slot, frame, faults),
        }
    }

    forwarded!(N);
}
