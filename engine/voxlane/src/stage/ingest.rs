//! IngestStage: takes audio from the streams' rings, finds where segments begin and end, and passes both on in
//! an order that the stages after it need not question.
//!
//! Slots take turns, and live streams come before batch ones: a client that pushes a recording as fast as it can holds up
//! a live stream by one turn at most.

use super::segmenter::{Heard, Segmentation, Segmenter, send};
use crate::config::{ServiceClass, StreamRules};
use crate::message::{AudioMessage, Extent, MESSAGE_SAMPLES, RequestMessage};
use crate::meter::Meter;
use crate::protocol::{Control, Request};
use crate::settings::SettingReceiver;
use crate::slot_state::Slots;
use crate::turn::TurnAsker;
use crate::voice::Detector;
use crate::warm::Warmer;
use std::sync::Arc;
use std::time::Duration;
use voxlane_runtime::budget::Budget;
use voxlane_runtime::clock::Time;
use voxlane_runtime::eventcount::Notifier;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::slot_set::SlotSet;
use voxlane_runtime::stage::{Stage, StepStatus};

/// The most messages that one step for one slot publishes: an eager end, audio, and what takes it back with an end.
const MESSAGES_OUT: usize = 4;

/// The most messages of a client, or of audio before a segment, that one turn of a slot takes while others wait: 80 ms of
/// audio.
const TURN_MESSAGES: usize = 4;

/// Messages of batch streams that may wait in front of a live stream's at the next stage, where they share it.
const BATCH_MESSAGES_AHEAD: usize = 8;

/// What ingest is connected to.
pub(crate) struct IngestPorts {
    /// One ring of audio a slot.
    pub(crate) inputs: Vec<Receiver<RequestMessage>>,
    /// How each slot's stream is to be treated.
    pub(crate) rules: Vec<SettingReceiver<StreamRules>>,
    /// Wakes the client of each slot that waits for room.
    pub(crate) rooms: Vec<Arc<Notifier>>,
    /// To the features of each chain: of live streams and of batch streams, or of all.
    pub(crate) outputs: Vec<Sender<AudioMessage>>,
    /// What is shared with the clients.
    pub(crate) slots: Arc<Slots>,
    /// The source of dummy work.
    pub(crate) warmer: Warmer,
    /// What distinguishes speech from the rest.
    pub(crate) detector: Detector,
    /// The way to the stage that hears whether a speaker has finished, if there is one.
    pub(crate) turn: Option<TurnAsker>,
}

/// See the module.
pub(crate) struct IngestStage {
    ports: IngestPorts,
    streams: Vec<StreamState>,
    /// Slots with work to do.
    pending: SlotSet,
    /// Slots of batch streams.
    batch: SlotSet,
    /// The slot of each class that has its turn next.
    turns: [usize; 2],
    meter: Meter,
}

/// One slot's stream.
struct StreamState {
    closed: bool,
    /// What the last message asked for and when it was captured, to be done when all its samples have been passed on.
    request: Option<(Request, Time)>,
    segmenter: Segmenter,
}

impl IngestStage {
    /// `segmentation` is copied for every slot.
    pub(crate) fn new(ports: IngestPorts, segmentation: Segmentation, meter: Meter) -> Self {
        let stream = |slot| StreamState {
            closed: true,
            request: None,
            segmenter: Segmenter::new(slot, segmentation.clone()),
        };
        IngestStage {
            streams: (0..ports.inputs.len()).map(stream).collect(),
            pending: SlotSet::new(ports.inputs.len()),
            batch: SlotSet::new(ports.inputs.len()),
            turns: [0; 2],
            ports,
            meter,
        }
    }

    /// Gives every slot of a class a turn that has work to do, and again, until none has or there is no room or time for
    /// more. Batch streams stop when a live one has work. Whether it did anything.
    fn serve_class(&mut self, class: ServiceClass, budget: &Budget) -> bool {
        let mut worked = false;
        loop {
            self.pending.extend(|word| self.ports.slots.take_active(word));
            let is_batch = class == ServiceClass::Batch;
            if is_batch && self.next_pending(ServiceClass::Live).is_some() {
                return worked;
            }
            let Some(slot) = self.next_pending(class) else { return worked };
            if !self.has_room(class) || budget.is_spent() {
                return worked;
            }
            if !worked {
                self.ports.warmer.audio_came(&self.meter);
            }
            worked = true;
            self.turns[class as usize] = slot + 1;
            self.pending.remove(slot);
            if self.serve(slot, budget) {
                self.pending.insert(slot);
            }
            if self.streams[slot].segmenter.take_asked() {
                self.ports.warmer.give_way(&mut self.ports.outputs[0], &self.meter);
            }
        }
    }

