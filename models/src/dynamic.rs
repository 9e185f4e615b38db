//! A model behind virtual calls, so that nobody who runs models has to name their types.
//!
//! One virtual call a step at a stage's edge costs nothing that can be measured (`docs/adr/003-families.md`); the loops within a
//! part stay compiled for the network and its strategy.

use crate::budget::{Budget, Progress};
use crate::decode::DecodeOptions;
use crate::fault::Faults;
use crate::hypothesis::Hypothesis;
use crate::model::{Decoder, Encoder, FrontEnd, Goal, Model, ModelInfo, Request, Slot, WorkingMemory};
use crate::team::Team;
use std::any::Any;
use std::sync::Arc;

/// Any model. Cloning shares it.
#[derive(Clone)]
pub struct DynModel(Arc<dyn Erased>);

/// A span of any model.
pub struct AnySpan(Box<dyn Any + Send>);

impl AnySpan {
    /// # Panics
    /// If it is another model's, which no caller can bring about: a lane's parts and spans are one model's.
    fn of<S: 'static>(&mut self) -> &mut S {
        self.0.downcast_mut().expect("a lane's parts and spans are those of one model")
    }
}

/// A front end of any model.
pub type AnyFrontEnd = Box<dyn FrontEnd<Span = AnySpan>>;
/// An encoder of any model.
pub type AnyEncoder = Box<dyn Encoder<Span = AnySpan>>;
/// A decoder of any model.
pub type AnyDecoder = Box<dyn Decoder<Span = AnySpan>>;

/// What is left of a [`Model`] without its types.
trait Erased: Send + Sync {
    fn info(&self) -> ModelInfo;
    fn working_memory(&self, slots: usize) -> Option<WorkingMemory>;
    fn span(&self) -> AnySpan;
    fn front_end(&self, slots: usize) -> AnyFrontEnd;
    fn encoder(&self, slots: usize, team: Team) -> AnyEncoder;
    fn decoder(&self, slots: usize) -> AnyDecoder;
}

impl<M: Model> Erased for M {
    fn info(&self) -> ModelInfo {
        Model::info(self)
    }

    fn working_memory(&self, slots: usize) -> Option<WorkingMemory> {
        Model::working_memory(self, slots)
    }

    fn span(&self) -> AnySpan {
        AnySpan(Box::new(Model::span(self)))
    }

    fn front_end(&self, slots: usize) -> AnyFrontEnd {
        Box::new(Part(Model::front_end(self, slots)))
    }

    fn encoder(&self, slots: usize, team: Team) -> AnyEncoder {
        Box::new(Part(Model::encoder(self, slots, team)))
    }

    fn decoder(&self, slots: usize) -> AnyDecoder {
        Box::new(Part(Model::decoder(self, slots)))
    }
}

impl DynModel {
    /// `model` without its type.
    pub fn new(model: Arc<impl Model>) -> Self {
        DynModel(model)
    }
}

impl Model for DynModel {
    type Span = AnySpan;
    type FrontEnd = AnyFrontEnd;
    type Encoder = AnyEncoder;
    type Decoder = AnyDecoder;

    fn info(&self) -> ModelInfo {
        self.0.info()
    }

    fn working_memory(&self, slots: usize) -> Option<WorkingMemory> {
        self.0.working_memory(slots)
    }

    fn span(&self) -> AnySpan {
        self.0.span()
    }

    fn front_end(&self, slots: usize) -> AnyFrontEnd {
        self.0.front_end(slots)
    }

    fn encoder(&self, slots: usize, team: Team) -> AnyEncoder {
        self.0.encoder(slots, team)
    }

    fn decoder(&self, slots: usize) -> AnyDecoder {
        self.0.decoder(slots)
    }
}

/// A part of a model whose spans come as any.
struct Part<P>(P);

impl<P: FrontEnd<Span: 'static>> FrontEnd for Part<P> {
    type Span = AnySpan;

    fn push(&mut self, slot: Slot, samples: &[i16], faults: &mut Faults) {
        self.0.push(slot, samples, faults);
    }

    fn is_ready(&self, slot: Slot) -> bool {
        self.0.is_ready(slot)
    }

    fn begin(&mut self, slot: Slot, samples: usize, goal: Goal) {
        self.0.begin(slot, samples, goal);
    }

    fn step(&mut self, span: &mut AnySpan, budget: &Budget, faults: &mut Faults) -> Progress {
        self.0.step(span.of(), budget, faults)
    }

    fn reset(&mut self, slot: Slot) {
        self.0.reset(slot);
    }
}

