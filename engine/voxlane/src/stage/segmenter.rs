//! One stream within ingest: which of its samples belong to which segment, and when that is decided.
//!
//! Samples are looked at in the stream's own order, up to the end of the next window, and then the window is
//! judged: however they arrived, the decisions are the same.

use super::turns::{Question, Turns};
use crate::config::{DetectorKind, StreamRules};
use crate::cut::Cutter;
use crate::endpoint::{Decision, Endpointer, WINDOW_SAMPLES};
use crate::history::History;
use crate::message::{AudioMessage, EndCause, Extent, Header, MESSAGE_SAMPLES};
use crate::meter::Meter;
use crate::protocol::{AudioControl, Control};
use crate::signal::SignalMonitor;
use crate::slot_state::SlotState;
use crate::turn::TurnAsker;
use crate::voice::Detector;
use crate::voicing::Voicing;
use voxlane_models::model::Chunks;
use voxlane_models::voice::VOICE_FRAME_SAMPLES;
use voxlane_runtime::clock::Time;
use voxlane_runtime::ring::Sender;

/// A segment that begins within this time of the end of the one before is decoded together with it: 2 s.
const CONTEXT_GAP_SAMPLES: u64 = 2 * crate::audio::ENGINE_RATE_HZ as u64;

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
    /// Where the decoder is asked next whether there is anything to hear.
    query_at: u64,
    /// What the decoder was asked: until the answer has come, nothing goes on.
    pub(super) query: Option<u32>,
    /// How many queries there have been in this slot.
    queries: u32,
    /// Whether the network has been given something to do since that was last asked.
    has_asked: bool,
    has_context: bool,
    /// Where the segment before began and ended, unless it was cut.
    earlier: Option<(u64, u64)>,
    /// The samples before the open segment that are to be passed on first.
    context: std::ops::Range<u64>,
    endpointer: Option<Endpointer>,
    turns: Turns,
    voicing: Voicing,
    monitor: SignalMonitor,
    history: History,
    cutter: Cutter,
}

/// What a look for answers has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The stream may go on.
    Enough,
    /// It waits for an answer, which marks the slot active.
    Nothing,
    /// The question could not be asked yet and must be a little later.
    AskAgain,
}

#[derive(Clone, Copy)]
struct OpenSegment {
    number: u32,
    start: u64,
    /// Voiced samples of the stream before it.
    voiced_before: u64,
    /// Samples before it that are decoded with it.
    context: u32,
}

impl OpenSegment {
    /// What it is if it has so many samples, and is decoded with at most `most` together with those before it.
    fn of(self, samples: u64, most: u64) -> Extent {
        let context = if u64::from(self.context) + samples <= most { self.context } else { 0 };
        Extent { samples: samples as u32, context, ..self.extent() }
    }

    /// Its number and where it starts.
    fn extent(self) -> Extent {
        Extent { segment: self.number, start: self.start, context: self.context, ..Extent::default() }
    }
}

impl Segmenter {
    pub(super) fn new(slot: usize, segmentation: Segmentation) -> Self {
        let Segmentation { chunks, cutter, history, has_context } = segmentation;
        Segmenter {
            has_context,
            earlier: None,
            context: 0..0,
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
            query_at: u64::MAX,
            query: None,
            queries: 0,
            has_asked: false,
            endpointer: None,
            turns: Turns::default(),
            voicing: Voicing::new(history.samples()),
            monitor: SignalMonitor::default(),
            history,
            cutter,
        }
    }

