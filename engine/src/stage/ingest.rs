//! Ingest: takes audio from the streams' rings, finds where segments begin and end, and passes frames on in
//! an order that the stages after it need not question.

use super::{Meter, Stage};
use crate::clock::Time;
use crate::cut::Cutter;
use crate::frame::{Audio, AudioFrame, EndCause, Extent, FRAME_SAMPLES, Flags, Header};
use crate::history::History;
use crate::ring::{Receiver, Sender};
use crate::slots::Slots;
use crate::warm::Warmer;
use std::sync::Arc;
use voxlane_models::budget::{Budget, Progress};

/// The most frames that one step for one slot publishes: end, marker, last; or audio and an end.
const FRAMES_OUT: usize = 4;

/// What ingest is connected to.
pub(crate) struct IngestPorts {
    /// One ring of audio a slot.
    pub(crate) inputs: Vec<Receiver<AudioFrame>>,
    /// To features.
    pub(crate) output: Sender<AudioFrame>,
    /// What is shared with the clients.
    pub(crate) slots: Arc<Slots>,
    /// The source of dummy work.
    pub(crate) warmer: Warmer,
}

/// See the module.
pub(crate) struct Ingest {
    ports: IngestPorts,
    streams: Vec<StreamState>,
    /// Slots with work left over, 64 a word.
    pending: Vec<u64>,
    meter: Meter,
}

/// One slot's stream.
struct StreamState {
    generation: u32,
    closed: bool,
    segment: Option<OpenSegment>,
    /// How many segments have been opened.
    segments: u32,
    /// The stream's sample that is passed on next. A cut moves it back: what came after belongs to the next
    /// segment.
    position: u64,
    /// Samples up to here have been taken from the client.
    taken: u64,
    /// What the last frame asked for, to be done when all its samples have been passed on.
    request: Option<Header>,
    history: History,
    cutter: Cutter,
}

#[derive(Clone, Copy)]
struct OpenSegment {
    number: u32,
    start: u64,
}

impl Ingest {
    /// `cutter` and `history` are copied for every slot.
    pub(crate) fn new(ports: IngestPorts, cutter: &Cutter, history: &History, meter: Meter) -> Self {
        let stream = || StreamState {
            generation: 0,
            closed: true,
            segment: None,
            segments: 0,
            position: 0,
            taken: 0,
            request: None,
            history: history.clone(),
            cutter: cutter.clone(),
        };
        Ingest {
            streams: ports.inputs.iter().map(|_| stream()).collect(),
            pending: vec![0; ports.slots.activity_words()],
            ports,
            meter,
        }
    }

    /// How long the thread may sleep without missing a dummy that is due.
    pub(crate) fn due_in(&self) -> Option<std::time::Duration> {
        self.ports.warmer.due_in(self.meter.clock.now())
    }

    /// Works on one slot until it is empty, the budget is spent or the output is full; whether work is left.
    fn serve(&mut self, slot: usize, budget: &Budget) -> bool {
        loop {
            if self.ports.output.vacant() < FRAMES_OUT || budget.is_spent() {
                return true;
            }
            let abandoned = self.ports.slots.abandoned(slot);
            if abandoned > self.streams[slot].generation
                || (abandoned == self.streams[slot].generation && !self.streams[slot].closed)
            {
                self.abandon(slot, abandoned);
                continue;
            }
            if self.streams[slot].position < self.streams[slot].taken {
                self.pass_audio(slot);
                continue;
            }
            if let Some(request) = self.streams[slot].request.take() {
                self.answer(slot, &request);
                continue;
            }
            // Read before the ring: what was pushed before the request is then seen in the ring.
            let finishing = self.ports.slots.finishing(slot);
            let Some(frame) = self.ports.inputs[slot].peek() else {
                self.finish_if_asked(slot, finishing);
                return false;
            };
            let header = frame.header;
            let stream = &mut self.streams[slot];
            if header.flags.has(Flags::FIRST) && header.generation > abandoned {
                stream.open(header.generation);
            }
            if header.generation != stream.generation || stream.closed {
                self.ports.inputs[slot].release(); // of an abandoned stream
                continue;
            }
            self.take(slot, header);
        }
    }

    /// Takes one frame of a client.
    fn take(&mut self, slot: usize, header: Header) {
        self.meter.received(&header, header.capture);
        let stream = &mut self.streams[slot];
        if let Some(frame) = self.ports.inputs[slot].peek() {
            let samples = &frame.payload.samples[..(header.count as usize).min(FRAME_SAMPLES)];
            stream.history.push(samples, header.capture);
            stream.taken += samples.len() as u64;
        }
        self.ports.inputs[slot].release();
        let asks = header.flags.has(Flags::SPEECH_END)
            || header.flags.has(Flags::MARKER)
            || header.flags.has(Flags::LAST);
        stream.request = asks.then_some(header);
    }

