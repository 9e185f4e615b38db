//! One stream within ingest: which of its samples belong to which segment, and when that is decided.
//!
//! Samples are looked at in the stream's own order, up to the end of the next window, and then the window is
//! judged: however they arrived, the decisions are the same.

use crate::config::{DetectorKind, StreamRules};
use crate::cut::Cutter;
use crate::endpoint::{Decision, Endpointer, WINDOW_SAMPLES};
use crate::frame::{AudioFrame, EndCause, Extent, FRAME_SAMPLES, Flags, Header};
use crate::history::History;
use crate::meter::Meter;
use crate::signal::{Notice, SignalMonitor};
use crate::voice::Detector;
use crate::voicing::Voicing;
use voxlane_models::model::Chunks;
use voxlane_models::voice::VOICE_FRAME_SAMPLES;
use voxlane_runtime::clock::Time;
use voxlane_runtime::ring::Sender;

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
    question_at: u64,
    /// What the decoder was asked: until the answer has come, nothing goes on.
    pub(super) question: Option<u32>,
    /// How many questions have been asked in this slot.
    questions: u32,
    /// Whether the network has been given something to do since that was last asked.
    has_asked: bool,
    endpointer: Option<Endpointer>,
    voicing: Voicing,
    monitor: SignalMonitor,
    history: History,
    cutter: Cutter,
}

#[derive(Clone, Copy)]
struct OpenSegment {
    number: u32,
    start: u64,
    /// Voiced samples of the stream before it.
    voiced_before: u64,
}

