//! A look at a turn, in units.

use super::attention::{Attention, PANELS, UNITS};
use super::blocks::Frames;
use super::network::{Network, SmartTurn};
use super::wave;
use crate::budget::{Budget, Progress};
use crate::buffer::Buffer;
use crate::frontends::whisper_log_mel::{EDGE_SAMPLES, WhisperLogMel, feature, reflect};
use crate::layers::static_grid::GridLinear;
use crate::networks::smart_turn::{CLASSES, FRAMES, HEADS, LAYERS, MELS, POSITIONS, TURN_SAMPLES, WIDTH};
use std::sync::Arc;
use voxlane_kernels::activation::{gelu_in_steps, sigmoid};
use voxlane_kernels::gemm::PANEL;
use voxlane_kernels::gemm::i8::QuantizedRows;
use voxlane_kernels::grid::{Function, requantize, restore, round};
use voxlane_kernels::norm::layer_norm_in_eights;
use voxlane_kernels::rows::{Rows, RowsMut};

/// Frames of the front end that are made in one unit.
const UNIT_FRAMES: usize = 80;

/// [`SmartTurn`](super::SmartTurn) with the working memory of one look. Nothing allocates after construction.
pub struct TurnDetector {
    network: Arc<Network>,
    /// The samples of the look, reflected at both ends.
    wave: Buffer,
    mean: f32,
    deviation: f32,
    logarithms: Buffer<f64>,
    largest: f64,
    double_scratch: Buffer<f64>,
    frames: Frames,
    attention: Attention,
    logits: Buffer,
    pooled: Buffer,
    probability: f32,
    stage: Stage,
    /// The next unit of the stage.
    unit: usize,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Mean,
    Deviation,
    Normalize,
    Logarithms,
    Features,
    First,
    Second,
    /// A layer up to attention.
    Before(usize),
    Attention(usize),
    Output(usize),
    Widen(usize),
    Narrow(usize),
    Pool,
    Classify,
    Done,
}

impl Stage {
    /// How many units it has.
    fn units(self) -> usize {
        match self {
            Stage::Logarithms | Stage::Features => FRAMES / UNIT_FRAMES,
            Stage::First => FRAMES / PANEL,
            Stage::Second | Stage::Before(_) | Stage::Output(_) | Stage::Widen(_) => PANELS,
            Stage::Narrow(_) | Stage::Pool => PANELS,
            Stage::Attention(_) => HEADS * UNITS,
            Stage::Mean | Stage::Deviation | Stage::Normalize | Stage::Classify => 1,
            Stage::Done => 0,
        }
    }

    fn next(self) -> Stage {
        match self {
            Stage::Mean => Stage::Deviation,
            Stage::Deviation => Stage::Normalize,
            Stage::Normalize => Stage::Logarithms,
            Stage::Logarithms => Stage::Features,
            Stage::Features => Stage::First,
            Stage::First => Stage::Second,
            Stage::Second => Stage::Before(0),
            Stage::Before(layer) => Stage::Attention(layer),
            Stage::Attention(layer) => Stage::Output(layer),
            Stage::Output(layer) => Stage::Widen(layer),
            Stage::Widen(layer) => Stage::Narrow(layer),
            Stage::Narrow(layer) if layer + 1 < LAYERS => Stage::Before(layer + 1),
            Stage::Narrow(_) => Stage::Pool,
            Stage::Pool => Stage::Classify,
            Stage::Classify | Stage::Done => Stage::Done,
        }
    }
}

impl SmartTurn {
    /// A detector with its working memory, which is taken now: 4.1 MB.
    pub fn detector(&self) -> TurnDetector {
        let network = self.network();
        TurnDetector {
            wave: Buffer::zeros(TURN_SAMPLES + 2 * EDGE_SAMPLES),
            mean: 0.0,
            deviation: 1.0,
            logarithms: Buffer::zeros(FRAMES * MELS),
            largest: f64::NEG_INFINITY,
            double_scratch: Buffer::zeros(WhisperLogMel::scratch_len()),
            frames: Frames::new(&network),
            attention: Attention::new(),
            logits: Buffer::zeros(POSITIONS),
            pooled: Buffer::zeros(WIDTH),
            probability: 0.0,
            stage: Stage::Done,
            unit: 0,
            network,
        }
    }
}

impl TurnDetector {
    /// Starts a look at the newest [`TURN_SAMPLES`] of `samples` (16 kHz), which are copied: the turn so far, not the
    /// silence before it. A look in flight is dropped.
    pub fn begin(&mut self, samples: &[i16]) {
        let newest = &samples[samples.len().saturating_sub(TURN_SAMPLES)..];
        wave::place(newest, &mut self.wave[EDGE_SAMPLES..][..TURN_SAMPLES]);
        self.largest = f64::NEG_INFINITY;
        (self.stage, self.unit) = (Stage::Mean, 0);
    }

