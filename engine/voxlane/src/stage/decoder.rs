//! DecoderStage: hidden frames → tokens, for one stream after the other or, where the model decodes in batches, for
//! several at the same time.

use super::contexts::Contexts;
use super::latest_partial::LatestPartial;
use super::{PassBudget, is_urgent, pass_budget};
use crate::decode_options::Asked;
use crate::message::{
    Header, MESSAGE_TOKENS, ReturnedBuffer, SpanMessage, SpanPlace, TokensMessage, add_faults, faults,
    state_of,
};
use crate::meter::Meter;
use crate::protocol::{Control, PassControl, PassKind, SpanControl, TokensControl};
use crate::punctuation::Punctuation;
use crate::settings::SettingReceiver;
use crate::slot_state::Slots;
use crate::stage_kind::StageKind;
use std::collections::VecDeque;
use std::sync::Arc;
use voxlane_models::budget::Progress;
use voxlane_models::decode::coverage;
use voxlane_models::fault::Faults;
use voxlane_models::model::{self, Goal, Request};
use voxlane_runtime::budget::Budget;
use voxlane_runtime::eventcount::Notifier;
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::stage::{Stage, StepStatus};

/// Messages that may be held back, for each pass that can be in flight.
const HELD_MESSAGES: usize = 4;

/// What the decoder is connected to.
pub(crate) struct DecoderPorts {
    /// From the encoder.
    pub(crate) input: Receiver<SpanMessage>,
    /// To emit.
    pub(crate) output: Sender<TokensMessage>,
    /// Buffers that are free again, back to features.
    pub(crate) returned: Sender<ReturnedBuffer>,
    /// What streams ask, one end a slot.
    pub(crate) options: Vec<SettingReceiver<Asked>>,
    /// What is shared with the clients.
    pub(crate) slots: Arc<Slots>,
    /// Wakes ingest.
    pub(crate) ingest: Arc<Notifier>,
    /// Which tokens are punctuation.
    pub(crate) punctuation: Arc<Punctuation>,
}

/// What a decoder's stage must know of its model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecoderSizes {
    /// Slots, the dummy's among them.
    pub(crate) states: usize,
    /// The most tokens of a segment.
    pub(crate) max_tokens: usize,
    /// How many passes can be in flight.
    pub(crate) batch: usize,
    /// The network takes audio in chunks.
    pub(crate) is_chunked: bool,
    /// The decoder has a second state for each slot, for passes behind the segment before.
    pub(crate) has_context: bool,
}

/// See the module.
pub(crate) struct DecoderStage<D: model::Decoder> {
    decoder: D,
    input: Receiver<SpanMessage>,
    output: Sender<TokensMessage>,
    returned: Sender<ReturnedBuffer>,
    pool: Arc<Pool<D::Span>>,
    /// The passes in flight, at most as many as the model decodes at the same time.
    passes: Vec<DecoderPass<D::Span>>,
    /// How many that are.
    batch: usize,
    /// The pass whose turn it is.
    turn: usize,
    /// Messages behind a pass of their own stream, in order.
    held: VecDeque<SpanMessage>,
    /// A result or a control on its way out.
    publishing: Option<Publishing>,
    /// What went wrong in each slot's latest pass, for a final that a speculative pass has made.
    faults: Vec<Faults>,
    /// The latest partial of each slot's open segment.
    latest: Vec<LatestPartial>,
    /// What each slot's segments follow, where they may.
    contexts: Contexts,
    options: Vec<SettingReceiver<Asked>>,
    slots: Arc<Slots>,
    ingest: Arc<Notifier>,
    /// The network takes audio in chunks.
    is_chunked: bool,
    punctuation: Arc<Punctuation>,
    meter: Meter,
}

/// A pass in flight over a buffer.
struct DecoderPass<S> {
    header: Header<PassKind>,
    payload: SpanPlace,
    buffer: u32,
    span: Box<S>,
    /// What the message had taken when it came in, in nanoseconds.
    before: u64,
}

