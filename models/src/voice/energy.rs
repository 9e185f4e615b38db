//! A voice detector without a model: how far the loudness is above the noise floor.
//!
//! The floor is the least of the smoothed frame energies within the last two seconds (minimum statistics:
//! Martin, "Noise power spectral density estimation based on optimal smoothing and minimum statistics", 2001,
//! in one band). Speech drops to the floor between words and syllables, steady noise stays on it.
//!
//! It finds loud sounds, whatever they are: a slamming door is speech to it. After a noise begins it takes up to
//! two seconds until the floor has followed.

use super::{VOICE_FRAME_SAMPLES, VoiceDetector};
use crate::model::Slot;

/// Frames of a block; the least energy of whole blocks is kept.
const BLOCK_FRAMES: u32 = 16;
/// Blocks that the floor looks back on: two seconds.
const BLOCKS: usize = 4;
/// How much of the last smoothed energy goes into the next: 50 ms.
const SMOOTHING: f32 = 0.5;
/// The floor of a stream that was not heard yet, in dB of full scale. A quiet room is below it, so that a
/// stream may begin with speech.
const FIRST_FLOOR_DB: f32 = -50.0;
/// The floor is never lower: fainter sounds are no speech, however much silence is around them.
const LOWEST_FLOOR_DB: f32 = -62.0;
/// Distance from the floor where speech is as likely as not.
const EVEN_DB: f32 = 9.0;
/// Distance that changes the odds by a factor of e.
const ODDS_DB: f32 = 1.5;
/// Pre-emphasis: hum and offsets weigh little, consonants much.
const EMPHASIS: f32 = 0.95;

/// The detector with the state of its slots.
#[derive(Clone, Debug)]
pub struct EnergyDetector {
    slots: Vec<SlotState>,
}

#[derive(Clone, Debug)]
struct SlotState {
    last_sample: f32,
    /// Smoothed energy of a sample, as a share of full scale.
    energy: f32,
    /// Least smoothed energy of the last whole blocks, in no order.
    blocks: [f32; BLOCKS],
    /// The block to be replaced next.
    next_block: usize,
    /// Least smoothed energy of the block that is under way, and its frames.
    block: f32,
    block_frames: u32,
}

impl SlotState {
    fn new() -> Self {
        let floor = power(FIRST_FLOOR_DB);
        SlotState {
            last_sample: 0.0,
            energy: floor,
            blocks: [floor; BLOCKS],
            next_block: 0,
            block: f32::INFINITY,
            block_frames: 0,
        }
    }

    fn step(&mut self, samples: &[i16; VOICE_FRAME_SAMPLES]) -> f32 {
        let mut sum = 0.0;
        for &sample in samples {
            let sample = f32::from(sample) / 32768.0;
            sum += (sample - EMPHASIS * self.last_sample).powi(2);
            self.last_sample = sample;
        }
        let energy = sum / VOICE_FRAME_SAMPLES as f32;
        self.energy = SMOOTHING * self.energy + (1.0 - SMOOTHING) * energy;
        self.block = self.block.min(self.energy);
        let floor = self.blocks.iter().fold(self.block, |least, &block| least.min(block));
        self.block_frames += 1;
        if self.block_frames == BLOCK_FRAMES {
            self.blocks[self.next_block] = self.block;
            self.next_block = (self.next_block + 1) % BLOCKS;
            (self.block, self.block_frames) = (f32::INFINITY, 0);
        }
        // The frame's own energy, unless it is a short dip in something louder.
        let above = decibels(energy.max(self.energy)) - decibels(floor).max(LOWEST_FLOOR_DB);
        1.0 / (1.0 + ((EVEN_DB - above) / ODDS_DB).exp())
    }
}

fn power(decibels: f32) -> f32 {
    10f32.powf(decibels / 10.0)
}

fn decibels(power: f32) -> f32 {
    10.0 * power.max(f32::MIN_POSITIVE).log10()
}

impl EnergyDetector {
    /// A detector with `slots` states.
    pub fn new(slots: usize) -> Self {
        EnergyDetector { slots: vec![SlotState::new(); slots] }
    }
}

impl VoiceDetector for EnergyDetector {
    fn step(&mut self, slot: Slot, samples: &[i16; VOICE_FRAME_SAMPLES]) -> f32 {
        self.slots[slot].step(samples)
    }

    fn reset(&mut self, slot: Slot) {
        self.slots[slot] = SlotState::new();
    }
}
