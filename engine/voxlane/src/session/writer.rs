//! Writing a stream's samples and requests into the ring of its slot.

use crate::config::{ServiceClass, StreamRules};
use crate::decode_options::Asked;
use crate::gate::{Inputs, LaneState, Returned, Shared};
use crate::message::{Header, MESSAGE_SAMPLES, RequestMessage};
use crate::protocol::Request;
use crate::session::StreamError;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use voxlane_runtime::clock::Time;
use voxlane_runtime::eventcount::Notifier;
use voxlane_runtime::ring::WriteSlot;

/// Writes 16 kHz samples into a slot's audio ring, in place.
pub(super) struct AudioWriter {
    /// Taken out when the writer is dropped: it goes back to the lane.
    inputs: Option<Inputs>,
    shared: Arc<Shared>,
    notifier: Arc<Notifier>,
    class: ServiceClass,
    sequence: u32,
    /// Samples that wait in the ring's next place for the message to fill up.
    staged: usize,
    is_finished: bool,
}

impl AudioWriter {
    /// For a stream that is treated by `rules`.
    pub(super) fn new(
        mut inputs: Inputs,
        shared: Arc<Shared>,
        notifier: Arc<Notifier>,
        rules: StreamRules,
    ) -> Self {
        // Before the first message: ingest takes them with it. What streams before have left is gone, so there is room.
        let sent = inputs.rules.send(shared.generation, rules);
        debug_assert!(sent);
        AudioWriter {
            inputs: Some(inputs),
            shared,
            notifier,
            class: rules.class,
            sequence: 0,
            staged: 0,
            is_finished: false,
        }
    }

    /// How many samples fit now.
    pub(super) fn room(&mut self) -> usize {
        let vacant = self.inputs.as_mut().map_or(0, |inputs| inputs.audio.vacant());
        (vacant * MESSAGE_SAMPLES).saturating_sub(self.staged)
    }

    /// Ready when there is room, or the lane takes nothing any more.
    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let status = &self.shared.status;
        let Some(Inputs { audio, room, .. }) = &mut self.inputs else { return Poll::Ready(()) };
        if audio.vacant() > 0 {
            return Poll::Ready(());
        }
        room.poll(context, || audio.vacant() > 0 || status.get() != LaneState::Running)
    }

    /// Takes samples, as many as fit; the last one given was captured at `capture`.
    pub(super) fn write(&mut self, samples: &[i16], capture: Time) -> usize {
        let mut taken = 0;
        let mut kept = self.staged;
        while taken < samples.len() {
            let staged = self.staged;
            let Some(mut place) = place(&mut self.inputs) else { break };
            let count = (MESSAGE_SAMPLES - staged).min(samples.len() - taken);
            place.payload.0[staged..staged + count].copy_from_slice(&samples[taken..taken + count]);
            taken += count;
            self.staged += count;
            let behind = (samples.len() - taken) as u64 * 1_000_000_000 / self.shared.sample_rate;
            place.header.captured = Time::from_nanos(capture.nanos().saturating_sub(behind));
            if self.staged == MESSAGE_SAMPLES {
                self.publish(Request::None);
                kept = 0;
            }
        }
        if self.staged > kept {
            let new = &samples[..taken][taken + kept - self.staged..];
            self.shared.slots.state(self.shared.slot).tail.keep(kept, new, capture);
        }
        taken
    }

    /// Publishes what is staged, if need be nothing, with a request. Does nothing if the ring is full.
    pub(super) fn request(&mut self, request: Request, now: Time) -> Result<(), StreamError> {
        let is_empty = self.staged == 0;
        let mut place = place(&mut self.inputs).ok_or(StreamError::Full)?;
        if is_empty {
            place.header.captured = now;
        }
        self.publish(request);
        Ok(())
    }

    /// From here on the stream's decoder does what is asked. Nothing if too much waits in the lane.
    pub(super) fn ask(&mut self, asked: Asked, now: Time) -> Result<(), StreamError> {
        let Shared { slot, generation, slots, .. } = &*self.shared;
        if slots.abandoned(*slot) >= *generation {
            return Ok(()); // nobody hears it, as with samples; what is left behind would be in the next stream's way
        }
        let inputs = self.inputs.as_mut().ok_or(StreamError::Finished)?;
        let chain = self.class.chain(inputs.options.len());
        if inputs.audio.vacant() == 0 || !inputs.options[chain].send(*generation, asked) {
            return Err(StreamError::Full);
        }
        self.request(Request::ChangeOptions, now)
    }

    /// Everything has been written. Never fails: it takes no place in the ring.
    pub(super) fn finish(&mut self) {
        if !self.is_finished {
            self.is_finished = true;
            let Shared { slot, slots, status, .. } = &*self.shared;
            slots.begin_push(*slot);
            // What a shutdown is about to take, or has taken, is not published as well.
            if self.staged > 0 && status.get() == LaneState::Running {
                self.publish(Request::None);
            }
            let Shared { slot, generation, slots, .. } = &*self.shared;
            slots.end_push(*slot);
            slots.finish(*slot, *generation);
            self.notifier.notify();
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_finished
    }

    fn publish(&mut self, request: Request) {
        let Some(mut place) = place(&mut self.inputs) else { return };
        place.header = Header {
            slot: self.shared.slot as u16,
            generation: self.shared.generation,
            sequence: self.sequence,
            captured: place.header.captured,
            control: request,
            count: self.staged as u16,
            ..Header::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.staged = 0;
        self.shared.slots.state(self.shared.slot).tail.clear();
        place.publish_quietly();
        // Ingest looks where a slot is marked: it is woken when that is so.
        self.shared.slots.mark_active(self.shared.slot);
        self.notifier.notify();
    }
}

/// The ring's next place, nothing if it is full.
fn place(inputs: &mut Option<Inputs>) -> Option<WriteSlot<'_, RequestMessage>> {
    inputs.as_mut().and_then(|inputs| inputs.audio.reserve())
}

impl Drop for AudioWriter {
    fn drop(&mut self) {
        self.finish();
        if let Some(inputs) = self.inputs.take() {
            self.shared.give_back(Returned::Inputs(self.shared.slot, inputs));
        }
    }
}

/// How long a blocked push waits between looks. A ring gets a place free every 20 ms of audio.
pub(super) const PUSH_PAUSE: Duration = Duration::from_micros(500);
