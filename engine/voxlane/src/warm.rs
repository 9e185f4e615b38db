//! Keeping caches warm while the network has nothing to do, by sending recorded speech through the same code.
//!
//! The dummy is real speech: silence and noise decode to nothing and would never warm the decode loop. It
//! enters the lane as frames of a scratch slot that no stream ever has, goes through every stage up to the
//! last store before emit's hand-over, and is dropped by whatever stage holds it as soon as a real frame
//! waits there.

use crate::config::WarmConfig;
use crate::frame::{AudioFrame, EndCause, Extent, FRAME_SAMPLES, Flags, Header};
use crate::meter::Meter;
use std::sync::Arc;
use std::time::Duration;
use voxlane_runtime::clock::Time;
use voxlane_runtime::ring::Sender;
use voxlane_runtime::warm_up::{Rhythm, WarmFeedback, WarmUp};

/// 2.6 s of read speech, 16 kHz, 16-bit little-endian: see `assets/README.md` for its origin.
static SPEECH: &[u8] = include_bytes!("../assets/warm-speech.s16le");

/// Whole frames of it.
const DUMMY_FRAMES: usize = SPEECH.len() / (2 * FRAME_SAMPLES);

/// How many dummy frames may wait in front of features: real audio waits for these at most.
const FRAMES_AHEAD: usize = 2;

/// Injects dummy passes from ingest.
pub(crate) struct Warmer {
    /// Nothing if warming is off.
    warm_up: Option<WarmUp>,
    slot: u16,
    feedback: Arc<WarmFeedback>,
}

impl Warmer {
    /// Uses the scratch slot number `slot`.
    pub(crate) fn new(config: WarmConfig, slot: u16, feedback: Arc<WarmFeedback>, now: Time) -> Self {
        let rhythm = Rhythm {
            after: Duration::from_millis(config.after_ms),
            duty: config.duty,
            stop_after: (config.stop_after_s > 0).then(|| Duration::from_secs(config.stop_after_s)),
        };
        // The frame that ends the segment is the last message.
        let warm_up = config.enabled.then(|| WarmUp::new(rhythm, DUMMY_FRAMES + 1, now));
        Warmer { warm_up, slot, feedback }
    }

    /// Real audio has arrived, if only silence: whoever sends it is there, and warming goes on.
    #[inline]
    pub(crate) fn audio_came(&mut self, meter: &Meter) {
        if let Some(warm_up) = &mut self.warm_up {
            warm_up.input_came(meter.clock.now());
        }
    }

    /// The network is given real work: drops the dummy that is being sent and puts the next one off.
    #[inline]
    pub(crate) fn give_way(&mut self, output: &mut Sender<AudioFrame>, meter: &Meter) {
        let Some(warm_up) = &mut self.warm_up else { return };
        // Stages drop a dummy pass when something waits behind it; this tells them to forget its audio.
        let (slot, number) = (self.slot, warm_up.dummies());
        if !warm_up.is_sending() || send(output, meter, (slot, number), Flags::ABORT, 0, &[]) {
            warm_up.rest(meter.clock.now());
        }
    }

    /// Sends the next part of a dummy if one is due; whether it did. For a thread that has nothing else to do.
    pub(crate) fn step(&mut self, output: &mut Sender<AudioFrame>, meter: &Meter) -> bool {
        let Some(warm_up) = &mut self.warm_up else { return false };
        if output.capacity() - output.vacant() >= FRAMES_AHEAD {
            return false;
        }
        let Some(frame) = warm_up.due(meter.clock.now(), &self.feedback) else { return false };
        let dummy = (self.slot, warm_up.dummies());
        let is_sent = if frame == DUMMY_FRAMES {
            send(output, meter, dummy, Flags::SPEECH_END, frame * FRAME_SAMPLES, &[])
        } else {
            let mut samples = [0i16; FRAME_SAMPLES];
            let bytes = SPEECH[2 * FRAME_SAMPLES * frame..].chunks_exact(2);
            for (sample, bytes) in samples.iter_mut().zip(bytes) {
                *sample = i16::from_le_bytes([bytes[0], bytes[1]]);
            }
            let flags = if frame == 0 { Flags::SPEECH_START } else { Flags::NONE };
            send(output, meter, dummy, flags, 0, &samples)
        };
        if is_sent {
            warm_up.sent();
        }
        is_sent
    }

    /// How long ingest may sleep without missing a dummy that is due.
    pub(crate) fn due_in(&self, now: Time) -> Option<Duration> {
        self.warm_up.as_ref()?.due_in(now)
    }
}

/// Sends a frame of the dummy with a number in the scratch slot; whether there was room.
fn send(
    output: &mut Sender<AudioFrame>,
    meter: &Meter,
    (slot, number): (u16, u32),
    flags: Flags,
    segment_samples: usize,
    samples: &[i16],
) -> bool {
    let Some(mut place) = output.reserve() else { return false };
    place.header = Header {
        slot,
        flags: flags.with(Flags::WARM),
        generation: number,
        capture: meter.clock.now(),
        count: samples.len() as u16,
        ..Header::default()
    };
    place.payload.extent =
        Extent { samples: segment_samples as u32, cause: EndCause::Client, ..Extent::default() };
    place.payload.samples[..samples.len()].copy_from_slice(samples);
    meter.stamp(&mut place.header);
    place.publish();
    true
}
