//! The toy's network: loudness of eight parts of 20 ms → 16 hidden values → the likeliest of eight tokens; the same token is
//! said once in a row. In the language `b` the tokens have other numbers.

use std::sync::Arc;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::decode::DecodeOptions;
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::{Hypothesis, Token};
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Limits, Model, ModelInfo, Request, Slot};
use voxlane_models::team::Team;

const FRAME: usize = 320;
const INPUTS: usize = 8;
const HIDDEN: usize = 16;
const TOKENS: usize = 8;
const WEIGHTS: usize = HIDDEN * (INPUTS + 1) + TOKENS * (HIDDEN + 1);
const MAX_SAMPLES: usize = 30 * 16_000;
/// Of a file, in bytes.
pub const SIZE: usize = 4 * WEIGHTS;

/// What is added to a token's number in the language `b`.
const IN_B: u32 = 100;

/// Two layers, each row with its offset at the end.
pub struct Weights(Vec<f32>);

impl Weights {
    /// From a file's little-endian numbers.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let numbers = bytes.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number)).collect();
        (bytes.len() == SIZE).then_some(Weights(numbers))
    }

    fn layer(rows: &[f32], input: &[f32]) -> Vec<f32> {
        let row = |row: &[f32]| row.iter().zip(input).map(|(weight, value)| weight * value).sum::<f32>();
        rows.chunks(input.len() + 1).map(|weights| row(weights) + weights[input.len()]).collect()
    }

    fn hidden(&self, samples: &[i16]) -> Vec<f32> {
        let loudness = |part: &[i16]| part.iter().map(|&sample| f32::from(sample).abs()).sum::<f32>().ln_1p();
        let input: Vec<f32> = samples.chunks(FRAME / INPUTS).map(loudness).collect();
        let rows = &self.0[..HIDDEN * (INPUTS + 1)];
        Self::layer(rows, &input).into_iter().map(|value| value.max(0.0)).collect()
    }

    fn token(&self, hidden: &[f32]) -> u32 {
        let logits = Self::layer(&self.0[HIDDEN * (INPUTS + 1)..], hidden);
        (0..TOKENS).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as u32
    }
}

/// What the network says of `samples`, computed in one go.
pub fn reference(weights: &Weights, samples: &[i16]) -> Vec<u32> {
    let frames = samples.chunks_exact(FRAME);
    let mut tokens: Vec<u32> = frames.map(|frame| weights.token(&weights.hidden(frame))).collect();
    tokens.dedup();
    tokens
}

/// The network as lanes run it.
pub struct Toy(pub Arc<Weights>);

/// A segment's samples, and what the encoder makes of them.
#[derive(Default)]
pub struct Span {
    samples: Vec<i16>,
    hidden: Vec<Vec<f32>>,
}

pub struct ToyFrontEnd {
    slots: Vec<Vec<i16>>,
    pass: (Slot, usize),
}

pub struct ToyEncoder(Arc<Weights>);

pub struct ToyDecoder {
    weights: Arc<Weights>,
    slots: Vec<Hypothesis>,
    options: Vec<Option<Arc<DecodeOptions>>>,
    slot: Slot,
}

impl Model for Toy {
    type Span = Span;
    type FrontEnd = ToyFrontEnd;
    type Encoder = ToyEncoder;
    type Decoder = ToyDecoder;

    fn info(&self) -> ModelInfo {
        let mut info = ModelInfo::new(Limits {
            sample_rate: 16_000,
            min_segment_samples: FRAME,
            max_segment_samples: MAX_SAMPLES,
            max_segment_tokens: MAX_SAMPLES / FRAME,
        });
        info.languages = &["a", "b"];
        info
    }

    fn span(&self) -> Span {
        Span::default()
    }

    fn front_end(&self, slots: usize) -> ToyFrontEnd {
        ToyFrontEnd { slots: vec![Vec::new(); slots], pass: (0, 0) }
    }

    fn encoder(&self, _: usize, _: Team) -> ToyEncoder {
        ToyEncoder(Arc::clone(&self.0))
    }

    fn decoder(&self, slots: usize) -> ToyDecoder {
        let hypothesis = Hypothesis::with_capacity(MAX_SAMPLES / FRAME);
        let (weights, options) = (Arc::clone(&self.0), vec![None; slots]);
        ToyDecoder { weights, slots: vec![hypothesis; slots], options, slot: 0 }
    }
}

impl FrontEnd for ToyFrontEnd {
    type Span = Span;

    fn push(&mut self, slot: Slot, samples: &[i16], _: &mut Faults) {
        self.slots[slot].extend_from_slice(samples);
    }

    fn is_ready(&self, _: Slot) -> bool {
        false
    }

    fn begin(&mut self, slot: Slot, samples: usize, _: Goal) {
        self.pass = (slot, samples);
    }

    fn step(&mut self, span: &mut Span, _: &Budget, _: &mut Faults) -> Progress {
        let (slot, samples) = self.pass;
        span.samples.clear();
        span.samples.extend_from_slice(&self.slots[slot][..samples]);
        Progress::Done
    }

    fn reset(&mut self, slot: Slot) {
        self.slots[slot].clear();
    }
}

impl Encoder for ToyEncoder {
    type Span = Span;

    fn begin(&mut self, _: Slot, span: &mut Span) {
        span.hidden.clear();
    }

    fn step(&mut self, span: &mut Span, budget: &Budget, _: &mut Faults) -> Progress {
        for frame in span.samples.chunks_exact(FRAME).skip(span.hidden.len()) {
            span.hidden.push(self.0.hidden(frame));
            if budget.is_spent() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn reset(&mut self, _: Slot) {}
}

impl Decoder for ToyDecoder {
    type Span = Span;

    fn begin(&mut self, slot: Slot, _: &mut Span, _: Request) {
        self.slot = slot;
        self.slots[slot].clear();
    }

    fn step(&mut self, span: &mut Span, _: &Budget, _: &mut Faults) -> Progress {
        let language = self.options[self.slot].as_ref().and_then(|options| options.language);
        let offset = if language == Some("b") { IN_B } else { 0 };
        let (hypothesis, mut last) = (&mut self.slots[self.slot], None);
        for (number, hidden) in span.hidden.iter().enumerate() {
            let token = self.weights.token(hidden);
            if last.replace(token) != Some(token) {
                let start = (number * FRAME) as u32;
                let (id, end) = (token + offset, start + FRAME as u32);
                hypothesis.push(Token { id, log_prob: 0.0, start, end });
            }
        }
        Progress::Done
    }

    fn set_options(&mut self, slot: Slot, options: Option<Arc<DecodeOptions>>) -> Option<Arc<DecodeOptions>> {
        std::mem::replace(&mut self.options[slot], options)
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        &self.slots[slot]
    }

    fn reset(&mut self, slot: Slot) {
        self.slots[slot].clear();
    }
}