/// A message of which so many tokens have been passed on.
struct Publishing {
    header: Header<TokensControl>,
    payload: SpanPlace,
    from: usize,
    /// It ends without tokens: a control, or a pass that was given up.
    is_empty: bool,
}

impl<D: model::Decoder> DecoderStage<D> {
    pub(crate) fn new(
        decoder: D,
        sizes: DecoderSizes,
        ports: DecoderPorts,
        pool: Arc<Pool<D::Span>>,
        meter: Meter,
    ) -> Self {
        let DecoderSizes { states, max_tokens, batch, is_chunked, has_context } = sizes;
        let DecoderPorts { input, output, returned, options, slots, ingest, punctuation } = ports;
        DecoderStage {
            decoder,
            input,
            output,
            returned,
            pool,
            passes: Vec::with_capacity(batch),
            batch,
            turn: 0,
            held: VecDeque::with_capacity(HELD_MESSAGES * batch),
            publishing: None,
            faults: vec![Faults::NONE; states],
            latest: (0..states).map(|_| LatestPartial::with_capacity(max_tokens)).collect(),
            contexts: Contexts::new(
                if has_context { states } else { 0 },
                max_tokens,
                Arc::clone(&punctuation),
            ),
            options,
            slots,
            ingest,
            is_chunked,
            punctuation,
            meter,
        }
    }

    fn read(&mut self) -> bool {
        if self.passes.len() == self.batch {
            return false;
        }
        if let Some(index) = self.held.iter().position(|message| !self.is_decoding(message.header.slot)) {
            if let Some(message) = self.held.remove(index) {
                self.accept(message);
            }
            return true;
        }
        if self.held.len() == self.held.capacity() {
            return false;
        }
        let Some(message) = self.input.take() else { return false };
        self.meter.received(&message.header, message.header.stamped(StageKind::Encoder as usize));
        // Whatever a stream says after a pass began comes out after its result.
        if self.is_decoding(message.header.slot) {
            self.held.push_back(message);
        } else {
            self.accept(message);
        }
        true
    }

    fn is_decoding(&self, slot: u16) -> bool {
        self.passes.iter().any(|pass| pass.header.slot == slot)
    }

    fn state<C>(&self, header: &Header<C>) -> usize {
        state_of(header, self.faults.len())
    }

    fn accept(&mut self, message: SpanMessage) {
        let SpanMessage { header, payload } = message;
        match header.control {
            SpanControl::Pass(pass) => self.accept_pass(header.with(pass), payload),
            SpanControl::Control(control) => self.accept_control(header.with(control), payload),
        }
    }

    fn accept_control(&mut self, header: Header<Control>, payload: SpanPlace) {
        let state = self.state(&header);
        match header.control {
            Control::OptionsChanged => {
                // Frees nothing: the client's end has a share.
                if let Some(asked) = self.options[state].take(header.generation) {
                    self.decoder.set_options(state, asked);
                }
                return;
            }
            Control::Query(number) => {
                self.slots.state(state).answer(number, self.answer(state));
                self.slots.mark_active(state);
                return self.ingest.notify();
            }
            Control::Last => {
                self.drop_options(&header);
                self.contexts.forget(state);
            }
            Control::Abort => {
                self.drop_options(&header);
                self.forget(state);
                self.contexts.forget(state);
            }
            Control::EagerEnd => return self.publish_result(header.with(PassKind::Eager), payload, false),
            Control::Start | Control::End | Control::Marker(_) | Control::Resumed | Control::Notice(_) => {}
        }
        let header = header.with(header.control.into());
        self.publishing = Some(Publishing { header, payload, from: 0, is_empty: true });
    }