    /// The next slot of a class that has work to do, in turn.
    fn next_pending(&self, class: ServiceClass) -> Option<usize> {
        self.pending.next(self.turns[class as usize], (&self.batch, class == ServiceClass::Batch))
    }

    /// Whether the output takes what one step of a slot may publish.
    fn has_room(&mut self, class: ServiceClass) -> bool {
        let is_shared = self.ports.outputs.len() == 1;
        let output = output(&mut self.ports.outputs, class);
        let kept_free = match class {
            ServiceClass::Batch if is_shared => {
                output.capacity().saturating_sub(BATCH_MESSAGES_AHEAD).max(MESSAGES_OUT)
            }
            _ => MESSAGES_OUT,
        };
        output.vacant() >= kept_free
    }

    /// The class of the stream in a slot.
    fn class(&self, slot: usize) -> ServiceClass {
        if self.batch.contains(slot) { ServiceClass::Batch } else { ServiceClass::Live }
    }

    /// One turn of a slot: works until it is empty, its turn is over, the budget is spent or the output is full; whether
    /// work is left.
    fn serve(&mut self, slot: usize, budget: &Budget) -> bool {
        let mut taken = 0;
        loop {
            let class = self.class(slot);
            if taken >= TURN_MESSAGES || !self.has_room(class) || budget.is_spent() {
                return true;
            }
            let abandoned = self.ports.slots.abandoned(slot);
            let stream = &mut self.streams[slot];
            let generation = stream.segmenter.generation;
            // A stream that nothing came of has a class too: once it is open, the loop asks for room where that leads.
            if abandoned > generation {
                self.open(slot, abandoned);
                continue;
            }
            if abandoned == generation && !stream.closed {
                self.abandon(slot, abandoned);
                continue;
            }
            if let Some(query) = stream.segmenter.query() {
                // The decoder wakes this slot when it has an answer: what comes after depends on it.
                let Some(quiet) = self.ports.slots.state(slot).answered(query) else { return false };
                stream.segmenter.hear(quiet, output(&mut self.ports.outputs, class), &self.meter);
                continue;
            }
            let output = output(&mut self.ports.outputs, class);
            let state = self.ports.slots.state(slot);
            match stream.segmenter.listen(state, self.ports.turn.as_mut(), output, &self.meter) {
                Heard::Enough => {}
                // The answer wakes this slot.
                Heard::Nothing => return false,
                Heard::AskAgain => return true,
            }
            taken += usize::from(stream.segmenter.is_passing_context());
            if stream.segmenter.advance(&mut self.ports.detector, output, &mut self.meter) {
                continue;
            }
            if let Some((request, captured)) = stream.request.take() {
                self.answer(slot, request, captured);
                continue;
            }
            // Read before the ring: what was pushed before the request is then seen in the ring.
            let finishing = self.ports.slots.finishing(slot);
            let Some(message) = self.ports.inputs[slot].peek() else {
                if finishing > generation {
                    self.open(slot, finishing); // nothing was ever pushed
                    continue;
                }
                if self.take_tail(slot, finishing) {
                    continue;
                }
                self.finish_if_asked(slot, finishing);
                return false;
            };
            let its_generation = message.header.generation;
            if its_generation > abandoned.max(generation) {
                self.open(slot, its_generation);
            }
            let stream = &self.streams[slot];
            if its_generation != stream.segmenter.generation || stream.closed {
                self.release(slot); // of an abandoned stream
                continue;
            }
            self.take(slot);
            taken += 1;
        }
    }

    /// A new stream begins in a slot.
    fn open(&mut self, slot: usize, generation: u32) {
        let rules = self.ports.rules[slot].take(generation).unwrap_or_default();
        let stream = &mut self.streams[slot];
        (stream.closed, stream.request) = (false, None);
        stream.segmenter.open(generation, rules);
        match rules.class {
            ServiceClass::Live => self.batch.remove(slot),
            ServiceClass::Batch => self.batch.insert(slot),
        }
        self.ports.detector.reset(slot);
    }

