//! What is passed on to the stages after ingest: a segment's samples, and before them those that it is decoded with.

use super::segment::OpenSegment;
use super::{Segmenter, send};
use crate::audio::ENGINE_RATE_HZ;
use crate::endpoint::Endpointer;
use crate::message::{AudioMessage, Extent, Header, MESSAGE_SAMPLES};
use crate::meter::Meter;
use crate::protocol::{AudioControl, Control};
use voxlane_runtime::clock::Time;
use voxlane_runtime::ring::Sender;

impl Segmenter {
    /// Passes a message's worth of samples before `end` on, opening a segment if none is open and cutting one
    /// that is too long.
    pub(super) fn pass(&mut self, end: u64, output: &mut Sender<AudioMessage>, meter: &mut Meter) {
        let begun = meter.clock.now();
        let segment = match self.segment {
            Some(segment) => segment,
            None => self.open_segment(output, meter),
        };
        if self.is_passing_context() {
            return self.pass_context(segment, output, meter);
        }
        let limit = segment.start + self.cutter.limit();
        let count = MESSAGE_SAMPLES.min((end.min(self.queries.due_at()).min(limit) - self.position) as usize);
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
        } else if self.position == self.queries.due_at() {
            self.ask(captured, output, meter);
        }
        meter.computed(&mut header, begun);
        meter.served(&header, 0);
    }

    /// Passes a message's worth of the samples before the open segment on.
    fn pass_context(&mut self, segment: OpenSegment, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let context = self.context.unpassed();
        let count = MESSAGE_SAMPLES.min((context.end - context.start) as usize);
        let Some(mut place) = output.reserve() else { return };
        let samples = &mut place.payload.samples[..count];
        let captured = self.history.read(context.start, samples);
        self.context.pass(count);
        let header = self.header(captured, AudioControl::Context);
        place.header = Header { count: count as u16, ..header };
        place.payload.extent = segment.extent();
        meter.stamp(&mut place.header);
        place.publish();
    }

    /// A chunk is complete: has the network anything to say?
    fn ask(&mut self, captured: Time, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let Some(chunks) = self.chunks else { return };
        let query = Control::Query(self.queries.ask(chunks));
        send(output, meter, self.header(captured, query), Extent::default());
    }

    /// Whether samples before the open segment are passed on next.
    pub(in super::super) fn is_passing_context(&self) -> bool {
        !self.context.unpassed().is_empty()
    }

    /// How far apart partials are.
    pub(super) fn partial_samples(&self) -> u64 {
        u64::from(self.rules.partial.every_ms) * u64::from(ENGINE_RATE_HZ) / 1000
    }

    fn is_partial_due(&self) -> bool {
        let is_voiced = self.endpointer.as_ref().is_none_or(Endpointer::is_voiced);
        let is_wanted = self.rules.partial.every_ms > 0 && self.chunks.is_none();
        is_wanted && is_voiced && self.position >= self.partial_at
    }
}
