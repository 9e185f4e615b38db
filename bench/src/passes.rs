//! A recording through the parts of a model on the calling thread, with the time of each part.

use crate::stopwatch::Stopwatch;
use std::time::Duration;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Token;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model};
use voxlane_models::team::Team;

/// Samples that are pushed at once: one frame of the engine.
const FRAME_SAMPLES: usize = 320;
const SLOT: usize = 0;

/// What a recording gave, and where the time went.
#[derive(Clone, Debug)]
pub struct TimedPass {
    /// The tokens, start and end tokens left out.
    pub tokens: Vec<Token>,
    /// What went wrong.
    pub faults: Faults,
    /// Taking the samples in frames of 20 ms, and what the front end does meanwhile.
    pub push: Duration,
    /// The front end's pass after the last sample.
    pub features: Duration,
    /// The encoder's pass.
    pub encoder: Duration,
    /// From the beginning of the decoder's pass to the first token: with what is done once for each segment.
    pub first_token: Duration,
    /// The rest of the decoder's pass.
    pub other_tokens: Duration,
}

impl TimedPass {
    /// All parts together.
    pub fn total(&self) -> Duration {
        self.push + self.features + self.encoder + self.first_token + self.other_tokens
    }

    /// Tokens that were predicted, the end token included.
    pub fn predictions(&self) -> usize {
        self.tokens.len() + usize::from(!self.faults.has(Faults::TOKEN_LIMIT))
    }
}

/// One lane's parts, for one recording after the other.
pub struct Passes<M: Model> {
    front_end: M::FrontEnd,
    encoder: M::Encoder,
    decoder: M::Decoder,
    span: M::Span,
    /// Each step of the decoder is one unit of work, so that its first token is seen when it comes.
    unit: Budget,
    unlimited: Budget,
}

impl<M: Model> Passes<M> {
    /// The parts of `model`, with one slot.
    pub fn new(model: &M) -> Self {
        Passes {
            front_end: model.front_end(1),
            encoder: model.encoder(1, Team::alone()),
            decoder: model.decoder(1),
            span: model.span(),
            unit: Budget::one_unit(),
            unlimited: Budget::unlimited(),
        }
    }

    /// Runs `samples` as one segment, timed by `watch`.
    pub fn run(&mut self, samples: &[i16], watch: Stopwatch) -> TimedPass {
        let Passes { front_end, encoder, decoder, span, unit, unlimited } = self;
        let mut faults = Faults::NONE;
        front_end.reset(SLOT);
        encoder.reset(SLOT);
        decoder.reset(SLOT);

        let started = watch.now();
        for frame in samples.chunks(FRAME_SAMPLES) {
            front_end.push(SLOT, frame, &mut faults);
        }
        let pushed = watch.now();
        front_end.begin(SLOT, samples.len(), Goal::Final);
        while front_end.step(span, unlimited, &mut faults) == Progress::More {}
        let has_features = watch.now();
        encoder.begin(SLOT, span);
        while encoder.step(span, unlimited, &mut faults) == Progress::More {}
        let encoded = watch.now();
        decoder.begin(SLOT, span, Goal::Final.into());
        let mut first_token = None;
        while decoder.step(span, unit, &mut faults) == Progress::More {
            if first_token.is_none() && !decoder.hypothesis(SLOT).tokens().is_empty() {
                first_token = Some(watch.now());
            }
        }
        let decoded = watch.now();
        // Without any token, the end token was the first.
        let first_token = first_token.unwrap_or(decoded);

        TimedPass {
            tokens: decoder.hypothesis(SLOT).tokens().to_vec(),
            faults,
            push: pushed - started,
            features: has_features - pushed,
            encoder: encoded - has_features,
            first_token: first_token - encoded,
            other_tokens: decoded - first_token,
        }
    }
}