    /// Goes on with the look, in units of less than 100 µs on a core of the machines that the engine is built for.
    pub fn step(&mut self, budget: &Budget) -> Progress {
        while self.stage != Stage::Done {
            self.run_unit();
            self.unit += 1;
            if self.unit == self.stage.units() {
                (self.stage, self.unit) = (self.stage.next(), 0);
            }
            if self.stage != Stage::Done && budget.is_spent() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    /// How likely the turn is complete, from 0 to 1: the result of the last look that [`step`](TurnDetector::step) has
    /// done with; 0 before the first.
    pub fn probability(&self) -> f32 {
        self.probability
    }

    fn run_unit(&mut self) {
        let (network, unit) = (&*self.network, self.unit);
        let wave = &mut self.wave[EDGE_SAMPLES..][..TURN_SAMPLES];
        match self.stage {
            Stage::Mean => self.mean = wave::mean(wave),
            Stage::Deviation => self.deviation = wave::deviation(wave, self.mean),
            Stage::Normalize => {
                wave::normalize(wave, self.mean, self.deviation);
                reflect(&mut self.wave);
            }
            Stage::Logarithms => {
                let out = &mut self.logarithms[unit * UNIT_FRAMES * MELS..][..UNIT_FRAMES * MELS];
                let (first, scratch) = (unit * UNIT_FRAMES, &mut self.double_scratch);
                let largest = network.front_end.logarithms(&self.wave, first, scratch, out);
                self.largest = self.largest.max(largest);
            }
            Stage::Features => self.round_features(),
            Stage::First => self.frames.first(network, unit),
            Stage::Second => self.frames.second(network, unit),
            Stage::Before(layer) => self.frames.before(&network.layers[layer], unit, &mut self.attention),
            Stage::Attention(layer) => {
                self.attention.unit(&network.layers[layer], unit / UNITS, unit % UNITS)
            }
            Stage::Output(layer) => self.frames.output(&network.layers[layer], unit, &self.attention),
            Stage::Widen(layer) => self.frames.widen(&network.layers[layer], unit),
            Stage::Narrow(layer) => self.frames.narrow(&network.layers[layer], unit, layer + 1 == LAYERS),
            Stage::Pool => self.frames.pool(network, unit, &mut self.logits[unit * PANEL..][..PANEL]),
            Stage::Classify => self.classify(),
            Stage::Done => {}
        }
    }

    /// Rounds the features of one unit.
    fn round_features(&mut self) {
        let first = self.unit * UNIT_FRAMES * MELS;
        let logarithms = &self.logarithms[first..][..UNIT_FRAMES * MELS];
        let out = &mut self.frames.features_mut()[first..][..UNIT_FRAMES * MELS];
        let mut features = [0.0; MELS];
        for (logarithms, out) in logarithms.chunks_exact(MELS).zip(out.chunks_exact_mut(MELS)) {
            for (feature, &logarithm) in features.iter_mut().zip(logarithms) {
                *feature = self::feature(logarithm, self.largest);
            }
            round(&features, self.network.features, out);
        }
    }

    /// The weighted mean of all frames, and the classifier.
    fn classify(&mut self) {
        let network = &*self.network;
        softmax(&mut self.logits);
        self.pooled.fill(0.0);
        for (frame, &share) in self.frames.pooled().chunks_exact(WIDTH).zip(&*self.logits) {
            for (sum, &byte) in self.pooled.iter_mut().zip(frame) {
                *sum += network.frames.value(byte) * share;
            }
        }
        let ([first, second, third], inputs) = (&network.classifier, network.classifier_inputs);
        let (mut rounded, mut steps) = ([0; WIDTH], [0.0; CLASSES[0]]);
        round(&self.pooled, inputs[0], &mut rounded);
        product(first, &rounded, &mut steps);

        let mut hidden = [0.0; CLASSES[0]];
        restore(Rows::one(&steps), first.to(), None, Function::None, CLASSES[0], RowsMut::one(&mut hidden));
        let mut normed = [0.0; CLASSES[0]];
        let norm = &network.classifier_norm;
        let (weight, bias, out) = (&norm.weight, &norm.bias, RowsMut::one(&mut normed));
        layer_norm_in_eights(Rows::one(&hidden), weight, bias, norm.epsilon, out);
        gelu_in_steps(&mut normed);
        round(&normed, inputs[1], &mut rounded[..CLASSES[0]]);

        product(second, &rounded[..CLASSES[0]], &mut steps[..CLASSES[1]]);
        let mut active = [0; CLASSES[1]];
        requantize(
            Rows::one(&steps[..CLASSES[1]]),
            second.to(),
            None,
            Function::Gelu,
            inputs[2],
            &mut active,
        );
        product(third, &active, &mut steps[..1]);
        let mut logit = [0.0];
        restore(Rows::one(&steps[..1]), third.to(), None, Function::None, 1, RowsMut::one(&mut logit));
        sigmoid(&mut logit);
        self.probability = logit[0];
    }
}

/// `exp(x - max) / sum(exp(x - max))`.
fn softmax(x: &mut [f32]) {
    let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    x.iter_mut().for_each(|x| *x = (*x - largest).exp());
    let factor = 1.0 / x.iter().sum::<f32>();
    x.iter_mut().for_each(|x| *x *= factor);
}

/// The product of one row, as steps.
fn product(layer: &GridLinear, row: &[u8], steps: &mut [f32]) {
    layer.apply(&QuantizedRows::new(row, &[1.0], row.len(), row.len()), RowsMut::one(steps));
}