impl<P: Encoder<Span: 'static>> Encoder for Part<P> {
    type Span = AnySpan;

    fn begin(&mut self, slot: Slot, span: &mut AnySpan) {
        self.0.begin(slot, span.of());
    }

    fn step(&mut self, span: &mut AnySpan, budget: &Budget, faults: &mut Faults) -> Progress {
        self.0.step(span.of(), budget, faults)
    }

    fn reset(&mut self, slot: Slot) {
        self.0.reset(slot);
    }
}

impl<P: Decoder<Span: 'static>> Decoder for Part<P> {
    type Span = AnySpan;

    fn begin(&mut self, slot: Slot, span: &mut AnySpan, request: Request) {
        self.0.begin(slot, span.of(), request);
    }

    fn step(&mut self, span: &mut AnySpan, budget: &Budget, faults: &mut Faults) -> Progress {
        self.0.step(span.of(), budget, faults)
    }

    fn follow(&mut self, slot: Slot, tokens: &[u32], samples: usize) -> bool {
        self.0.follow(slot, tokens, samples)
    }

    fn cancel(&mut self, slot: Slot) {
        self.0.cancel(slot);
    }

    fn quiet_samples(&self, slot: Slot) -> Option<usize> {
        self.0.quiet_samples(slot)
    }

    fn set_options(&mut self, slot: Slot, options: Option<Arc<DecodeOptions>>) -> Option<Arc<DecodeOptions>> {
        self.0.set_options(slot, options)
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        self.0.hypothesis(slot)
    }

    fn reset(&mut self, slot: Slot) {
        self.0.reset(slot);
    }
}

impl<P: FrontEnd + ?Sized> FrontEnd for Box<P> {
    type Span = P::Span;

    fn push(&mut self, slot: Slot, samples: &[i16], faults: &mut Faults) {
        (**self).push(slot, samples, faults);
    }

    fn is_ready(&self, slot: Slot) -> bool {
        (**self).is_ready(slot)
    }

    fn begin(&mut self, slot: Slot, samples: usize, goal: Goal) {
        (**self).begin(slot, samples, goal);
    }

    fn step(&mut self, span: &mut P::Span, budget: &Budget, faults: &mut Faults) -> Progress {
        (**self).step(span, budget, faults)
    }

    fn reset(&mut self, slot: Slot) {
        (**self).reset(slot);
    }
}

impl<P: Encoder + ?Sized> Encoder for Box<P> {
    type Span = P::Span;

    fn begin(&mut self, slot: Slot, span: &mut P::Span) {
        (**self).begin(slot, span);
    }

    fn step(&mut self, span: &mut P::Span, budget: &Budget, faults: &mut Faults) -> Progress {
        (**self).step(span, budget, faults)
    }

    fn reset(&mut self, slot: Slot) {
        (**self).reset(slot);
    }
}

impl<P: Decoder + ?Sized> Decoder for Box<P> {
    type Span = P::Span;

    fn begin(&mut self, slot: Slot, span: &mut P::Span, request: Request) {
        (**self).begin(slot, span, request);
    }

    fn step(&mut self, span: &mut P::Span, budget: &Budget, faults: &mut Faults) -> Progress {
        (**self).step(span, budget, faults)
    }

    fn follow(&mut self, slot: Slot, tokens: &[u32], samples: usize) -> bool {
        (**self).follow(slot, tokens, samples)
    }

    fn cancel(&mut self, slot: Slot) {
        (**self).cancel(slot);
    }

    fn quiet_samples(&self, slot: Slot) -> Option<usize> {
        (**self).quiet_samples(slot)
    }

    fn set_options(&mut self, slot: Slot, options: Option<Arc<DecodeOptions>>) -> Option<Arc<DecodeOptions>> {
        (**self).set_options(slot, options)
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        (**self).hypothesis(slot)
    }

    fn reset(&mut self, slot: Slot) {
        (**self).reset(slot);
    }
}
