//! One stream within ingest: which of its samples belong to which segment, and when that is decided.
//!
//! Samples are looked at in the stream's own order, up to the end of the next window, and then the window is
//! judged: however they arrived, the decisions are the same.

mod context;
mod endpointing;
mod passing;
mod queries;
mod segment;

pub(super) use endpointing::Heard;

use super::turns::Turns;
use crate::config::{DetectorKind, StreamRules};
use crate::cut::Cutter;
use crate::endpoint::{Endpointer, WINDOW_SAMPLES};
use crate::history::History;
use crate::message::{AudioMessage, Extent, Header};
use crate::meter::Meter;
use crate::protocol::AudioControl;
use crate::signal::SignalMonitor;
use crate::voice::Detector;
use crate::voicing::Voicing;
use context::Context;
use queries::Queries;
use segment::OpenSegment;
use voxlane_models::model::Chunks;
use voxlane_runtime::clock::Time;
use voxlane_runtime::ring::Sender;

/// What the segments of all slots have in common.
#[derive(Clone, Debug)]
pub(crate) struct Segmentation {
    /// Where the network's chunks are complete, if it takes audio in chunks.
    pub(crate) chunks: Option<Chunks>,
    /// Where long segments are cut.
    pub(crate) cutter: Cutter,
    /// An empty history, of the length that a slot's has.
    pub(crate) history: History,
    /// Segments may be decoded once more behind those before them.
    pub(crate) has_context: bool,
}

/// See the module.
pub(super) struct Segmenter {
    pub(super) slot: usize,
    pub(super) generation: u32,
    segment: Option<OpenSegment>,
    /// How many segments have been opened.
    segments: u32,
    /// The stream's sample that is passed on next. A cut moves it back: what came after belongs to the next
    /// segment.
    position: u64,
    /// Samples up to here have been taken from the client.
    taken: u64,
    /// Samples up to here have been judged, where a detector listens.
    judged: u64,
    /// Where the next partial is due.
    partial_at: u64,
    rules: StreamRules,
    /// Where the network's chunks are complete, if it takes what is passed on at once: then a segment ends where it is
    /// decided to, not before.
    chunks: Option<Chunks>,
    /// What the decoder was asked about a chunk: until the answer has come, nothing goes on.
    queries: Queries,
    /// Whether the network has been given something to do since that was last asked.
    has_asked: bool,
    /// What is passed on before the open segment's own samples.
    context: Context,
    endpointer: Option<Endpointer>,
    turns: Turns,
    voicing: Voicing,
    monitor: SignalMonitor,
    history: History,
    /// Where the stream's segments are cut.
    cutter: Cutter,
    /// Where those are of streams that do not ask for another window.
    engine_cutter: Cutter,
}

impl Segmenter {
    pub(super) fn new(slot: usize, segmentation: Segmentation) -> Self {
        let Segmentation { chunks, cutter, history, has_context } = segmentation;
        Segmenter {
            slot,
            generation: 0,
            segment: None,
            segments: 0,
            position: 0,
            taken: 0,
            judged: 0,
            partial_at: 0,
            rules: StreamRules::default(),
            chunks,
            queries: Queries::new(),
            has_asked: false,
            context: Context::new(has_context),
            endpointer: None,
            turns: Turns::default(),
            voicing: Voicing::new(history.samples()),
            monitor: SignalMonitor::default(),
            history,
            cutter,
            engine_cutter: cutter,
        }
    }

    /// A new stream.
    pub(super) fn open(&mut self, generation: u32, rules: StreamRules) {
        self.generation = generation;
        (self.segment, self.segments) = (None, 0);
        self.queries.restart();
        (self.position, self.taken, self.judged) = (0, 0, 0);
        self.rules = rules;
        self.cutter = rules.segment.map_or(self.engine_cutter, |window| self.engine_cutter.with(window));
        let has_detector = rules.endpoint.detector != DetectorKind::Off;
        self.endpointer = has_detector.then(|| Endpointer::new(rules.endpoint));
        self.turns.restart();
        self.context.restart();
        self.monitor = SignalMonitor::default();
        self.history.reset();
        self.voicing.reset();
    }

    /// Takes the client's next samples.
    pub(super) fn take(&mut self, samples: &[i16], capture: Time) {
        self.history.push(samples, capture);
        self.taken += samples.len() as u64;
    }

    /// When the newest sample was captured.
    pub(super) fn newest(&self) -> Option<Time> {
        self.history.capture(self.taken)
    }

    /// The header of a message of this stream.
    pub(super) fn header(&self, captured: Time, control: impl Into<AudioControl>) -> Header<AudioControl> {
        let (slot, generation, control) = (self.slot as u16, self.generation, control.into());
        Header { slot, generation, captured, control, ..Header::default() }
    }

    /// Whether the network has been given something to do since the last call.
    #[inline]
    pub(super) fn take_asked(&mut self) -> bool {
        std::mem::take(&mut self.has_asked)
    }

    /// What the decoder was asked about a chunk: until the answer has come, nothing goes on.
    pub(super) fn query(&self) -> Option<u32> {
        self.queries.open()
    }

    /// Goes one step on with what has been taken; `false` if nothing is left to do. At most three messages.
    pub(super) fn advance(
        &mut self,
        detector: &mut Detector,
        output: &mut Sender<AudioMessage>,
        meter: &mut Meter,
    ) -> bool {
        let window_end = self.judged + WINDOW_SAMPLES;
        let (end, is_passing) = match &self.endpointer {
            Some(endpointer) => (self.taken.min(window_end), endpointer.is_open()),
            None => (self.taken, true),
        };
        if self.position < end && is_passing {
            self.pass(end, output, meter);
        } else if self.position < end {
            self.position = end;
        } else if self.endpointer.is_some() && self.taken >= window_end {
            self.judge(detector, output, meter);
        } else {
            return false;
        }
        true
    }
}

/// Publishes a message without samples. There is room: ingest made sure.
pub(super) fn send(
    output: &mut Sender<AudioMessage>,
    meter: &Meter,
    header: Header<AudioControl>,
    extent: Extent,
) {
    let place = output.reserve();
    debug_assert!(place.is_some(), "a message is lost");
    if let Some(mut place) = place {
        place.header = header;
        place.payload.extent = extent;
        meter.stamp(&mut place.header);
        place.publish();
    }
}

#[cfg(test)]
mod tests;
