//! The open segment: how it opens, is cut, and ends.

use super::{Segmenter, send};
use crate::audio::ENGINE_RATE_HZ;
use crate::message::{AudioMessage, EndCause, Extent};
use crate::meter::Meter;
use crate::protocol::Control;
use voxlane_runtime::clock::Time;
use voxlane_runtime::ring::Sender;

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct OpenSegment {
    number: u32,
    pub(super) start: u64,
    /// Voiced samples of the stream before it.
    voiced_before: u64,
    /// Samples before it that are decoded with it.
    context: u32,
}

impl OpenSegment {
    /// What it is if it has so many samples, and is decoded with at most `most` together with those before it.
    pub(super) fn of(self, samples: u64, most: u64) -> Extent {
        let context = if u64::from(self.context) + samples <= most { self.context } else { 0 };
        Extent { samples: samples as u32, context, ..self.extent() }
    }

    /// Its number and where it starts.
    pub(super) fn extent(self) -> Extent {
        Extent { segment: self.number, start: self.start, context: self.context, ..Extent::default() }
    }
}

impl Segmenter {
    /// A segment opens with the next sample that is passed on.
    pub(super) fn open_segment(&mut self, output: &mut Sender<AudioMessage>, meter: &Meter) -> OpenSegment {
        let (number, start) = (self.segments, self.position);
        let context = self.context.begin(start, self.most_context());
        let voiced_before = self.voicing.before(start);
        let segment = OpenSegment { number, start, voiced_before, context };
        self.segments += 1;
        self.segment = Some(segment);
        self.partial_at = start + self.partial_samples();
        self.queries.begin(start, self.chunks.filter(|_| self.rules.endpoint.blank_ms > 0));
        let captured = self.history.capture(start + 1).unwrap_or_default();
        send(output, meter, self.header(captured, Control::Start), segment.extent());
        segment
    }

    /// Cuts the open segment, which has reached the limit of its length; what comes after is passed on again.
    pub(super) fn cut(
        &mut self,
        start: u64,
        captured: Time,
        output: &mut Sender<AudioMessage>,
        meter: &Meter,
    ) {
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

    /// The client ends the open segment, if any, or with `is_last` the stream.
    pub(in super::super) fn end_by_client(
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
    pub(super) fn end_segment(
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
        self.context.end(segment.start, end, cause == EndCause::LengthLimit);
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
        self.queries.end();
        self.has_asked = true;
        send(output, meter, self.header(captured, Control::End), extent);
    }

    /// The open segment's number and place.
    pub(super) fn extent(&self) -> Extent {
        self.segment.map_or(Extent::default(), OpenSegment::extent)
    }

    /// How many samples of `segment` before the stream's sample `end` were heard as speech.
    pub(super) fn voiced(&self, segment: OpenSegment, end: u64) -> u32 {
        self.voicing.before(end).saturating_sub(segment.voiced_before) as u32
    }

    /// The most samples of a segment together with those before it.
    pub(super) fn most_context(&self) -> u64 {
        u64::from(self.rules.endpoint.context_s) * u64::from(ENGINE_RATE_HZ)
    }
}