    /// A new stream.
    pub(super) fn open(&mut self, generation: u32, rules: StreamRules) {
        self.generation = generation;
        (self.segment, self.segments) = (None, 0);
        (self.query_at, self.query) = (u64::MAX, None);
        (self.position, self.taken, self.judged) = (0, 0, 0);
        self.rules = rules;
        let has_detector = rules.endpoint.detector != DetectorKind::Off;
        self.endpointer = has_detector.then(|| Endpointer::new(rules.endpoint));
        self.turns.restart();
        (self.earlier, self.context) = (None, 0..0);
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

    /// Passes a message's worth of samples before `end` on, opening a segment if none is open and cutting one
    /// that is too long.
    fn pass(&mut self, end: u64, output: &mut Sender<AudioMessage>, meter: &mut Meter) {
        let begun = meter.clock.now();
        let segment = match self.segment {
            Some(segment) => segment,
            None => self.open_segment(output, meter),
        };
        if !self.context.is_empty() {
            return self.pass_context(segment, output, meter);
        }
        let limit = segment.start + self.cutter.limit();
        let count = MESSAGE_SAMPLES.min((end.min(self.query_at).min(limit) - self.position) as usize);
        // There is room: ingest made sure.
        let Some(mut place) = output.reserve() else { return };
        let captured = self.history.read(self.position, &mut place.payload.samples[..count]);
        self.position += count as u64;
        let wants_partial = self.is_partial_due();
        if wants_partial {
            self.partial_at = self.position + self.partial_samples();
        }
        // A network that takes audio in chunks may have one to work on with every message.
        self.has_asked |= wants_partial || self.chunks.is_some();
        let header = self.header(captured, AudioControl::Samples { wants_partial });
        let mut header = Header { count: count as u16, ..header };
        place.header = header;
        place.payload.extent = segment.extent();
        meter.stamp(&mut place.header);
        place.publish();
        if self.position == limit {
            self.cut(segment.start, captured, output, meter);
        } else if self.position == self.query_at {
            self.ask(captured, output, meter);
        }
        meter.computed(&mut header, begun);
        meter.served(&header, 0);
    }

    /// A segment opens with the next sample that is passed on.
    fn open_segment(&mut self, output: &mut Sender<AudioMessage>, meter: &Meter) -> OpenSegment {
        let (number, start) = (self.segments, self.position);
        self.context = self.context_of(start);
        let voiced_before = self.voicing.before(start);
        let context = (self.context.end - self.context.start) as u32;
        let segment = OpenSegment { number, start, voiced_before, context };
        self.segments += 1;
        self.segment = Some(segment);
        self.partial_at = start + self.partial_samples();
        self.query_at = self.first_query();
        let captured = self.history.capture(start + 1).unwrap_or_default();
        send(output, meter, self.header(captured, Control::Start), segment.extent());
        segment
    }

    /// The most samples of a segment together with those before it.
    fn most_context(&self) -> u64 {
        u64::from(self.rules.endpoint.context_s) * u64::from(crate::audio::ENGINE_RATE_HZ)
    }

    /// Whether samples before the open segment are passed on next.
    pub(super) fn is_passing_context(&self) -> bool {
        !self.context.is_empty()
    }

    /// The samples before a segment from `start` on that are decoded with it: the segment before, and the pause.
    fn context_of(&self, start: u64) -> std::ops::Range<u64> {
        let most = self.most_context();
        let earlier = self.earlier.filter(|&(earlier, end)| {
            self.has_context && start.saturating_sub(end) < CONTEXT_GAP_SAMPLES && start - earlier < most
        });
        earlier.map_or(start..start, |(earlier, _)| earlier..start)
    }

    /// Passes a message's worth of the samples before the open segment on.
    fn pass_context(&mut self, segment: OpenSegment, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let count = MESSAGE_SAMPLES.min((self.context.end - self.context.start) as usize);
        let Some(mut place) = output.reserve() else { return };
        let samples = &mut place.payload.samples[..count];
        let captured = self.history.read(self.context.start, samples);
        self.context.start += count as u64;
        let header = self.header(captured, AudioControl::Context);
        place.header = Header { count: count as u16, ..header };
        place.payload.extent = segment.extent();
        meter.stamp(&mut place.header);
        place.publish();
    }

    /// Cuts the open segment, which has reached the limit of its length; what comes after is passed on again.
    fn cut(&mut self, start: u64, captured: Time, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let voicing = self.endpointer.is_some().then_some(&self.voicing);
        let end = if self.chunks.is_some() {
            self.position
        } else {
            self.cutter.place(start, &self.history, voicing)
        };
        self.end_segment((captured, end), (end, end), EndCause::LengthLimit, output, meter);
        self.position = end;
        let voiced = self.voicing.before(self.taken) - self.voicing.before(end);
        if let Some(endpointer) = &mut self.endpointer {
            endpointer.cut(end, voiced);
        }
    }

    /// Where a segment that opens here has its first chunk, if its end depends on what the network says.
    fn first_query(&self) -> u64 {
        let chunks = self.chunks.filter(|_| self.rules.endpoint.blank_ms > 0);
        chunks.map_or(u64::MAX, |chunks| self.position + chunks.first)
    }

    /// A chunk is complete: has the network anything to say?
    fn ask(&mut self, captured: Time, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let Some(chunks) = self.chunks else { return };
        self.queries = self.queries.wrapping_add(1).max(1);
        self.query = Some(self.queries);
        self.query_at += chunks.step;
        send(output, meter, self.header(captured, Control::Query(self.queries)), Extent::default());
    }

    /// The network has found nothing in the last `quiet` samples of its chunks, or is still without any text: the
    /// open segment ends here, or goes on.
    pub(super) fn hear(&mut self, quiet: u32, output: &mut Sender<AudioMessage>, meter: &Meter) {
        self.query = None;
        let (Some(chunks), Some(segment)) = (self.chunks, self.segment) else { return };
        let blank = u64::from(self.rules.endpoint.blank_ms) * u64::from(crate::audio::ENGINE_RATE_HZ) / 1000;
        if u64::from(quiet) < blank {
            return;
        }
        let end = self.position;
        if let Some(endpointer) = &mut self.endpointer {
            endpointer.close(end);
        }
        let speech_end = end.saturating_sub(u64::from(quiet) + chunks.look_ahead()).max(segment.start);
        let captured = self.history.capture(end).unwrap_or_default();
        self.end_segment((captured, end), (end, speech_end), EndCause::TrailingBlanks, output, meter);
    }

    fn partial_samples(&self) -> u64 {
        u64::from(self.rules.partial.every_ms) * u64::from(crate::audio::ENGINE_RATE_HZ) / 1000
    }

    fn is_partial_due(&self) -> bool {
        let is_voiced = self.endpointer.as_ref().is_none_or(Endpointer::is_voiced);
        let is_wanted = self.rules.partial.every_ms > 0 && self.chunks.is_none();
        is_wanted && is_voiced && self.position >= self.partial_at
    }

    /// Judges the window that is complete.
    fn judge(&mut self, detector: &mut Detector, output: &mut Sender<AudioMessage>, meter: &mut Meter) {
        let mut window = [0; VOICE_FRAME_SAMPLES];
        let captured = self.history.read(self.judged, &mut window);
        let probability = detector.step(self.slot, &window);
        let Some(endpointer) = &mut self.endpointer else { return };
        let decision = endpointer.judge(self.judged, probability);
        self.voicing.push(endpointer.is_voiced());
        self.judged += WINDOW_SAMPLES;
        self.decide(decision, captured, output, meter);
        if let Some(notice) = self.monitor.push(&window) {
            send(output, meter, self.header(captured, Control::Notice(notice)), Extent::default());
        }
    }

    /// Does what the endpointer has decided at the end of the latest window, which was captured at `captured`.
    fn decide(
        &mut self,
        decision: Decision,
        captured: Time,
        output: &mut Sender<AudioMessage>,
        meter: &Meter,
    ) {
        match decision {
            Decision::None => {}
            Decision::Start { at } => self.position = at,
            Decision::Speculate { end, asks } => {
                if self.chunks.is_none() {
                    self.speculate(end, output, meter);
                }
                if asks {
                    self.ask_turn(end, captured, output, meter);
                }
            }
            Decision::Wait if self.turns.question().is_some() => self.turns.wait(),
            // A cut has left no segment to ask about.
            Decision::Wait => {
                let decision = self.endpointer.as_mut().map(|endpointer| endpointer.hear(self.judged, false));
                self.decide(decision.unwrap_or(Decision::None), captured, output, meter);
            }
            Decision::Resume => {
                if self.turns.take_back() {
                    send(output, meter, self.header(captured, Control::Resumed), self.extent());
                }
            }
            Decision::End { end, speech_end, cause } => {
                let end = if self.chunks.is_some() { self.judged } else { end };
                self.end_segment((captured, self.judged), (end, speech_end), cause, output, meter);
                self.position = self.judged;
            }
        }
    }

    /// The open segment's number and place.
    fn extent(&self) -> Extent {
        self.segment.map_or(Extent::default(), OpenSegment::extent)
    }

    /// Asks whether the speaker has finished, should the segment end at `end`: the decoder, behind its speculative pass,
    /// and the stage that hears turns, once [`listen`](Self::listen) finds that it can be asked.
    fn ask_turn(&mut self, end: u64, captured: Time, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let Some(segment) = self.segment else { return };
        self.queries = self.queries.wrapping_add(1).max(1);
        let rule = self.rules.endpoint.turn;
        let voiced = self.voiced(segment, end);
        let extent = Extent { voiced, ..segment.of(end - segment.start, self.most_context()) };
        let turn = self.turns.start(segment.start)..self.judged;
        self.turns.ask(Question::new(self.queries, rule, turn, extent));
        if rule.reads_text() {
            send(output, meter, self.header(captured, Control::Query(self.queries)), Extent::default());
        }
    }

    /// Looks for what has come of the question whether the speaker has finished, if it is open. At most two messages.
    pub(super) fn listen(
        &mut self,
        state: &SlotState,
        asker: Option<&mut TurnAsker>,
        output: &mut Sender<AudioMessage>,
        meter: &Meter,
    ) -> Heard {
        if self.turns.was_taken_back() {
            state.ask_turn(0);
        }
        let Some(question) = self.turns.question() else { return Heard::Enough };
        let captured = self.history.capture(self.judged).unwrap_or_default();
        if let (Some(turn), Some(asker)) = (question.unasked(), asker) {
            let number = question.number();
            let header = self.header(captured, Control::Query(number));
            state.ask_turn(number);
            if !asker.ask(header, number, &self.history, turn) {
                return Heard::AskAgain;
            }
            self.turns.asked();
        }
        let Some(verdict) = self.turns.verdict(state, &self.rules.endpoint) else {
            return if self.turns.is_waiting() { Heard::Nothing } else { Heard::Enough };
        };
        if let Some(extent) = verdict.eager {
            send(output, meter, self.header(captured, Control::EagerEnd), extent);
        }
        let Some(endpointer) = &mut self.endpointer else { return Heard::Enough };
        let decision = endpointer.hear(self.judged, verdict.is_finished);
        self.decide(decision, captured, output, meter);
        Heard::Enough
    }

    /// How many samples of `segment` before the stream's sample `end` were heard as speech.
    fn voiced(&self, segment: OpenSegment, end: u64) -> u32 {
        self.voicing.before(end).saturating_sub(segment.voiced_before) as u32
    }

    /// Asks for the final that the open segment will have if it ends at `end`.
    fn speculate(&mut self, end: u64, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let Some(segment) = self.segment else { return };
        let Some(samples) = end.checked_sub(segment.start).filter(|&samples| samples > 0) else { return };
        let voiced = self.voiced(segment, end);
        let extent = Extent { voiced, ..segment.of(samples, self.most_context()) };
        let captured = self.history.capture(end).unwrap_or_default();
        self.has_asked = true;
        send(output, meter, self.header(captured, AudioControl::Speculate), extent);
    }

    /// The client ends the open segment, if any, or with `is_last` the stream.
    pub(super) fn end_by_client(
        &mut self,
        captured: Time,
        is_last: bool,
        output: &mut Sender<AudioMessage>,
        meter: &Meter,
    ) {
        let now = self.taken;
        let ends = match &mut self.endpointer {
            Some(endpointer) if is_last => match endpointer.end_by(now) {
                (_, speech_end) if self.chunks.is_some() => (now, speech_end),
                ends => ends,
            },
            Some(endpointer) => {
                endpointer.close(now);
                (now, now)
            }
            None => (now, now),
        };
        self.end_segment((captured, now), ends, EndCause::Client, output, meter);
    }

    /// Ends the open segment, if any, before the stream's sample `end`; speech has ended at `speech_end`. It
    /// was decided at the sample `now`, which was captured at `decided`.
    fn end_segment(
        &mut self,
        (decided, now): (Time, u64),
        (end, speech_end): (u64, u64),
        cause: EndCause,
        output: &mut Sender<AudioMessage>,
        meter: &Meter,
    ) {
        let Some(segment) = self.segment.take() else { return };
        let (turn, is_other) = self.turns.end(segment.start, end, cause);
        if is_other {
            send(output, meter, self.header(decided, Control::Resumed), segment.extent());
        }
        self.earlier = (cause != EndCause::LengthLimit).then_some((segment.start, end));
        self.context = 0..0;
        let captured = self.history.capture(speech_end.max(segment.start)).unwrap_or(decided);
        let voiced = self.voiced(segment, end);
        let extent = Extent {
            endpoint_wait_micros: (decided.nanos_since(captured) / 1000).min(u64::from(u32::MAX)) as u32,
            silence_samples: now.saturating_sub(speech_end) as u32,
            voiced,
            turn,
            cause,
            ..segment.of(end - segment.start, self.most_context())
        };
        (self.query_at, self.has_asked) = (u64::MAX, true);
        send(output, meter, self.header(captured, Control::End), extent);
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
