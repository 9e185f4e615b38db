//! Keeping caches warm while no audio is due, by sending recorded speech through the same code.
//!
//! The dummy is real speech: silence and noise decode to nothing and would never warm the decode loop. It
//! enters the lane as frames of a scratch slot that no stream ever has, goes through every stage up to the
//! last store before emit's hand-over, and is dropped by whatever stage holds it as soon as a real frame
//! waits there.

use crate::clock::Time;
use crate::config::WarmConfig;
use crate::frame::{AudioFrame, EndCause, Extent, FRAME_SAMPLES, Flags, Header};
use crate::ring::Sender;
use crate::stage::Meter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// 2.6 s of read speech, 16 kHz, 16-bit little-endian: see `assets/README.md` for its origin.
static SPEECH: &[u8] = include_bytes!("../assets/warm-speech.s16le");

/// How many dummy frames may wait in front of features: real audio waits for these at most.
const FRAMES_AHEAD: usize = 2;

/// What emit tells ingest about dummy passes.
#[derive(Debug, Default)]
pub struct WarmFeedback {
    /// Passes that reached emit.
    completed: AtomicU64,
    /// The time spent computing for them, in nanoseconds.
    compute_nanos: AtomicU64,
}

impl WarmFeedback {
    /// Called by emit for every dummy pass that arrives.
    pub fn complete(&self, compute_nanos: u64) {
        self.compute_nanos.fetch_add(compute_nanos, Ordering::Relaxed);
        self.completed.fetch_add(1, Ordering::Release);
    }

    /// How many dummy passes have gone all the way, and the nanoseconds they took.
    pub fn totals(&self) -> (u64, u64) {
        (self.completed.load(Ordering::Acquire), self.compute_nanos.load(Ordering::Relaxed))
    }
}

/// Injects dummy passes from ingest.
pub struct Warmer {
    config: WarmConfig,
    slot: u16,
    feedback: Arc<WarmFeedback>,
    state: State,
    last_real: Time,
    passes: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is on the way; the next pass may begin at this time.
    Resting { until: Time },
    /// So many frames of the current pass have been sent, of the pass that began at `began`.
    Sending { frames: usize, began: Time },
    /// The whole dummy has been sent; emit has yet to see it.
    Waiting { completed_before: u64, compute_before: u64, began: Time },
}

impl Warmer {
    /// Uses the scratch slot number `slot`.
    pub fn new(config: WarmConfig, slot: u16, feedback: Arc<WarmFeedback>, now: Time) -> Self {
        let state = State::Resting { until: now };
        Warmer { config, slot, feedback, state, last_real: now, passes: 0 }
    }

    /// Real audio has arrived, if only silence: whoever sends it is there, and warming goes on.
    #[inline]
    pub(crate) fn audio_came(&mut self, meter: &Meter) {
        self.last_real = meter.clock.now();
    }

    /// Real audio goes through the network: drops the dummy that is being sent and puts the next one off.
    #[inline]
    pub(crate) fn give_way(&mut self, output: &mut Sender<AudioFrame>, meter: &Meter) {
        if !self.config.enabled {
            return;
        }
        let now = meter.clock.now();
        let until = now.after(Duration::from_millis(self.config.after_ms));
        if let State::Sending { .. } = self.state {
            // Stages drop a dummy pass when something waits behind it; this tells them to forget its audio.
            if !self.send(output, meter, Flags::ABORT, 0, &[]) {
                return;
            }
        }
        self.state = State::Resting { until };
    }

    /// Sends the next part of a dummy if one is due; whether it did. For a thread that has nothing else to do.
    pub(crate) fn step(&mut self, output: &mut Sender<AudioFrame>, meter: &Meter) -> bool {
        if !self.config.enabled || output.capacity() - output.vacant() >= FRAMES_AHEAD {
            return false;
        }
        match self.state {
            State::Resting { until } => {
                let now = meter.clock.now();
                if now < until || self.has_stopped(now) {
                    return false;
                }
                self.state = State::Sending { frames: 0, began: now };
                true
            }
            State::Sending { frames, began } => {
                let mut samples = [0i16; FRAME_SAMPLES];
                let dummy = SPEECH.chunks_exact(2 * FRAME_SAMPLES).nth(frames);
                let Some(dummy) = dummy else {
                    let (completed_before, compute_before) = self.feedback.totals();
                    if !self.send(output, meter, Flags::SPEECH_END, frames * FRAME_SAMPLES, &[]) {
                        return false;
                    }
                    self.state = State::Waiting { completed_before, compute_before, began };
                    return true;
                };
                for (sample, bytes) in samples.iter_mut().zip(dummy.chunks_exact(2)) {
                    *sample = i16::from_le_bytes([bytes[0], bytes[1]]);
                }
                let flags = if frames == 0 { Flags::SPEECH_START } else { Flags::NONE };
                let sent = self.send(output, meter, flags, 0, &samples);
                if sent {
                    self.state = State::Sending { frames: frames + 1, began };
                }
                sent
            }
            State::Waiting { completed_before, compute_before, began } => {
                let (completed, compute) = self.feedback.totals();
                if completed == completed_before {
                    return false;
                }
                // The pause after a pass keeps the share of time spent warming below the duty limit.
                let now = meter.clock.now();
                let busy = (compute - compute_before) as f64;
                let period = Duration::from_nanos((busy / self.config.duty.clamp(0.001, 1.0)) as u64);
                let until = began.after(period.max(Duration::from_millis(self.config.after_ms)));
                if self.passes == 0 {
                    // The lane is ready from here on: starting does not count as time without audio.
                    self.last_real = now;
                }
                self.passes = self.passes.wrapping_add(1).max(1);
                self.state = State::Resting { until: until.max(now) };
                true
            }
        }
    }

    /// How long ingest may sleep without missing a dummy that is due.
    pub(crate) fn due_in(&self, now: Time) -> Option<Duration> {
        match self.state {
            _ if !self.config.enabled => None,
            State::Resting { .. } if self.has_stopped(now) => None,
            State::Resting { until } => Some(until.since(now)),
            State::Sending { .. } => Some(Duration::from_micros(100)),
            State::Waiting { .. } => Some(Duration::from_millis(1)),
        }
    }

    /// Whether real audio has been away for so long that warming has ended. The first pass, which makes the lane
    /// ready, always runs.
    fn has_stopped(&self, now: Time) -> bool {
        self.passes > 0
            && self.config.stop_after_s > 0
            && now.since(self.last_real).as_secs() >= self.config.stop_after_s
    }

    fn send(
        &self,
        output: &mut Sender<AudioFrame>,
        meter: &Meter,
        flags: Flags,
        segment_samples: usize,
        samples: &[i16],
    ) -> bool {
        let Some(mut place) = output.reserve() else { return false };
        place.header = Header {
            slot: self.slot,
            flags: flags.with(Flags::WARM),
            generation: self.passes,
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
}
