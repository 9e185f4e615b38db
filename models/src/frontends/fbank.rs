//! Samples → features, as torchaudio's `RNNTBundle` makes them, while the audio comes.
//!
//! A frame is 400 samples around its center; centers lie 160 samples apart, the first on the first sample. What a
//! window lacks at an edge is reflected there, without repeating the edge itself: before the first sample stand the
//! second, the third and so on; behind the last sample of a closed segment stand the last but one and those before
//! it. So the first two frames wait for samples that come anyway, a frame is sent as soon as its last sample has
//! come, and only the last two frames of a segment know that it ended: chunked equals offline, to the bit.
//!
//! Mel energies (HTK scale, peaks of one), times 32767², become `ln x` above e and `x / e` below; then mean and
//! inverse deviation of each feature.

use crate::budget::{Budget, Progress};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::formats::packed::{Packed, PackedError, Reader, Stored, Writer};
use crate::model::{Goal, Slot};
use crate::networks::emformer::config::{Config, HOP_SAMPLES, SAMPLE_RATE_HZ, WINDOW_SAMPLES};
use crate::networks::emformer::span::EmformerSpan;
use std::sync::Arc;
use voxlane_kernels::convert;
use voxlane_kernels::fft::Plan;
use voxlane_kernels::mel::{Compression, FilterBank, MelScale, Spectrogram, Triangle, log_mel, scratch_len};
use voxlane_kernels::rows::Rows;

/// Samples of a window on either side of its center.
const HALF: usize = WINDOW_SAMPLES / 2;
/// Frames made in one unit: less than 100 µs.
const UNIT_FRAMES: usize = 32;
/// The square root of the gain that energies are multiplied by.
const AMPLITUDE: f64 = 32_767.0;
/// Energies below this are nothing.
const FLOOR: f32 = 1e-30;

/// Tables of the front end.
#[derive(Debug)]
pub(crate) struct Mel {
    window: Vec<f32>,
    plan: Vec<f32>,
    triangles: Vec<Triangle>,
    weights: Vec<f32>,
    mean: Stored<f32>,
    inverse_deviation: Stored<f32>,
}

impl Mel {
    pub(crate) fn new(mean: Stored<f32>, inverse_deviation: Stored<f32>) -> Self {
        let mels = mean.len();
        let angle = |i: usize| std::f64::consts::TAU * i as f64 / WINDOW_SAMPLES as f64;
        let window = (0..WINDOW_SAMPLES).map(|i| (AMPLITUDE * (0.5 - 0.5 * angle(i).cos())) as f32).collect();
        // 400 = 2 · 200, and 200 has no prime factor above five.
        let mut plan = vec![0.0; Plan::table_len(WINDOW_SAMPLES).unwrap_or_default()];
        Plan::fill(WINDOW_SAMPLES, &mut plan);
        let bank = FilterBank {
            sample_rate: f64::from(SAMPLE_RATE_HZ),
            size: WINDOW_SAMPLES,
            mels,
            min_hz: 0.0,
            max_hz: f64::from(SAMPLE_RATE_HZ) / 2.0,
            scale: MelScale::Htk,
            unit_area: false,
        };
        let mut triangles = vec![Triangle::default(); mels];
        let mut weights = vec![0.0; bank.weights_len()];
        let used = bank.fill(&mut triangles, &mut weights);
        weights.truncate(used);
        Mel { window, plan, triangles, weights, mean, inverse_deviation }
    }

    fn spectrogram(&self) -> Spectrogram<'_> {
        Spectrogram {
            window: &self.window,
            plan: Plan::new(WINDOW_SAMPLES, &self.plan),
            triangles: &self.triangles,
            weights: &self.weights,
            compression: Compression { floor: FLOOR, offset: 0.0, scale: 1.0 },
        }
    }

    /// From the logarithms of energies.
    fn finish(&self, row: &mut [f32]) {
        let statistics = self.mean.iter().zip(&*self.inverse_deviation);
        for (value, (mean, scale)) in row.iter_mut().zip(statistics) {
            // Up to e, `x / e`.
            let energy = if *value > 1.0 { *value } else { (*value - 1.0).exp() };
            *value = (energy - mean) * scale;
        }
    }
}

impl Packed for Mel {
    fn save(&self, writer: &mut Writer) {
        self.mean.save(writer);
        self.inverse_deviation.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let (mean, inverse_deviation) = (Stored::load(reader)?, Stored::<f32>::load(reader)?);
        if mean.len() != inverse_deviation.len() {
            return Err(PackedError::Fields("the statistics of features differ in number"));
        }
        Ok(Mel::new(mean, inverse_deviation))
    }
}

impl Mel {
    /// Features of a frame.
    pub(crate) fn features(&self) -> usize {
        self.mean.len()
    }
}

/// The front end, with the audio of its slots that is not yet features.
pub struct FbankFrontEnd {
    mel: Arc<Mel>,
    config: Config,
    slots: Vec<SlotState>,
    pass: FbankPass,
    /// The samples of one unit, edges reflected.
    staged: Buffer,
    scratch: Buffer,
}

#[derive(Clone)]
struct SlotState {
    /// The samples from `kept` on.
    samples: Buffer<i16>,
    kept: usize,
    /// Samples pushed.
    total: usize,
    /// Frames sent.
    sent: usize,
}

/// What is being sent.
#[derive(Clone, Copy, Debug, Default)]
struct FbankPass {
    slot: Slot,
    /// Samples of the segment, which ends there.
    end: Option<usize>,
    first: usize,
    frames: usize,
    done: usize,
}

