//! Keeping caches warm while the network has nothing to do, by sending recorded speech through the same code.
//!
//! The dummy is real speech: silence and noise decode to nothing and would never warm the decode loop. It
//! enters the lane as messages of a slot that no stream ever has, goes through every stage up to the
//! last store before emit's hand-over, and is dropped by whatever stage holds it as soon as a real message
//! waits there.

use crate::config::WarmConfig;
use crate::message::{AudioMessage, EndCause, Extent, Header, MESSAGE_SAMPLES};
use crate::meter::Meter;
use crate::protocol::{AudioControl, Control};
use std::sync::Arc;
use std::time::Duration;
use voxlane_runtime::clock::Time;
use voxlane_runtime::message::WARM_SLOT;
use voxlane_runtime::ring::Sender;
use voxlane_runtime::warm_up::{Rhythm, WarmFeedback, WarmUp};

/// 2.6 s of read speech, 16 kHz, 16-bit little-endian: see `assets/README.md` for its origin.
static SPEECH: &[u8] = include_bytes!("../assets/warm-speech.s16le");

/// Whole messages of it.
const AUDIO_MESSAGES: usize = SPEECH.len() / (2 * MESSAGE_SAMPLES);

/// Messages of a dummy: its segment's start, its audio, its end.
const MESSAGES: usize = AUDIO_MESSAGES + 2;

/// How many messages of a dummy may wait in front of features: real audio waits for these at most.
const MESSAGES_AHEAD: usize = 2;

/// Injects dummy passes from ingest.
pub(crate) struct Warmer {
    /// Nothing if warming is off.
    warm_up: Option<WarmUp>,
    feedback: Arc<WarmFeedback>,
}

impl Warmer {
    /// A source of dummies whose first one is due at `now`.
    pub(crate) fn new(config: WarmConfig, feedback: Arc<WarmFeedback>, now: Time) -> Self {
        let rhythm = Rhythm {
            after: Duration::from_millis(config.after_ms),
            duty: config.duty,
            stop_after: (config.stop_after_s > 0).then(|| Duration::from_secs(config.stop_after_s)),
        };
        Warmer { warm_up: config.enabled.then(|| WarmUp::new(rhythm, MESSAGES, now)), feedback }
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
    pub(crate) fn give_way(&mut self, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let Some(warm_up) = &mut self.warm_up else { return };
        // Stages drop a dummy pass when something waits behind it; this has them forget its audio.
        let abort = (warm_up.dummies(), Control::Abort.into());
        if !warm_up.is_sending() || send(output, meter, abort, Extent::default(), &[]) {
            warm_up.rest(meter.clock.now());
        }
    }

    /// Sends the next part of a dummy if one is due; whether it did. For a thread that has nothing else to do.
    pub(crate) fn step(&mut self, output: &mut Sender<AudioMessage>, meter: &Meter) -> bool {
        let Some(warm_up) = &mut self.warm_up else { return false };
        if output.capacity() - output.vacant() >= MESSAGES_AHEAD {
            return false;
        }
        let Some(number) = warm_up.due(meter.clock.now(), &self.feedback) else { return false };
        let dummy = warm_up.dummies();
        let is_sent = match number.checked_sub(1) {
            None => send(output, meter, (dummy, Control::Start.into()), Extent::default(), &[]),
            Some(AUDIO_MESSAGES) => {
                let samples = (AUDIO_MESSAGES * MESSAGE_SAMPLES) as u32;
                let extent = Extent { samples, cause: EndCause::Client, ..Extent::default() };
                send(output, meter, (dummy, Control::End.into()), extent, &[])
            }
            Some(part) => {
                let mut samples = [0i16; MESSAGE_SAMPLES];
                let bytes = SPEECH[2 * MESSAGE_SAMPLES * part..].chunks_exact(2);
                for (sample, bytes) in samples.iter_mut().zip(bytes) {
                    *sample = i16::from_le_bytes([bytes[0], bytes[1]]);
                }
                let control = AudioControl::Samples { wants_partial: false };
                send(output, meter, (dummy, control), Extent::default(), &samples)
            }
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

/// Sends a message of the dummy with a number; whether there was room.
fn send(
    output: &mut Sender<AudioMessage>,
    meter: &Meter,
    (number, control): (u32, AudioControl),
    extent: Extent,
    samples: &[i16],
) -> bool {
    let Some(mut place) = output.reserve() else { return false };
    place.header = Header {
        slot: WARM_SLOT,
        generation: number,
        captured: meter.clock.now(),
        count: samples.len() as u16,
        control,
        ..Header::default()
    };
    place.payload.extent = extent;
    place.payload.samples[..samples.len()].copy_from_slice(samples);
    meter.stamp(&mut place.header);
    place.publish();
    true
}