    /// Passes a frame's worth of samples on, opening a segment if none is open and cutting one that is too
    /// long.
    fn pass_audio(&mut self, slot: usize) {
        let begun = self.meter.clock.now();
        let stream = &mut self.streams[slot];
        let count = FRAME_SAMPLES.min((stream.taken - stream.position) as usize);
        let mut samples = [0; FRAME_SAMPLES];
        let samples = &mut samples[..count];
        let capture = stream.history.read(stream.position, samples);
        let mut flags = Flags::NONE;
        let segment = *stream.segment.get_or_insert_with(|| {
            flags = Flags::SPEECH_START;
            stream.segments += 1;
            stream.cutter.reset();
            OpenSegment { number: stream.segments - 1, start: stream.position }
        });
        let mut header = stream.header(slot, capture);
        header.segment = segment.number;
        if let Some(place) = self.ports.output.slot() {
            place.header = Header { flags, count: count as u32, ..header };
            place.payload.extent = Extent { start: segment.start, ..Extent::default() };
            place.payload.samples[..count].copy_from_slice(samples);
            self.meter.stamp(&mut place.header);
            self.ports.output.publish();
        }
        stream.position += count as u64;
        if let Some(kept) = stream.cutter.push(samples) {
            let end = segment.start + kept;
            stream.end_segment(&header, end, EndCause::LengthLimit, &mut self.ports.output, &self.meter);
            stream.position = end;
        }
        self.meter.computed(&mut header, begun);
        self.meter.served(&header, 0);
    }

    /// Does what the client's last frame asked for beside taking its samples.
    fn answer(&mut self, slot: usize, request: &Header) {
        let stream = &mut self.streams[slot];
        let output = &mut self.ports.output;
        let base = Header { marker: request.marker, ..stream.header(slot, request.capture) };
        if request.flags.has(Flags::SPEECH_END) || request.flags.has(Flags::LAST) {
            stream.end_segment(&base, stream.position, EndCause::Client, output, &self.meter);
        }
        if request.flags.has(Flags::MARKER) {
            send(output, &self.meter, Header { flags: Flags::MARKER, ..base }, Extent::default());
        }
        if request.flags.has(Flags::LAST) {
            stream.closed = true;
            send(output, &self.meter, Header { flags: Flags::LAST, ..base }, Extent::default());
        }
    }

    /// The client has gone: tells the stages after this one to forget the stream.
    fn abandon(&mut self, slot: usize, generation: u32) {
        let stream = &mut self.streams[slot];
        stream.open(generation);
        stream.closed = true;
        let header = stream.header(slot, self.meter.clock.now());
        send(
            &mut self.ports.output,
            &self.meter,
            Header { flags: Flags::ABORT, ..header },
            Extent::default(),
        );
    }

    /// A stream that its client or a shutdown finishes ends where its audio ends.
    fn finish_if_asked(&mut self, slot: usize, finishing: u32) {
        let stream = &mut self.streams[slot];
        if finishing > stream.generation {
            stream.open(finishing); // nothing was ever pushed
        }
        if finishing == stream.generation && !stream.closed {
            let capture = stream.history.capture(stream.taken).unwrap_or(self.meter.clock.now());
            self.answer(slot, &Header { flags: Flags::LAST, capture, ..Header::default() });
        }
    }
}

impl StreamState {
    fn open(&mut self, generation: u32) {
        self.generation = generation;
        self.closed = false;
        self.segment = None;
        self.segments = 0;
        self.position = 0;
        self.taken = 0;
        self.request = None;
        self.history.reset();
        self.cutter.reset();
    }

    /// The header of a frame of this stream.
    fn header(&self, slot: usize, capture: Time) -> Header {
        Header { slot: slot as u16, generation: self.generation, capture, ..Header::default() }
    }

    /// Ends the open segment, if any, before the stream's sample `end`.
    fn end_segment(
        &mut self,
        base: &Header,
        end: u64,
        cause: EndCause,
        output: &mut Sender<AudioFrame>,
        meter: &Meter,
    ) {
        let Some(segment) = self.segment.take() else { return };
        let capture = self.history.capture(end).unwrap_or(base.capture);
        let extent = Extent {
            start: segment.start,
            samples: (end - segment.start) as u32,
            endpoint_wait_micros: (base.capture.nanos_since(capture) / 1000).min(u64::from(u32::MAX)) as u32,
            cause,
        };
        let flags = Flags::SPEECH_END;
        send(output, meter, Header { flags, segment: segment.number, count: 0, capture, ..*base }, extent);
    }
}

/// Publishes a frame without samples. There is room: `serve` made sure.
fn send(output: &mut Sender<AudioFrame>, meter: &Meter, header: Header, extent: Extent) {
    if let Some(place) = output.slot() {
        place.header = header;
        place.payload = Audio { extent, samples: place.payload.samples };
        meter.stamp(&mut place.header);
        output.publish();
    }
}

impl Stage for Ingest {
    fn step(&mut self, budget: &Budget) -> Progress {
        self.meter.answer(self.ports.output.refused());
        let mut worked = false;
        for word in 0..self.pending.len() {
            let mut active = self.pending[word] | self.ports.slots.take_active(word);
            if active == 0 {
                continue;
            }
            worked = true;
            self.ports.warmer.give_way(&mut self.ports.output, &self.meter);
            let mut left = 0;
            while active != 0 {
                let bit = active.trailing_zeros();
                active &= active - 1;
                let slot = word * 64 + bit as usize;
                left |= u64::from(self.serve(slot, budget)) << bit;
            }
            self.pending[word] = left;
        }
        if !worked {
            worked = self.ports.warmer.step(&mut self.ports.output, &self.meter);
        }
        if worked { Progress::More } else { Progress::Done }
    }
}
