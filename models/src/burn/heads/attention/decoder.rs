//! Hidden frames → tokens: passes take places of a batch and are decoded together.

use super::batch::{Batch, Predictions};
use crate::budget::{Budget, Progress};
use crate::burn::span::BurnSpan;
use crate::decode::{AttentionGreedy, DecodeStrategy, Next, Prediction, Vocabulary};
use crate::device::DeviceOptions;
use crate::fault::Faults;
use crate::hypothesis::Hypothesis;
use crate::model::{Request, Slot};
use crate::networks::moonshine::config::{Config, END_TOKEN, START_TOKEN};
use burn_tensor::backend::Backend;
use std::collections::VecDeque;

/// The decoder of Moonshine on Burn, greedy: the device chooses the most likely token itself.
pub struct BurnDecoder<B: Backend> {
    batch: Batch<B>,
    config: Config,
    layers: usize,
    /// One for each slot.
    hypotheses: Vec<AttentionGreedy>,
    places: Vec<Option<BatchPass>>,
    /// Passes begun so far.
    begun: u64,
    in_flight: VecDeque<InFlight>,
    steps_in_flight: usize,
}

/// A segment at a place.
struct BatchPass {
    /// Distinguishes it from earlier passes at its place.
    number: u64,
    slot: Slot,
    stage: Stage,
    /// Whether a step has been done since the pass was last asked for: all passes together ask for one step.
    has_moved: bool,
    faults: Faults,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The keys and values of so many layers are made.
    Joining(usize),
    Running,
    Done,
}

/// A step that the device may still be at.
struct InFlight {
    predictions: Predictions,
    /// The passes that took part, by place.
    passes: Vec<Option<u64>>,
}

impl<B: Backend> BurnDecoder<B> {
    pub(crate) fn new(batch: Batch<B>, config: Config, slots: usize, options: DeviceOptions) -> Self {
        let vocabulary = Vocabulary {
            start_token: START_TOKEN,
            end_token: END_TOKEN,
            max_tokens: config.limits().max_segment_tokens,
        };
        BurnDecoder {
            layers: config.decoder_layers,
            batch,
            config,
            hypotheses: (0..slots).map(|_| AttentionGreedy::new(vocabulary, 1)).collect(),
            places: (0..options.batch).map(|_| None).collect(),
            begun: 0,
            in_flight: VecDeque::with_capacity(options.steps_in_flight + 1),
            steps_in_flight: options.steps_in_flight,
        }
    }

    /// Keeps the device busy, and takes the oldest step's predictions if it has enough to do. What is still in flight
    /// when the last pass ends is taken, and belongs to nobody, when the next pass begins.
    /// `asking` is the place of the pass that asked for it.
    fn advance(&mut self, asking: usize) {
        while self.in_flight.len() < self.steps_in_flight {
            let running = |pass: &Option<BatchPass>| {
                pass.as_ref().filter(|pass| pass.stage == Stage::Running).map(|pass| pass.number)
            };
            let passes = self.places.iter().map(running).collect();
            self.in_flight.push_back(InFlight { predictions: self.batch.step(), passes });
        }
        let Some(InFlight { predictions, passes }) = self.in_flight.pop_front() else { return };
        // A device that fails gives no numbers: every pass of the step ends with what says so.
        let predictions = predictions
            .wait()
            .unwrap_or_else(|| vec![Prediction { token: END_TOKEN, log_prob: f32::NAN }; self.places.len()]);
        for (place, (number, prediction)) in passes.into_iter().zip(predictions).enumerate() {
            let Some(pass) = self.places[place].as_mut().filter(|pass| Some(pass.number) == number) else {
                continue;
            };
            pass.has_moved = place != asking;
            if pass.stage == Stage::Running
                && self.hypotheses[pass.slot].accept(&[prediction], &mut pass.faults) == Next::Done
            {
                pass.stage = Stage::Done;
            }
        }
    }

    fn leave(&mut self, place: usize) {
        if let Some(pass) = self.places[place].take()
            && pass.faults.has(Faults::NOT_FINITE)
        {
            self.batch.clean(place);
        }
    }
}

impl<B: Backend> crate::model::Decoder for BurnDecoder<B> {
    type Span = BurnSpan<B>;

    fn begin(&mut self, slot: Slot, span: &mut BurnSpan<B>, request: Request) {
        self.cancel(slot);
        span.place = None;
        // The device has chosen the next tokens when the host sees that a text ends too early: one attempt.
        self.hypotheses[slot].begin(0, request.goal.into(), self.config.max_tokens(span.samples));
        if span.frames() > 0 {
            // Where there is no free place, the first is dropped.
            let place = self.places.iter().position(Option::is_none).unwrap_or(0);
            self.leave(place);
            self.begun += 1;
            let pass = BatchPass {
                number: self.begun,
                slot,
                stage: Stage::Joining(0),
                has_moved: false,
                faults: Faults::NONE,
            };
            self.places[place] = Some(pass);
            span.place = Some(place);
        }
    }

    fn step(&mut self, span: &mut BurnSpan<B>, budget: &Budget, faults: &mut Faults) -> Progress {
        let (Some(place), Some(hidden)) = (span.place, &span.hidden) else { return Progress::Done };
        loop {
            let Some(pass) = &mut self.places[place] else { return Progress::Done };
            match pass.stage {
                Stage::Joining(layer) if layer < self.layers => {
                    self.batch.prepare(place, layer, hidden);
                    pass.stage = Stage::Joining(layer + 1);
                }
                Stage::Joining(_) => {
                    self.batch.join(place, span.frames, hidden);
                    pass.stage = Stage::Running;
                }
                Stage::Running if pass.has_moved => pass.has_moved = false,
                Stage::Running => self.advance(place),
                Stage::Done => {
                    *faults |= pass.faults;
                    self.leave(place);
                    span.place = None;
                    return Progress::Done;
                }
            }
            if budget.is_spent() {
                return Progress::More;
            }
        }
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        self.hypotheses[slot].hypothesis(0)
    }

    fn reset(&mut self, slot: Slot) {
        self.hypotheses[slot].reset(0);
        self.cancel(slot);
    }

    fn cancel(&mut self, slot: Slot) {
        let of_slot = |pass: &Option<BatchPass>| pass.as_ref().is_some_and(|pass| pass.slot == slot);
        if let Some(place) = self.places.iter().position(of_slot) {
            self.leave(place);
        }
    }
}