    /// Takes one message of a client.
    fn take(&mut self, slot: usize) {
        let Some(message) = self.ports.inputs[slot].peek() else { return };
        let header = message.header;
        self.meter.received(&header, header.captured);
        let samples = &message.payload.0[..usize::from(header.count).min(MESSAGE_SAMPLES)];
        let stream = &mut self.streams[slot];
        stream.segmenter.take(samples, header.captured);
        stream.request = (header.control != Request::None).then_some((header.control, header.captured));
        self.release(slot);
    }

    /// Gives the place of a client's message back.
    fn release(&mut self, slot: usize) {
        self.ports.inputs[slot].release();
        self.ports.rooms[slot].notify();
    }

    /// Does what the client's last message asked for beside taking its samples.
    fn answer(&mut self, slot: usize, request: Request, captured: Time) {
        let class = self.class(slot);
        let output = output(&mut self.ports.outputs, class);
        let segmenter = &mut self.streams[slot].segmenter;
        let control = match request {
            Request::None => return,
            Request::EndSegment => return segmenter.end_by_client(captured, false, output, &self.meter),
            Request::Mark(number) => Control::Marker(number),
            Request::ChangeOptions => Control::OptionsChanged,
        };
        send(output, &self.meter, segmenter.header(captured, control), Extent::default());
    }

    /// Nothing follows in a stream: ends its open segment, and itself.
    fn finish(&mut self, slot: usize, captured: Time) {
        let class = self.class(slot);
        let output = output(&mut self.ports.outputs, class);
        let stream = &mut self.streams[slot];
        stream.segmenter.end_by_client(captured, true, output, &self.meter);
        stream.closed = true;
        send(output, &self.meter, stream.segmenter.header(captured, Control::Last), Extent::default());
    }

    /// The client has gone: has the stages after this one forget the stream.
    fn abandon(&mut self, slot: usize, generation: u32) {
        let class = self.class(slot);
        self.open(slot, generation); // anew: what it had is forgotten
        self.ports.rules[slot].clear(generation);
        let stream = &mut self.streams[slot];
        stream.closed = true;
        let header = stream.segmenter.header(self.meter.clock.now(), Control::Abort);
        send(output(&mut self.ports.outputs, class), &self.meter, header, Extent::default());
    }

    /// Takes what the client of a stream that a shutdown finishes has handed over and not published; whether there was
    /// anything. A stream that had published nothing has less than a message in all, of which nothing would come.
    fn take_tail(&mut self, slot: usize, finishing: u32) -> bool {
        let stream = &mut self.streams[slot];
        if finishing != stream.segmenter.generation || stream.closed {
            return false;
        }
        let mut samples = [0; MESSAGE_SAMPLES];
        let Some((count, capture)) = self.ports.slots.state(slot).tail.take(&mut samples) else {
            return false;
        };
        stream.segmenter.take(&samples[..count], capture);
        true
    }

    /// A stream that its client or a shutdown finishes ends where its audio ends.
    fn finish_if_asked(&mut self, slot: usize, finishing: u32) {
        let stream = &self.streams[slot];
        if finishing == stream.segmenter.generation && !stream.closed {
            let captured = stream.segmenter.newest().unwrap_or(self.meter.clock.now());
            self.finish(slot, captured);
        }
    }
}

/// The ring to the stages that serve a class.
fn output(outputs: &mut [Sender<AudioMessage>], class: ServiceClass) -> &mut Sender<AudioMessage> {
    let chain = class.chain(outputs.len());
    &mut outputs[chain]
}

impl Stage for IngestStage {
    /// Sends the next part of a dummy if one is due.
    fn warm_up(&mut self) -> StepStatus {
        StepStatus::of(self.ports.warmer.step(&mut self.ports.outputs[0], &self.meter))
    }

    fn due_in(&self) -> Option<Duration> {
        self.ports.warmer.due_in(self.meter.clock.now())
    }

    fn report(&mut self) {
        self.meter.answer(self.ports.outputs.iter().map(Sender::refused).sum());
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let mut worked = self.serve_class(ServiceClass::Live, budget);
        worked |= self.serve_class(ServiceClass::Batch, budget);
        // What waits for room at the next stage is work too.
        worked |= !self.pending.is_empty();
        StepStatus::of(worked)
    }
}
