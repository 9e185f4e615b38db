//! Decode strategies: how the predictions of a network become tokens. Each is a type, chosen once.

mod beam;
pub mod coverage;
mod ctc_beam;
mod ctc_greedy;
mod greedy;
mod greedy_slot;
mod guard;
mod hotwords;
mod kind;
mod options;
mod prefix;
mod resume;
mod rules;
mod stream;
mod transducer_beam;
mod transducer_greedy;
mod verified;

pub use ctc_beam::CtcPrefixBeam;
pub use ctc_greedy::CtcGreedy;
pub use greedy::AttentionGreedy;
pub use hotwords::{Credit, Hotwords, Place};
pub use kind::DecodeKind;
pub use options::{DecodeOptions, Task};
pub use rules::{Excluded, LogitRule, Suppressed};
pub use stream::{CtcHead, Joiner, Predictor, StreamLimits, StreamStrategy};
pub use transducer_beam::TransducerBeam;
pub use transducer_greedy::TransducerGreedy;
pub use verified::AttentionVerified;

use crate::fault::Faults;
use crate::hypothesis::Hypothesis;
use crate::request::{Request, Slot};

/// What an attention decoder says comes after a token.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prediction {
    /// The most likely next token.
    pub token: u32,
    /// Natural logarithm of its probability. Not finite if the network's output was not.
    pub log_prob: f32,
}

/// What a strategy needs to know of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// The token that every sequence starts from.
    pub start_token: u32,
    /// The token that ends a sequence.
    pub end_token: u32,
    /// The most tokens of a segment, the end token included.
    pub max_tokens: usize,
}

/// What comes after a block of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another block, which follows the first `keep` tokens of all that were run in this pass; the decoder
    /// forgets those after them.
    Block {
        /// Tokens that stay.
        keep: usize,
    },
    /// The hypothesis is complete.
    Done,
}

/// How a decoder with attention over its own past (an encoder–decoder network) is driven: the strategy
/// names a block of tokens, the network runs all of them in one call, each seeing those before it, and
/// gives its prediction after each of them.
///
/// One pass is in flight at a time; hypotheses are kept for every slot. Nothing allocates after `new`.
pub trait DecodeStrategy: Send + 'static {
    /// The most tokens in a block.
    const MAX_BLOCK: usize;
    /// Whether it can go on from tokens that are given to it; see [`DecodeStrategy::follow`].
    const FOLLOWS: bool = false;

    /// A strategy with `slots` hypotheses.
    fn new(vocabulary: Vocabulary, slots: usize) -> Self;

    /// Has the slot's passes go on from `tokens`, until the slot is reset: they are run behind the start token and not
    /// asked about, and the hypothesis holds only what comes after. Called between passes; replaces what was followed
    /// before. `false`, and nothing changes, where the strategy cannot or has no room for them.
    fn follow(&mut self, _slot: Slot, _tokens: &[u32]) -> bool {
        false
    }

    /// How many tokens the pass goes on from.
    fn followed(&self) -> usize {
        0
    }

    /// Begins a pass that may give `max_tokens` tokens, the end token included and those that are followed left out.
    fn begin(&mut self, slot: Slot, request: Request, max_tokens: usize);

    /// The tokens to run next, at least one.
    fn block(&self) -> &[u32];

    /// A token that the network is not to choose after the first token of the block: its logit counts as negative
    /// infinity, in the probability too.
    fn excluded(&self) -> Option<u32>;

    /// Takes the network's predictions after each token of the block.
    fn accept(&mut self, predictions: &[Prediction], faults: &mut Faults) -> Next;

    /// What the slot's segment says.
    fn hypothesis(&self, slot: Slot) -> &Hypothesis;

    /// The same, for a decoder that adds to it what only the network knows: where the tokens are.
    fn hypothesis_mut(&mut self, slot: Slot) -> &mut Hypothesis;

    /// Forgets the slot's segment.
    fn reset(&mut self, slot: Slot);
}
