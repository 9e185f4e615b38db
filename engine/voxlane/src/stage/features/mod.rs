//! FeaturesStage: samples → features, as far as that goes while audio arrives; the rest in a pass when a segment
//! ends or a partial is wanted.
//!
//! Audio and finals come first. One partial is on its way at a time, of one stream after the other, and only
//! while nothing else is due: so a loaded lane looks less often, and what it shows is always the newest. A
//! final whose speculative pass saw the same samples is not made again. Where the decoder doubts what that pass
//! gave, the segment is made once more behind the one before, unless speech has gone on in the meantime.

mod doubts;
mod passes;
mod reading;

use super::pass_budget;
use crate::message::{AudioMessage, Extent, Header, MAX_MARKS, ReturnedBuffer, SpanMessage};
use crate::meter::Meter;
use crate::protocol::{AudioControl, Control, PassKind};
use crate::turn::TurnLoad;
use std::collections::VecDeque;
use std::sync::Arc;
use voxlane_models::fault::Faults;
use voxlane_models::model::FrontEnd;
use voxlane_runtime::budget::Budget;
use voxlane_runtime::clock::Time;
use voxlane_runtime::message::WARM_SLOT;
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::slot_set::SlotSet;
use voxlane_runtime::stage::{Stage, StepStatus};

/// What features must know of their lane and model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeaturesSizes {
    /// Slots, the dummy's among them. The front end may have a second state for each, for passes behind the segment before.
    pub(crate) states: usize,
    /// The network takes audio in chunks.
    pub(crate) is_chunked: bool,
    /// The most samples of a pass.
    pub(crate) most_samples: usize,
}

/// What features are connected to.
pub(crate) struct FeaturesPorts {
    /// From ingest.
    pub(crate) input: Receiver<AudioMessage>,
    /// To the encoder.
    pub(crate) output: Sender<SpanMessage>,
    /// Buffers that the decoder has given back.
    pub(crate) returned: Receiver<ReturnedBuffer>,
    /// The questions about turns that must not wait for partials, if these are answered on the same core.
    pub(crate) turns: Option<Arc<TurnLoad>>,
}

/// See the module.
pub(crate) struct FeaturesStage<F: FrontEnd> {
    front_end: F,
    /// The network takes audio in chunks.
    is_chunked: bool,
    /// The most samples of a pass.
    most_samples: usize,
    input: Receiver<AudioMessage>,
    output: Sender<SpanMessage>,
    /// Buffers given back by the decoder, and the numbers of those that are free.
    returned: Receiver<ReturnedBuffer>,
    free: Vec<u32>,
    pool: Arc<Pool<F::Span>>,
    pass: Option<FeaturesPass<F::Span>>,
    /// The speculative pass in each buffer, of which the decoder has yet to say whether it doubts the text.
    speculative: Vec<Option<Speculation>>,
    /// Segments whose text is in doubt, to be made once more behind those before them.
    doubtful: VecDeque<Speculation>,
    /// A segment that ends as soon as it is known that its text is not in doubt, or it has been made once more. Until
    /// then nothing is read.
    closing: Option<Speculation>,
    turns: Option<Arc<TurnLoad>>,
    /// The buffer of the partial on its way.
    partial: Option<u32>,
    /// The slots that want a partial, and where to look next.
    wanted: SlotSet,
    next_slot: usize,
    slots: Vec<SlotState>,
    meter: Meter,
}

/// A segment as a speculative pass sees it.
#[derive(Clone, Copy)]
struct Speculation {
    header: Header<()>,
    extent: Extent,
}

/// A pass in flight.
struct FeaturesPass<S> {
    header: Header<PassKind>,
    extent: Extent,
    buffer: u32,
    span: Box<S>,
    is_done: bool,
}

struct SlotState {
    /// The slot's number in messages.
    slot: u16,
    generation: u32,
    faults: Faults,
    samples: usize,
    is_open: bool,
    /// When the newest sample was captured.
    captured: Time,
    /// The open segment's number and start.
    extent: Extent,
    /// What taking the dummy's audio has cost, which counts as its own.
    pushed_nanos: u64,
    /// What the latest pass took for the end of the segment, if it was a speculative one.
    speculated: Option<u32>,
    /// The decoder has yet to say whether it doubts the text of that pass.
    is_judged_later: bool,
    /// Markers within an open segment: answered by the result that covers them.
    markers: Vec<Header<Control>>,
}

impl<F: FrontEnd> FeaturesStage<F> {
    pub(crate) fn new(
        front_end: F,
        sizes: FeaturesSizes,
        ports: FeaturesPorts,
        pool: Arc<Pool<F::Span>>,
        meter: Meter,
    ) -> Self {
        let FeaturesSizes { states: slots, is_chunked, most_samples } = sizes;
        let FeaturesPorts { input, output, returned, turns } = ports;
        // Made one by one: a clone of an empty vector has no room.
        let state = |number| SlotState {
            slot: if number + 1 < slots { number as u16 } else { WARM_SLOT },
            generation: 0,
            faults: Faults::NONE,
            samples: 0,
            is_open: false,
            captured: Time::default(),
            extent: Extent::default(),
            pushed_nanos: 0,
            speculated: None,
            is_judged_later: false,
            markers: Vec::with_capacity(MAX_MARKS),
        };
        FeaturesStage {
            front_end,
            is_chunked,
            most_samples,
            input,
            output,
            returned,
            free: (0..pool.capacity() as u32).rev().collect(),
            speculative: vec![None; pool.capacity()],
            doubtful: VecDeque::with_capacity(pool.capacity()),
            pool,
            pass: None,
            closing: None,
            turns,
            partial: None,
            wanted: SlotSet::new(slots),
            next_slot: 0,
            slots: (0..slots).map(state).collect(),
            meter,
        }
    }

    fn is_chunk_ready(&self, slot: usize) -> bool {
        self.slots[slot].is_open && self.front_end.is_ready(slot)
    }
}

impl SlotState {
    /// Whether the latest pass was a speculative one over just this segment.
    fn is_speculated(&self, header: &Header<()>, extent: Extent) -> bool {
        self.is_open
            && self.generation == header.generation
            && self.extent.segment == extent.segment
            && self.speculated == Some(extent.samples)
    }
}

/// Whether partials make way for it: what begins a stream's final.
fn is_urgent(message: &AudioMessage) -> bool {
    let is_final =
        matches!(message.header.control, AudioControl::Speculate | AudioControl::Control(Control::End));
    is_final && !message.header.is_warm()
}

impl<F: FrontEnd> Stage for FeaturesStage<F> {
    fn report(&mut self) {
        self.meter.answer(self.output.refused());
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let budget = &pass_budget(budget, &self.meter.clock);
        let mut worked = false;
        loop {
            let moved = match self.pass.take() {
                Some(pass) => self.advance(pass, budget),
                None => {
                    self.take_returned();
                    self.begin_context()
                        || self.close_waiting()
                        || (self.closing.is_none() && self.read())
                        || self.begin_partial()
                }
            };
            worked |= moved || self.pass.is_some();
            if !moved || budget.is_spent() {
                return StepStatus::of(worked);
            }
        }
    }
}
