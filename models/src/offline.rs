//! Whole recordings at once, from the same parts that run live.

use crate::budget::{Budget, Progress};
use crate::fault::Faults;
use crate::hypothesis::Token;
use crate::model::{Decoder, Encoder, FrontEnd, Goal, Model};
use crate::team::Team;

/// The tokens of `samples` as one segment, and what went wrong.
///
/// Allocates the parts of a lane for each call. Samples past the longest segment are dropped and flagged.
///
/// # Examples
/// ```
/// use voxlane_models::model::Model;
/// use voxlane_models::offline::transcribe_tokens;
///
/// fn count_tokens<M: Model>(model: &M, samples: &[i16]) -> usize {
///     let (tokens, _faults) = transcribe_tokens(model, samples);
///     tokens.len()
/// }
/// ```
pub fn transcribe_tokens<M: Model>(model: &M, samples: &[i16]) -> (Vec<Token>, Faults) {
    Transcriber::new(model).transcribe(samples)
}

/// One lane's parts, for one recording after the other on the calling thread.
pub struct Transcriber<M: Model> {
    front_end: M::FrontEnd,
    encoder: M::Encoder,
    decoder: M::Decoder,
    span: M::Span,
}

impl<M: Model> Transcriber<M> {
    /// The parts of `model`, with one slot.
    pub fn new(model: &M) -> Self {
        Transcriber {
            front_end: model.front_end(1),
            encoder: model.encoder(1, Team::alone()),
            decoder: model.decoder(1),
            span: model.span(),
        }
    }

    /// The tokens of `samples` as one segment, and what went wrong.
    pub fn transcribe(&mut self, samples: &[i16]) -> (Vec<Token>, Faults) {
        const SLOT: usize = 0;
        let Transcriber { front_end, encoder, decoder, span } = self;
        let (budget, mut faults) = (Budget::unlimited(), Faults::NONE);
        front_end.reset(SLOT);
        encoder.reset(SLOT);
        decoder.reset(SLOT);
        front_end.push(SLOT, samples, &mut faults);
        front_end.begin(SLOT, samples.len(), Goal::Final);
        while front_end.step(span, &budget, &mut faults) == Progress::More {}
        encoder.begin(SLOT, span);
        while encoder.step(span, &budget, &mut faults) == Progress::More {}
        decoder.begin(SLOT, span, Goal::Final.into());
        while decoder.step(span, &budget, &mut faults) == Progress::More {}
        (decoder.hypothesis(SLOT).tokens().to_vec(), faults)
    }
}
