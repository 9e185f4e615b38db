//! The mean of several channels, or one of them where they cancel each other out.
//!
//! A cable or a microphone of the wrong polarity turns one channel's sign: the mean is then next to silent, though
//! each channel is loud. The audio is judged in blocks of 100 ms by `r`, the power of the mean in relation to what
//! it would be if the channels had nothing in common: 1 for different speakers, the channel count for equal
//! channels, 0 for opposite phase. One block with `r` below 0.1, or the last second with `r` below 0.4, and the
//! louder channel is taken, until the last second is above 0.7. Each block is judged before it is given out, so that
//! no word is lost at the change, and changes are faded over 10 ms.
//!
//! Powers are measured behind a high-pass filter: mains hum that is common to the channels says nothing of the voice.

use super::error::Place;
use super::warning::{Oddity, Warnings};

/// Blocks per second.
const BLOCKS_PER_SECOND: u32 = 10;

/// The most samples in a block: beyond 13 channels at 192 kHz, for one, blocks are shorter.
const MAX_BLOCK_SAMPLES: usize = 1 << 18;

/// The fade between two ways to mix, as a part of a second.
const FADES_PER_SECOND: u32 = 100;

/// What a block leaves of the evidence before it: a memory of about a second.
const MEMORY: f64 = 0.9;

/// The power (of full scale ±1.0) up to which audio is taken for silence that proves nothing: -120 dB.
const SILENCE: f64 = 1e-12;

/// The power from which a block is loud enough to be warned about before the end of the file: -60 dB.
const LOUD: f64 = 1e-6;

/// How many loud blocks cancel, without a break, before there is a warning. A pair of microphones some way apart
/// cancels a vowel now and then, which is nothing to warn about.
const WARN_BLOCKS: u32 = 10;

/// What a block leaves of the power before it, of which most must cancel before there is a warning: ten seconds.
const WARN_MEMORY: f64 = 0.99;

const ENTER_BLOCK: f64 = 0.1;
const ENTER_MEMORY: f64 = 0.4;
const LEAVE_MEMORY: f64 = 0.7;

/// How much more power another channel must have to be taken instead.
const LOUDER: f64 = 2.0;

/// Below this frequency in Hz, sound counts for less and less when it is judged: hum, and constant offsets.
const HUM_HZ: f64 = 150.0;

/// What is left in a filter that is as good as nothing: zero is faster to work with.
const NOTHING: f64 = 1e-30;

/// Mixes interleaved channels down to one. What comes out depends on the samples alone, not on how they are split.
pub(super) struct Downmix {
    channels: usize,
    rate: u32,
    /// Samples of a block that is not yet whole.
    block: Vec<f32>,
    /// The channel that is taken in place of the mean.
    choice: Option<usize>,
    memory: Power,
    /// For each channel.
    filters: Vec<HighPass>,
    /// Frames given out.
    given: u64,
    canceled: Canceled,
}

/// Power without its constant part: of each channel, and of their mean.
struct Power {
    channels: Vec<f64>,
    mean: f64,
}

/// What there is to warn about.
#[derive(Default)]
struct Canceled {
    /// Where the last stretch of blocks that cancel began, and how many of them were loud.
    start: Option<(Oddity, Place)>,
    loud_blocks: u32,
    /// Power of blocks that cancel, and of all.
    power: f64,
    all_power: f64,
    is_warned: bool,
}

impl Downmix {
    /// For audio with `channels` ≥ 1, `start` frames into a file.
    pub(super) fn new(rate: u32, channels: usize, start: u64) -> Self {
        let memory = Power { channels: vec![0.0; channels], mean: 0.0 };
        Downmix {
            channels,
            rate,
            block: Vec::new(),
            choice: None,
            memory,
            filters: vec![HighPass::new(rate); channels],
            given: start,
            canceled: Canceled::default(),
        }
    }