    fn accept_pass(&mut self, header: Header<PassControl>, payload: SpanPlace) {
        let state = self.state(&header);
        let PassControl { kind, is_given_up } = header.control;
        let mut header = header.with(kind);
        if is_given_up {
            if let Some(buffer) = payload.buffer {
                self.give_back(buffer, false);
            }
            if kind.is_warm_up() {
                self.forget(state);
                self.publish_result(header, payload, true);
            }
            return;
        }
        if kind == PassKind::Context && !self.contexts.follow(state, payload.extent, &mut self.decoder) {
            if let Some(buffer) = payload.buffer {
                self.give_back(buffer, false);
            }
            return;
        }
        // Invariant: the number of a pass is nobody else's, so its buffer is in the pool.
        match payload.buffer.and_then(|buffer| Some((buffer, self.pool.take(buffer)?))) {
            Some((buffer, mut span)) => {
                let goal = if kind.is_over_whole() { Goal::Final } else { Goal::Partial };
                let voiced_samples = payload.extent.voiced as usize;
                self.decoder.begin(
                    self.contexts.begin(state, kind),
                    &mut span,
                    Request { goal, voiced_samples },
                );
                let before = header.compute_nanos();
                self.passes.push(DecoderPass { header, payload, buffer, span, before });
            }
            // The speculative pass has made it.
            None => {
                add_faults(&mut header, self.faults[state]);
                self.meter.served(&header, 0);
                self.publish_result(header, payload, false);
            }
        }
    }

    fn publish_result(&mut self, header: Header<PassKind>, payload: SpanPlace, is_empty: bool) {
        let result = TokensControl::Result { kind: header.control, is_continued: false };
        self.publishing = Some(Publishing { header: header.with(result), payload, from: 0, is_empty });
    }

    /// Goes on with the pass whose turn it is; `false` if there is none or none has come to its end.
    fn decode(&mut self, budget: &PassBudget) -> bool {
        for _ in 0..self.passes.len() {
            self.turn = if self.turn < self.passes.len() { self.turn } else { 0 };
            let has_others = self.passes.len() > 1 || !self.held.is_empty() || !self.input.is_empty();
            let states = self.faults.len();
            let DecoderPass { header, payload, span, before, .. } = &mut self.passes[self.turn];
            let (state, kind) = (state_of(header, states), header.control);
            let is_given_up = kind.is_warm_up() && has_others;
            let is_dropped =
                kind.gives_way() && (self.held.iter().any(is_urgent) || self.input.any(is_urgent));
            if is_given_up {
                self.decoder.reset(state);
            } else if is_dropped {
                self.decoder.cancel(state);
            } else {
                let (begun, mut new_faults) = (self.meter.clock.now(), faults(header));
                let progress = self.decoder.step(span, budget, &mut new_faults);
                add_faults(header, new_faults);
                self.meter.computed(header, begun);
                if progress == Progress::More {
                    self.turn += 1;
                    continue;
                }
                if kind.is_urgent() {
                    let tokens = self.contexts.count(state, kind, &self.decoder);
                    add_faults(header, coverage::faults(tokens, payload.extent.voiced as usize));
                }
                self.meter.served(header, *before);
                let new_faults = faults(header);
                if kind != PassKind::Context || self.contexts.judge(state, new_faults, &self.decoder) {
                    self.faults[state] = new_faults;
                }
            }
            let DecoderPass { header, payload, buffer, span, .. } = self.passes.remove(self.turn);
            self.pool.put(buffer, span);
            let is_doubtful = matches!(kind, PassKind::Speculative { .. })
                && self.contexts.is_doubtful(state, payload.extent, &self.decoder);
            self.give_back(buffer, is_doubtful);
            if !is_dropped && !self.is_silent(&header) && !self.is_stale(&header) {
                self.publish_result(header, payload, is_given_up);
            }
            return true;
        }
        false
    }

    /// Whether a speculative result is kept back: speech may go on, so it shows nothing that contradicts what is stable, or
    /// that the next partial, which ends where the network ends it, would take back.
    fn is_silent(&self, header: &Header<PassKind>) -> bool {
        let hypothesis = self.decoder.hypothesis(self.state(header));
        match header.control {
            PassKind::Context => true,
            PassKind::Speculative { is_shown } => {
                !is_shown || hypothesis.is_revised() || hypothesis.is_resumed()
            }
            _ => false,
        }
    }

