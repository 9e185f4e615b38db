//! Voice activity: how likely each stretch of audio holds speech.
//!
//! A detector gives a probability for every [`VOICE_FRAME_SAMPLES`] samples and decides nothing; where speech
//! starts and ends is for the caller's rules to say. [`Silero`] is a small recurrent network;
//! [`EnergyDetector`] needs no model file.

mod energy;
mod level;
mod silero;

pub use energy::EnergyDetector;
pub use level::Level;
pub use silero::{Silero, SileroDetector, SileroError};

use crate::model::Slot;

/// Samples of 16 kHz audio that one decision covers: 32 ms.
pub const VOICE_FRAME_SAMPLES: usize = 512;

/// Finds speech in the audio of each stream slot.
///
/// A probability depends on the slot's samples since its last reset and on nothing else: not on time, load or
/// other slots. After construction nothing allocates.
pub trait VoiceDetector: Send {
    /// Takes the slot's next samples and says how likely they hold speech, from 0 to 1.
    ///
    /// # Panics
    /// If the detector was made with fewer slots.
    fn step(&mut self, slot: Slot, samples: &[i16; VOICE_FRAME_SAMPLES]) -> f32;

    /// Forgets the slot's audio.
    ///
    /// # Panics
    /// If the detector was made with fewer slots.
    fn reset(&mut self, slot: Slot);
}