    /// Takes whole frames; appends to `out` what has been judged.
    pub(super) fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>, warnings: &mut Warnings) {
        let frames = (self.rate / BLOCKS_PER_SECOND) as usize;
        let whole = frames.min(MAX_BLOCK_SAMPLES / self.channels) * self.channels;
        while !samples.is_empty() {
            let (part, rest) = samples.split_at(samples.len().min(whole - self.block.len()));
            self.block.extend_from_slice(part);
            samples = rest;
            if self.block.len() == whole {
                self.mix(out, warnings);
            }
        }
    }

    /// Appends the rest.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>, warnings: &mut Warnings) {
        if !self.block.is_empty() {
            self.mix(out, warnings);
        }
        self.canceled.warn(warnings);
    }

    fn mix(&mut self, out: &mut Vec<f32>, warnings: &mut Warnings) {
        let block = std::mem::take(&mut self.block);
        let frames = block.len() / self.channels;
        let before = self.choice;
        // Too few frames prove nothing.
        if frames >= (self.rate / FADES_PER_SECOND) as usize {
            let mut filtered = block.clone();
            for frame in filtered.chunks_exact_mut(self.channels) {
                for (sample, filter) in frame.iter_mut().zip(&mut self.filters) {
                    *sample = filter.next(f64::from(*sample)) as f32;
                }
            }
            let now = Power::of(&filtered, self.channels);
            self.judge(&now);
            self.note(&now, before.is_none(), warnings);
        }
        let fade = if self.given == 0 || before == self.choice { 0 } else { self.rate / FADES_PER_SECOND };
        for (i, frame) in block.chunks_exact(self.channels).enumerate() {
            let new = take(frame, self.choice);
            let share = (i as f32 + 0.5) / fade as f32;
            out.push(if share < 1.0 { take(frame, before) * (1.0 - share) + new * share } else { new });
        }
        self.given += frames as u64;
        self.block = block;
        self.block.clear();
    }

    /// Chooses how the block is mixed.
    fn judge(&mut self, now: &Power) {
        self.memory.add(now);
        let is_opposite = now.ratio().is_some_and(|ratio| ratio < ENTER_BLOCK);
        let limit = if self.choice.is_some() { LEAVE_MEMORY } else { ENTER_MEMORY };
        // Where all is silent it stays as it was.
        let was_opposite = self.memory.ratio().map_or(self.choice.is_some(), |ratio| ratio < limit);
        self.choice = (is_opposite || was_opposite).then(|| self.memory.louder(self.choice));
    }

    fn note(&mut self, now: &Power, was_mean: bool, warnings: &mut Warnings) {
        let power = now.all();
        let canceled = &mut self.canceled;
        canceled.all_power = canceled.all_power * WARN_MEMORY + power;
        canceled.power *= WARN_MEMORY;
        let Some(choice) = self.choice else { return };
        canceled.power += power;
        if was_mean {
            let place = Place::Time(self.given as f64 / f64::from(self.rate));
            canceled.start = Some((Oddity::OppositePhase { channel: choice + 1 }, place));
            canceled.loud_blocks = 0;
        }
        canceled.loud_blocks += u32::from(power > LOUD);
        if canceled.loud_blocks >= WARN_BLOCKS {
            canceled.warn(warnings);
        }
    }
}

impl Canceled {
    /// Warns once a file, if most of the power cancels.
    fn warn(&mut self, warnings: &mut Warnings) {
        if let Some((problem, place)) =
            self.start.clone().filter(|_| !self.is_warned && self.power > self.all_power / 2.0)
        {
            warnings.push(problem, place);
            self.is_warned = true;
        }
    }
}

impl Power {
    fn of(block: &[f32], channels: usize) -> Power {
        let frames = (block.len() / channels) as f64;
        let variance = |values: &mut dyn Iterator<Item = f64>| {
            let (sum, squares) = values.fold((0.0, 0.0), |(sum, squares), v| (sum + v, squares + v * v));
            (squares / frames - (sum / frames).powi(2)).max(0.0)
        };
        let channel = |c| variance(&mut block.iter().skip(c).step_by(channels).map(|&s| f64::from(s)));
        let mean = variance(&mut block.chunks_exact(channels).map(|frame| f64::from(take(frame, None))));
        Power { channels: (0..channels).map(channel).collect(), mean }
    }

    fn add(&mut self, now: &Power) {
        for (sum, power) in self.channels.iter_mut().zip(&now.channels) {
            *sum = *sum * MEMORY + power;
        }
        self.mean = self.mean * MEMORY + now.mean;
    }

    /// The mean of the channels' powers.
    fn all(&self) -> f64 {
        self.channels.iter().sum::<f64>() / self.channels.len() as f64
    }

    /// See the head of the file. `None` in silence.
    fn ratio(&self) -> Option<f64> {
        (self.all() > SILENCE).then(|| self.mean * self.channels.len() as f64 / self.all())
    }

    /// The channel with the most power: `current` unless another has much more.
    fn louder(&self, current: Option<usize>) -> usize {
        let best = (0..self.channels.len())
            .fold(0, |best, c| if self.channels[c] > self.channels[best] { c } else { best });
        match current {
            Some(current) if self.channels[best] <= self.channels[current] * LOUDER => current,
            _ => best,
        }
    }
}

/// Two high-pass filters of the first order, one behind the other.
#[derive(Clone, Debug)]
struct HighPass {
    factor: f64,
    /// What went into the first filter last, and what came out of both.
    last: Option<f64>,
    out: [f64; 2],
}

impl HighPass {
    fn new(rate: u32) -> HighPass {
        let factor = (-std::f64::consts::TAU * HUM_HZ / f64::from(rate)).exp();
        HighPass { factor, last: None, out: [0.0; 2] }
    }

    fn next(&mut self, sample: f64) -> f64 {
        // An offset is there from the start: it is no step.
        let last = self.last.replace(sample).unwrap_or(sample);
        let keep = |value: f64| if value.abs() < NOTHING { 0.0 } else { value };
        let first = keep(self.factor * (self.out[0] + sample - last));
        let second = keep(self.factor * (self.out[1] + first - self.out[0]));
        self.out = [first, second];
        second
    }
}

fn take(frame: &[f32], choice: Option<usize>) -> f32 {
    match choice {
        Some(channel) => frame[channel],
        None => frame.iter().sum::<f32>() / frame.len() as f32,
    }
}