    /// Whether a partial is left out because its client knows all that it says.
    fn is_stale(&mut self, header: &Header<PassKind>) -> bool {
        let state = self.state(header);
        let is_awaited = match header.control {
            PassKind::Final | PassKind::Eager | PassKind::WarmUp { .. } => return false,
            PassKind::Partial { .. } | PassKind::Speculative { .. } | PassKind::Context => true,
            PassKind::Chunk { is_awaited } => is_awaited,
        };
        let is_news = self.latest[state].is_news(self.decoder.hypothesis(state));
        !is_awaited && !is_news && header.errors == 0 && !self.slots.state(state).take_left_out()
    }

    /// The reverse ring has room for every buffer there is.
    fn give_back(&mut self, number: u32, is_doubtful: bool) {
        let sent = self.returned.send(&ReturnedBuffer { number, is_doubtful });
        debug_assert!(sent);
    }

    /// The answer to a question of ingest.
    fn answer(&self, slot: usize) -> u32 {
        if self.is_chunked {
            return self.quiet_samples(slot).try_into().unwrap_or(u32::MAX);
        }
        // Of the segment by itself: what it is behind the one before may not be known yet.
        let last = self.decoder.hypothesis(slot).tokens().last();
        let mark = last.filter(|token| self.punctuation.ends_sentence(token.id));
        mark.map_or(0.0, |mark| mark.log_prob.exp()).to_bits()
    }

    /// For how long the network has found nothing after the segment's text; a segment without text does not end.
    fn quiet_samples(&self, slot: usize) -> usize {
        let has_text = !self.decoder.hypothesis(slot).tokens().is_empty();
        if has_text { self.decoder.quiet_samples(slot).unwrap_or_default() } else { 0 }
    }

    /// The stream has ended: it has no options any more.
    fn drop_options(&mut self, header: &Header<Control>) {
        let state = self.state(header);
        self.options[state].clear(header.generation);
        self.decoder.set_options(state, None);
    }

    /// The slot's segment is over.
    fn forget(&mut self, slot: usize) {
        self.decoder.reset(slot);
        self.latest[slot].clear();
    }

    /// Passes tokens on, a message's worth at a time; `false` if the output ring ran out.
    fn publish(&mut self, mut publishing: Publishing) -> bool {
        let Some(mut place) = self.output.reserve() else {
            self.publishing = Some(publishing);
            return false;
        };
        let state = state_of(&publishing.header, self.faults.len());
        place.header = publishing.header;
        place.payload.extent = publishing.payload.extent;
        let mut rest = 0;
        if !publishing.is_empty {
            let is_whole = matches!(
                publishing.header.control,
                TokensControl::Result { kind: PassKind::Final | PassKind::Eager, .. }
            );
            let stable = self.decoder.hypothesis(state).stable();
            let tokens = &self.contexts.text(state, is_whole, &self.decoder)[publishing.from..];
            let count = tokens.len().min(MESSAGE_TOKENS);
            place.payload.tokens[..count].copy_from_slice(&tokens[..count]);
            place.payload.stable = stable as u32;
            place.header.count = count as u16;
            rest = tokens.len() - count;
        }
        let (mut ends_segment, segment) = (false, publishing.payload.extent.segment);
        if let TokensControl::Result { kind, is_continued } = &mut place.header.control {
            *is_continued = rest > 0;
            ends_segment = kind.ends_segment() && rest == 0;
        }
        self.meter.stamp(&mut place.header);
        place.publish();
        if rest > 0 {
            publishing.from += MESSAGE_TOKENS;
            self.publishing = Some(publishing);
        }
        if ends_segment {
            self.contexts.keep(state, segment, self.faults[state], &self.decoder);
            self.forget(state);
        }
        true
    }
}

impl<D: model::Decoder> Stage for DecoderStage<D> {
    fn report(&mut self) {
        self.meter.answer(self.output.refused());
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let budget = &pass_budget(budget, &self.meter.clock);
        let mut worked = false;
        loop {
            let moved = match self.publishing.take() {
                Some(publishing) => self.publish(publishing),
                None => self.read() || self.decode(budget),
            };
            worked |= moved || self.publishing.is_some() || !self.passes.is_empty();
            if !moved || budget.is_spent() {
                return StepStatus::of(worked);
            }
        }
    }
}
