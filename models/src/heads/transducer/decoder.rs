//! Encoder frames → tokens, frame by frame as they come.

use super::{HeadWeights, Heads};
use crate::budget::{Budget, Progress};
use crate::decode::{DecodeOptions, StreamLimits, StreamStrategy};
use crate::fault::Faults;
use crate::hypothesis::Hypothesis;
use crate::model::{Goal, Request, Slot};
use crate::networks::emformer::config::Config;
use crate::networks::emformer::span::EmformerSpan;
use std::sync::Arc;

/// The decoder of an Emformer on the CPU, by the strategy `S`.
pub struct TransducerDecoder<S> {
    heads: Heads,
    strategy: S,
    /// What was asked of each slot, which keeps its hotwords alive.
    options: Vec<Option<Arc<DecodeOptions>>>,
    frame_samples: usize,
    slot: Slot,
    goal: Goal,
    /// Frames of the span that were looked at.
    done: usize,
}

impl<S: StreamStrategy<Heads>> TransducerDecoder<S> {
    pub(crate) fn new(weights: Arc<HeadWeights>, config: Config, slots: usize) -> Self {
        let limits = StreamLimits {
            slots,
            max_frames: config.max_frames(),
            max_tokens: config.limits().max_segment_tokens,
            frame_samples: config.frame_samples(),
        };
        let mut heads = Heads::new(weights, config);
        let strategy = S::new(&mut heads, limits);
        let frame_samples = limits.frame_samples;
        let options = vec![None; slots];
        TransducerDecoder { heads, strategy, options, frame_samples, slot: 0, goal: Goal::Partial, done: 0 }
    }

    /// The strategy, for what only it knows, such as its other hypotheses.
    pub fn strategy(&self) -> &S {
        &self.strategy
    }
}

impl<S: StreamStrategy<Heads>> crate::model::Decoder for TransducerDecoder<S> {
    type Span = EmformerSpan;

    fn begin(&mut self, slot: Slot, _span: &mut EmformerSpan, request: Request) {
        (self.slot, self.goal, self.done) = (slot, request.goal, 0);
    }

    fn step(&mut self, span: &mut EmformerSpan, budget: &Budget, faults: &mut Faults) -> Progress {
        let frames = span.frames();
        while self.done < frames.count {
            let frame = frames.row(self.done, frames.stride);
            self.strategy.frame(&mut self.heads, self.slot, frame, faults);
            self.done += 1;
            if self.done < frames.count && budget.is_spent() {
                return Progress::More;
            }
        }
        self.strategy.conclude(self.slot, self.goal == Goal::Final);
        Progress::Done
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        self.strategy.hypothesis(slot)
    }

    fn quiet_samples(&self, slot: Slot) -> Option<usize> {
        Some(self.strategy.quiet_frames(slot) * self.frame_samples)
    }

    fn set_options(&mut self, slot: Slot, options: Option<Arc<DecodeOptions>>) -> Option<Arc<DecodeOptions>> {
        let hotwords = options.as_ref().and_then(|options| options.hotwords.clone());
        // The former options have a share in what comes back: nothing is freed here.
        drop(self.strategy.set_hotwords(slot, hotwords));
        std::mem::replace(&mut self.options[slot], options)
    }

    fn reset(&mut self, slot: Slot) {
        self.strategy.reset(&mut self.heads, slot);
    }
}