impl FbankFrontEnd {
    pub(crate) fn new(mel: Arc<Mel>, config: Config, slots: usize) -> Self {
        let samples = config.limits().max_segment_samples;
        let slot = SlotState { samples: Buffer::zeros(samples), kept: 0, total: 0, sent: 0 };
        FbankFrontEnd {
            pass: FbankPass::default(),
            staged: Buffer::zeros((UNIT_FRAMES - 1) * HOP_SAMPLES + WINDOW_SAMPLES),
            scratch: Buffer::zeros(scratch_len(WINDOW_SAMPLES, config.input_dim)),
            slots: vec![slot; slots],
            mel,
            config,
        }
    }

    /// How many frames of an open segment can be sent so that the encoder has whole segments with their right context.
    fn sendable(&self, state: &SlotState, samples: usize) -> usize {
        let Config { segment_length, right_context_length, .. } = self.config;
        let complete = samples.checked_sub(HALF).map_or(0, |before| before / HOP_SAMPLES + 1);
        let segments = complete.saturating_sub(right_context_length) / segment_length;
        if segments == 0 {
            0
        } else {
            (segments * segment_length + right_context_length).saturating_sub(state.sent)
        }
    }

    /// The next frames of the pass.
    fn unit(&mut self, span: &mut EmformerSpan) {
        let FbankPass { slot, end, first, done, frames } = self.pass;
        let state = &self.slots[slot];
        let count = UNIT_FRAMES.min(frames - done);
        let start = (first + done) * HOP_SAMPLES;
        let staged = &mut self.staged[..(count - 1) * HOP_SAMPLES + WINDOW_SAMPLES];
        state.stage(start, end.unwrap_or(state.total), staged);
        let rows = Rows::new(staged, HOP_SAMPLES, count);
        let mut out = span.features_mut(done, count);
        let width = out.stride;
        log_mel(
            rows,
            &self.mel.spectrogram(),
            &mut self.scratch,
            voxlane_kernels::rows::RowsMut::dense(out.data, width),
        );
        for row in 0..count {
            self.mel.finish(out.row(row, width));
        }
        self.pass.done += count;
    }
}

impl SlotState {
    /// Writes the samples from half a window before `start` on into `staged`, reflected before the first sample and
    /// behind the `end` of the segment.
    fn stage(&self, start: usize, end: usize, staged: &mut [f32]) {
        let at = |sample: usize| &self.samples[sample - self.kept..];
        let before = HALF.saturating_sub(start).min(staged.len());
        let (reflected, rest) = staged.split_at_mut(before);
        let first = (start + before) - HALF;
        let here = end.saturating_sub(first).min(rest.len());
        let (inside, behind) = rest.split_at_mut(here);
        convert::i16_to_f32(&at(first)[..here], inside);
        for (i, value) in reflected.iter_mut().enumerate() {
            convert::i16_to_f32(&at(HALF - start - i)[..1], std::slice::from_mut(value));
        }
        for (i, value) in behind.iter_mut().enumerate() {
            // A window reaches less than half of itself beyond the end, and a segment is longer than that.
            convert::i16_to_f32(&at(end - 2 - i)[..1], std::slice::from_mut(value));
        }
    }

    /// Forgets samples that no frame from `sent` on sees.
    fn drop_seen(&mut self) {
        let needed = (self.sent * HOP_SAMPLES).saturating_sub(HALF).min(self.total);
        // The last frames of the segment may need as much again for their reflection.
        let needed = needed.saturating_sub(HALF);
        if needed > self.kept {
            self.samples.copy_within(needed - self.kept..self.total - self.kept, 0);
            self.kept = needed;
        }
    }
}

impl crate::model::FrontEnd for FbankFrontEnd {
    type Span = EmformerSpan;

    fn push(&mut self, slot: Slot, samples: &[i16], faults: &mut Faults) {
        let state = &mut self.slots[slot];
        let room = self.config.limits().max_segment_samples - state.total;
        if samples.len() > room {
            *faults |= Faults::TOO_LONG;
        }
        let taken = &samples[..samples.len().min(room)];
        let at = state.total - state.kept;
        state.samples[at..at + taken.len()].copy_from_slice(taken);
        state.total += taken.len();
    }

    fn is_ready(&self, slot: Slot) -> bool {
        let state = &self.slots[slot];
        self.sendable(state, state.total) > 0
    }

    /// A partial sends what completes segments with their right context, a final all that is left and the end.
    /// After a final the slot must be reset before more audio is sent.
    ///
    /// What was sent is not taken back: where `samples` are fewer than the frames sent have seen, these stay. So the
    /// result is a function of the samples alone if every look at the segment was on samples that it has.
    fn begin(&mut self, slot: Slot, samples: usize, goal: Goal) {
        let state = &self.slots[slot];
        let samples = samples.min(state.total);
        let frames = match goal {
            Goal::Partial => self.sendable(state, samples),
            Goal::Final => self.config.feature_frames(samples).saturating_sub(state.sent),
        };
        let end = (goal == Goal::Final).then_some(samples);
        self.pass = FbankPass { slot, end, first: state.sent, frames, done: 0 };
    }

    fn step(&mut self, span: &mut EmformerSpan, budget: &Budget, _faults: &mut Faults) -> Progress {
        if self.pass.done == 0 {
            span.resize_features(self.pass.frames, self.pass.end.is_some());
        }
        while self.pass.done < self.pass.frames {
            self.unit(span);
            if self.pass.done < self.pass.frames && budget.is_spent() {
                return Progress::More;
            }
        }
        let state = &mut self.slots[self.pass.slot];
        if self.pass.end.is_none() {
            state.sent = self.pass.first + self.pass.frames;
            state.drop_seen();
        }
        Progress::Done
    }

    fn reset(&mut self, slot: Slot) {
        let state = &mut self.slots[slot];
        (state.kept, state.total, state.sent) = (0, 0, 0);
    }
}