impl Segmenter {
    pub(super) fn new(slot: usize, chunks: Option<Chunks>, history: &History, cutter: &Cutter) -> Self {
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
            question_at: u64::MAX,
            question: None,
            questions: 0,
            has_asked: false,
            endpointer: None,
            voicing: Voicing::new(history.samples()),
            monitor: SignalMonitor::default(),
            history: history.clone(),
            cutter: *cutter,
        }
    }

    /// A new stream.
    pub(super) fn open(&mut self, generation: u32, rules: StreamRules) {
        self.generation = generation;
        (self.segment, self.segments) = (None, 0);
        (self.question_at, self.question) = (u64::MAX, None);
        (self.position, self.taken, self.judged) = (0, 0, 0);
        self.rules = rules;
        let has_detector = rules.endpoint.detector != DetectorKind::Off;
        self.endpointer = has_detector.then(|| Endpointer::new(rules.endpoint));
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

    /// The header of a frame of this stream.
    pub(super) fn header(&self, capture: Time) -> Header {
        Header { slot: self.slot as u16, generation: self.generation, capture, ..Header::default() }
    }

    /// Whether the network has been given something to do since the last call.
    #[inline]
    pub(super) fn take_asked(&mut self) -> bool {
        std::mem::take(&mut self.has_asked)
    }

    /// Goes one step on with what has been taken; `false` if nothing is left to do. At most two frames.
    pub(super) fn advance(
        &mut self,
        detector: &mut Detector,
        output: &mut Sender<AudioFrame>,
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

    /// Passes a frame's worth of samples before `end` on, opening a segment if none is open and cutting one
    /// that is too long.
    fn pass(&mut self, end: u64, output: &mut Sender<AudioFrame>, meter: &mut Meter) {
        let begun = meter.clock.now();
        let mut flags = Flags::NONE;
        let first_partial = self.position + self.partial_samples();
        let first_question = self.first_question();
        let segment = *self.segment.get_or_insert_with(|| {
            flags = Flags::SPEECH_START;
            self.segments += 1;
            self.partial_at = first_partial;
            self.question_at = first_question;
            let (start, voiced_before) = (self.position, self.voicing.before(self.position));
            OpenSegment { number: self.segments - 1, start, voiced_before }
        });
        let limit = segment.start + self.cutter.limit();
        let count = FRAME_SAMPLES.min((end.min(self.question_at).min(limit) - self.position) as usize);
        let mut samples = [0; FRAME_SAMPLES];
        let samples = &mut samples[..count];
        let capture = self.history.read(self.position, samples);
        self.position += count as u64;
        if self.is_partial_due() {
            flags = flags.with(Flags::PARTIAL);
            self.partial_at = self.position + self.partial_samples();
        }
        // A network that takes audio in chunks may have one to work on with every frame.
        self.has_asked |= flags.has(Flags::PARTIAL) || self.chunks.is_some();
        let mut header = self.header(capture);
        header.segment = segment.number;
        if let Some(mut place) = output.reserve() {
            place.header = Header { flags, count: count as u16, ..header };
            place.payload.extent = Extent { start: segment.start, ..Extent::default() };
            place.payload.samples[..count].copy_from_slice(samples);
            meter.stamp(&mut place.header);
            place.publish();
        }
        if self.position == limit {
            self.cut(segment.start, capture, output, meter);
        } else if self.position == self.question_at {
            self.ask(capture, output, meter);
        }
        meter.computed(&mut header, begun);
        meter.served(&header, 0);
    }

    /// Cuts the open segment, which has reached the limit of its length; what comes after is passed on again.
    fn cut(&mut self, start: u64, capture: Time, output: &mut Sender<AudioFrame>, meter: &Meter) {
        let voicing = self.endpointer.is_some().then_some(&self.voicing);
        let end = if self.chunks.is_some() {
            self.position
        } else {
            self.cutter.place(start, &self.history, voicing)
        };
        self.end_segment((capture, end), (end, end), EndCause::LengthLimit, output, meter);
        self.position = end;
        let voiced = self.voicing.before(self.taken) - self.voicing.before(end);
        if let Some(endpointer) = &mut self.endpointer {
            endpointer.cut(end, voiced);
        }
    }

    /// Where a segment that opens here has its first chunk, if its end depends on what the network says.
    fn first_question(&self) -> u64 {
        let chunks = self.chunks.filter(|_| self.rules.endpoint.blank_ms > 0);
        chunks.map_or(u64::MAX, |chunks| self.position + chunks.first)
    }

    /// A chunk is complete: has the network anything to say?
    fn ask(&mut self, capture: Time, output: &mut Sender<AudioFrame>, meter: &Meter) {
        let Some(chunks) = self.chunks else { return };
        self.questions = self.questions.wrapping_add(1);
        self.question = Some(self.questions);
        self.question_at += chunks.step;
        let header = Header { flags: Flags::QUESTION, marker: self.questions, ..self.header(capture) };
        send(output, meter, header, Extent::default());
    }

    /// The network has found nothing in the last `quiet` samples of its chunks, or is still without any text: the
    /// open segment ends here, or goes on.
    pub(super) fn hear(&mut self, quiet: u32, output: &mut Sender<AudioFrame>, meter: &Meter) {
        self.question = None;
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
        let capture = self.history.capture(end).unwrap_or_default();
        self.end_segment((capture, end), (end, speech_end), EndCause::TrailingBlanks, output, meter);
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
    fn judge(&mut self, detector: &mut Detector, output: &mut Sender<AudioFrame>, meter: &mut Meter) {
        let mut window = [0; VOICE_FRAME_SAMPLES];
        let capture = self.history.read(self.judged, &mut window);
        let probability = detector.step(self.slot, &window);
        let Some(endpointer) = &mut self.endpointer else { return };
        let decision = endpointer.judge(self.judged, probability);
        self.voicing.push(endpointer.is_voiced());
        self.judged += WINDOW_SAMPLES;
        match decision {
            Decision::None => {}
            Decision::Start { at } => self.position = at,
            Decision::Speculate { .. } if self.chunks.is_some() => {}
            Decision::Speculate { end } => self.speculate(end, output, meter),
            Decision::End { end, speech_end } => {
                let end = if self.chunks.is_some() { self.judged } else { end };
                self.end_segment((capture, self.judged), (end, speech_end), EndCause::Silence, output, meter);
                self.position = self.judged;
            }
        }
        if let Some(notice) = self.monitor.push(&window) {
            let flags = match notice {
                Notice::NoAudio => Flags::NO_AUDIO,
                Notice::Clipping => Flags::CLIPPING,
            };
            send(output, meter, Header { flags, ..self.header(capture) }, Extent::default());
        }
    }

    /// How many samples of `segment` before the stream's sample `end` were heard as speech.
    fn voiced(&self, segment: OpenSegment, end: u64) -> u32 {
        self.voicing.before(end).saturating_sub(segment.voiced_before) as u32
    }

    /// Asks for the final that the open segment will have if it ends at `end`.
    fn speculate(&mut self, end: u64, output: &mut Sender<AudioFrame>, meter: &Meter) {
        let Some(segment) = self.segment else { return };
        let Some(samples) = end.checked_sub(segment.start).filter(|&samples| samples > 0) else { return };
        let voiced = self.voiced(segment, end);
        let extent = Extent { start: segment.start, samples: samples as u32, voiced, ..Extent::default() };
        let capture = self.history.capture(end).unwrap_or_default();
        let header = Header { segment: segment.number, flags: Flags::SPECULATIVE, ..self.header(capture) };
        self.has_asked = true;
        send(output, meter, header, extent);
    }

    /// The client ends the open segment, if any, or with `is_last` the stream.
    pub(super) fn end_by_client(
        &mut self,
        capture: Time,
        is_last: bool,
        output: &mut Sender<AudioFrame>,
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
        self.end_segment((capture, now), ends, EndCause::Client, output, meter);
    }

    /// Ends the open segment, if any, before the stream's sample `end`; speech has ended at `speech_end`. It
    /// was decided at the sample `now`, which was captured at `decided`.
    fn end_segment(
        &mut self,
        (decided, now): (Time, u64),
        (end, speech_end): (u64, u64),
        cause: EndCause,
        output: &mut Sender<AudioFrame>,
        meter: &Meter,
    ) {
        let Some(segment) = self.segment.take() else { return };
        let capture = self.history.capture(speech_end.max(segment.start)).unwrap_or(decided);
        let voiced = self.voiced(segment, end);
        let extent = Extent {
            start: segment.start,
            samples: (end - segment.start) as u32,
            endpoint_wait_micros: (decided.nanos_since(capture) / 1000).min(u64::from(u32::MAX)) as u32,
            silence_samples: now.saturating_sub(speech_end) as u32,
            voiced,
            cause,
        };
        (self.question_at, self.has_asked) = (u64::MAX, true);
        let header = Header { flags: Flags::SPEECH_END, segment: segment.number, ..self.header(capture) };
        send(output, meter, header, extent);
    }
}

/// Publishes a frame without samples. There is room: ingest made sure.
pub(super) fn send(output: &mut Sender<AudioFrame>, meter: &Meter, header: Header, extent: Extent) {
    if let Some(mut place) = output.reserve() {
        place.header = header;
        place.payload.extent = extent;
        meter.stamp(&mut place.header);
        place.publish();
    }
}

#[cfg(test)]
mod tests;
