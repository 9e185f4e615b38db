//! Samples → features: audio is kept on the host until a pass, then padded, uploaded and run through the stem.

mod stem;

pub(crate) use self::stem::Stem;

use crate::budget::{Budget, Progress};
use crate::burn::span::BurnSpan;
use crate::fault::Faults;
use crate::model::{FrontEnd, Goal, Slot};
use crate::networks::moonshine::config::Config;
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Tensor, TensorData};
use std::sync::Arc;

/// One for a full-scale sample.
const FULL_SCALE: f32 = 32_768.0;

/// The front end of Moonshine on Burn. A step enqueues the stem and does not wait for it.
pub struct BurnFrontEnd<B: Backend> {
    stem: Arc<Stem<B>>,
    device: B::Device,
    config: Config,
    /// Lengths that segments are padded to, in samples, ascending.
    lengths: Arc<[usize]>,
    slots: Vec<Vec<i16>>,
    /// Slot and samples of the pass.
    pass: (Slot, usize),
}

impl<B: Backend> BurnFrontEnd<B> {
    pub(crate) fn new(
        stem: Arc<Stem<B>>,
        device: B::Device,
        config: Config,
        lengths: Arc<[usize]>,
        slots: usize,
    ) -> Self {
        let most = config.limits().max_segment_samples;
        let slots = (0..slots).map(|_| Vec::with_capacity(most)).collect();
        BurnFrontEnd { stem, device, config, lengths, slots, pass: (0, 0) }
    }
}

impl<B: Backend> FrontEnd for BurnFrontEnd<B> {
    type Span = BurnSpan<B>;

    fn push(&mut self, slot: Slot, samples: &[i16], faults: &mut Faults) {
        let segment = &mut self.slots[slot];
        let room = self.config.limits().max_segment_samples - segment.len();
        if samples.len() > room {
            *faults |= Faults::TOO_LONG;
        }
        segment.extend_from_slice(&samples[..samples.len().min(room)]);
    }

    fn is_ready(&self, _slot: Slot) -> bool {
        false
    }

    fn begin(&mut self, slot: Slot, samples: usize, _goal: Goal) {
        self.pass = (slot, samples.min(self.slots[slot].len()));
    }

    fn step(&mut self, span: &mut BurnSpan<B>, _budget: &Budget, _faults: &mut Faults) -> Progress {
        let (slot, samples) = self.pass;
        let [first, _, frames] = self.config.stem_frames(samples);
        *span = BurnSpan { hidden: None, frames, samples, place: None };
        if frames > 0 {
            let padded = self.lengths.iter().copied().find(|&length| length >= samples).unwrap_or(samples);
            let mut values = Vec::with_capacity(padded);
            values.extend(self.slots[slot][..samples].iter().map(|&sample| f32::from(sample) / FULL_SCALE));
            values.resize(padded, 0.0);
            let samples = TensorData::new(values, [padded, 1]);
            let samples = Tensor::from_data(samples, (&self.device, DType::F32));
            span.hidden = Some(self.stem.apply(samples, first));
        }
        Progress::Done
    }

    fn reset(&mut self, slot: Slot) {
        self.slots[slot].clear();
    }
}
