//! Second attempts: an attention decoder that stops although the segment holds more speech is made to go on.
//!
//! Small networks take speech behind silence for silence, and answer it with the end of the text. Where a voice
//! detector heard far more speech than the text accounts for, decoding goes on from where it stopped, with the end
//! token excluded for one step. The same where the network repeats itself: all but the first repetition is removed,
//! and decoding goes on without the token that would begin the next one. What that gives is kept if the network finds
//! it likely; otherwise the text is what it was, and a fault says that speech may be missing.
//!
//! A pure function of the network's predictions, so every strategy that asks at the same tokens gets the same text.

use super::coverage;
use super::guard::Repetition;
use crate::fault::Faults;
use crate::hypothesis::{Hypothesis, Token};
use crate::request::{Goal, Request};

/// The most times that a pass goes on.
const MAX_RESUMPTIONS: usize = 3;

/// When what decoding goes on with is believed.
struct Belief {
    /// Log-probability of its first token, at least.
    first: f32,
    /// Mean log-probability of its tokens, at least.
    mean: f32,
}

/// Behind text.
const BEHIND_TEXT: Belief = Belief { first: -1.0, mean: -0.8 };
/// Where the text would be empty although somebody spoke: a single letter is easily taken for another, and one that may
/// be wrong is more than nothing.
const INSTEAD_OF_NOTHING: Belief = Belief { first: -2.0, mean: -1.5 };
/// The fewest tokens of either: a word and its punctuation. Of a breath networks say "you" and nothing after it.
const MIN_TOKENS: usize = 2;

/// Why an attempt stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The network chose the end token.
    End,
    /// The text ends in a repetition.
    Repetition(Repetition),
    /// There is no room for another token.
    Limit,
    /// The first token of another attempt is not to be believed.
    Doubt,
}

/// How often a pass has gone on, and from where.
#[derive(Clone, Debug, Default)]
pub(super) struct Resumption {
    /// 0 where that is not known, and for partials, whose speech goes on: then nothing is resumed.
    voiced_samples: usize,
    end_token: u32,
    /// Tokens that nothing removes.
    stable: usize,
    excluded: Option<u32>,
    count: usize,
    /// Where the latest attempt began, and what is at fault if it comes to nothing.
    latest: Option<(usize, Faults)>,
}

impl Resumption {
    /// Before the first attempt of a pass that keeps its first `stable` tokens whatever comes.
    pub(super) fn new(request: Request, end_token: u32, stable: usize) -> Self {
        let voiced_samples = if request.goal == Goal::Final { request.voiced_samples } else { 0 };
        Resumption { voiced_samples, end_token, stable, ..Resumption::default() }
    }

    /// The token that may not come next.
    pub(super) fn excluded(&self) -> Option<u32> {
        self.excluded
    }

    /// Whether a token of that log-probability may come next: the first of another attempt must be likely.
    pub(super) fn accepts(&mut self, log_prob: f32) -> bool {
        self.excluded.take().is_none() || log_prob >= self.belief().first
    }

    /// Whether the pass goes on behind the hypothesis, of which what is not to be believed has been removed.
    pub(super) fn resumes(&mut self, hypothesis: &mut Hypothesis, stop: Stop, faults: &mut Faults) -> bool {
        self.excluded = None;
        let belief = self.belief();
        if let Some((from, fault)) = self.latest.take() {
            if stop != Stop::End || !self.is_plausible(hypothesis.tokens(), from, &belief) {
                hypothesis.truncate(from);
                *faults |= fault;
                return false;
            }
            hypothesis.set_resumed(true);
        }
        let (excluded, fault) = match stop {
            Stop::Limit => {
                *faults |= Faults::TOKEN_LIMIT;
                return false;
            }
            // What is in doubt is in another attempt, which has been dealt with.
            Stop::End | Stop::Doubt => (self.end_token, Faults::NONE),
            Stop::Repetition(Repetition { kept, period }) => {
                let first = hypothesis.tokens()[kept - period].id;
                hypothesis.truncate(kept.max(self.stable));
                (first, Faults::REPETITION)
            }
        };
        let tokens = hypothesis.tokens().len();
        let is_short = !coverage::faults(tokens, self.voiced_samples).is_none();
        let is_wanted = self.voiced_samples > 0 && (is_short || stop != Stop::End);
        if !is_wanted || self.count == MAX_RESUMPTIONS {
            *faults |= fault;
            return false;
        }
        (self.excluded, self.latest) = (Some(excluded), Some((tokens, fault)));
        self.count += 1;
        true
    }

    /// When the latest attempt is believed.
    fn belief(&self) -> Belief {
        match self.latest {
            Some((0, _)) => INSTEAD_OF_NOTHING,
            _ => BEHIND_TEXT,
        }
    }

    /// Whether the tokens that the latest attempt found, those from number `from` on, are to be believed.
    fn is_plausible(&self, tokens: &[Token], from: usize, belief: &Belief) -> bool {
        let found = &tokens[from..];
        let sum: f32 = found.iter().map(|token| token.log_prob).sum();
        found.len() >= MIN_TOKENS
            && sum >= belief.mean * found.len() as f32
            && !coverage::is_too_fast(tokens.len(), self.voiced_samples)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AttentionGreedy, AttentionVerified, DecodeStrategy, Next, Prediction, Vocabulary};
    use super::*;
    use proptest::prelude::*;

    const END: u32 = 2;
    const VOCABULARY: Vocabulary = Vocabulary { start_token: 1, end_token: END, max_tokens: 60 };
    const FOUR_SECONDS: Request = Request { goal: Goal::Final, voiced_samples: 64_000 };

    /// The tokens of a pass over a network: the prediction after some tokens, without a token that is excluded.
    fn pass<S: DecodeStrategy>(
        strategy: &mut S,
        request: Request,
        network: &dyn Fn(&[u32], Option<u32>) -> Prediction,
    ) -> (Vec<u32>, Faults) {
        let (mut run, mut faults) = (Vec::new(), Faults::NONE);
        strategy.begin(0, request, VOCABULARY.max_tokens);
        loop {
            let mut excluded = strategy.excluded();
            let mut predictions = Vec::new();
            for &token in strategy.block() {
                run.push(token);
                predictions.push(network(&run[1..], excluded.take()));
            }
            match strategy.accept(&predictions, &mut faults) {
                Next::Block { keep } => run.truncate(keep),
                Next::Done => break,
            }
        }
        (strategy.hypothesis(0).tokens().iter().map(|token| token.id).collect(), faults)
    }

    /// The same by greedy decoding and by verified decoding, from no draft and from what an earlier pass said.
    fn by_every_strategy(
        request: Request,
        network: &dyn Fn(&[u32], Option<u32>) -> Prediction,
    ) -> (Vec<u32>, Faults) {
        behind(&[], request, network)
    }

    /// The same of passes that go on from `earlier`.
    fn behind(
        earlier: &[u32],
        request: Request,
        network: &dyn Fn(&[u32], Option<u32>) -> Prediction,
    ) -> (Vec<u32>, Faults) {
        let mut greedy = AttentionGreedy::new(VOCABULARY, 1);
        let mut verified = AttentionVerified::new(VOCABULARY, 1);
        assert!(greedy.follow(0, earlier) && verified.follow(0, earlier));
        let found = pass(&mut greedy, request, network);
        assert_eq!(pass(&mut verified, request, network), found, "from no draft");
        assert_eq!(pass(&mut verified, request, network), found, "from its own text");
        pass(&mut verified, Goal::Partial.into(), network);
        assert_eq!(pass(&mut verified, request, network), found, "from a partial");
        found
    }

    /// A network that says `first` and ends there; where that is excluded it goes on with `rest`, each token with
    /// `log_prob`.
    fn ends_early(
        first: &'static [u32],
        rest: &'static [u32],
        log_prob: f32,
    ) -> impl Fn(&[u32], Option<u32>) -> Prediction {
        move |tokens, excluded| {
            let said = |place| first.iter().chain(rest).nth(place).copied().unwrap_or(END);
            let ends = tokens.len() == first.len() && excluded != Some(END);
            let token = if ends { END } else { said(tokens.len()) };
            Prediction { token, log_prob: if tokens.len() < first.len() { -0.1 } else { log_prob } }
        }
    }

    const REST: &[u32] = &[11, 12, 13, 14, 15, 16, 17, 18];

    #[test]
    fn speech_that_the_network_ends_at_once_is_decoded_without_the_end() {
        let network = ends_early(&[], REST, -0.3);
        assert_eq!(by_every_strategy(FOUR_SECONDS, &network), (REST.to_vec(), Faults::NONE));
        for request in [Goal::Final.into(), Request { goal: Goal::Partial, ..FOUR_SECONDS }] {
            assert_eq!(by_every_strategy(request, &network).0, Vec::<u32>::new(), "{request:?}");
        }
    }

    #[test]
    fn text_that_is_too_short_goes_on_from_its_end() {
        let whole = [&[10], REST].concat();
        assert_eq!(by_every_strategy(FOUR_SECONDS, &ends_early(&[10], REST, -0.3)).0, whole);
        let brief = Request { voiced_samples: 8000, ..FOUR_SECONDS };
        assert_eq!(
            by_every_strategy(brief, &ends_early(&[10], REST, -0.3)).0,
            [10],
            "enough for half a second"
        );
    }

    #[test]
    fn what_the_network_does_not_believe_is_not_added() {
        assert_eq!(by_every_strategy(FOUR_SECONDS, &ends_early(&[], REST, -3.0)).0, Vec::<u32>::new());
        assert_eq!(by_every_strategy(FOUR_SECONDS, &ends_early(&[10], REST, -3.0)).0, [10]);
    }

    #[test]
    fn a_repetition_is_removed_and_the_text_goes_on_behind_it() {
        // A phrase of twelve tokens for ever, until its first is excluded.
        let network = |tokens: &[u32], excluded: Option<u32>| {
            let token = match tokens.iter().position(|&token| token == 30) {
                Some(place) if place + REST.len() < tokens.len() => END,
                Some(place) => REST.get(tokens.len() - place - 1).copied().unwrap_or(END),
                None if excluded.is_some() => 30,
                None => 40 + tokens.len() as u32 % 12,
            };
            Prediction { token, log_prob: -0.2 }
        };
        let phrase: Vec<u32> = (40..52).collect();
        let (tokens, faults) = by_every_strategy(FOUR_SECONDS, &network);
        assert_eq!(tokens, [&phrase[..], &[30], REST].concat());
        assert_eq!(faults, Faults::NONE);
        // Where it is not known how much was said nothing is tried, and the fault says so.
        assert_eq!(by_every_strategy(Goal::Final.into(), &network), (phrase, Faults::REPETITION));
    }

    #[test]
    fn a_network_that_only_repeats_itself_is_cut_and_flagged() {
        let network = |tokens: &[u32], excluded: Option<u32>| {
            let token = 40 + (tokens.len() as u32 + u32::from(excluded.is_some())) % 12;
            Prediction { token, log_prob: -0.2 }
        };
        let (tokens, faults) = by_every_strategy(FOUR_SECONDS, &network);
        assert_eq!(tokens, (40..52).collect::<Vec<u32>>());
        assert!(faults.has(Faults::REPETITION));
    }

    proptest! {
        #[test]
        fn every_strategy_finds_the_same_text(seed in any::<u64>(), voiced_samples in 0usize..200_000) {
            by_every_strategy(Request { goal: Goal::Final, voiced_samples }, &whimsical(seed));
        }

        /// Tokens that are followed are no more than what the network has said already.
        #[test]
        fn every_strategy_goes_on_from_what_was_said_before(
            seed in any::<u64>(),
            voiced_samples in 0usize..200_000,
            earlier in prop::collection::vec(END + 1..END + 9, 0..50),
        ) {
            let (request, network) = (Request { goal: Goal::Final, voiced_samples }, whimsical(seed));
            let alone = |tokens: &[u32], excluded| network(&[&earlier, tokens].concat(), excluded);
            prop_assert_eq!(behind(&earlier, request, &network), by_every_strategy(request, &alone));
        }
    }

    /// A network of few tokens that ends often and likes to repeat itself.
    fn whimsical(seed: u64) -> impl Fn(&[u32], Option<u32>) -> Prediction {
        move |tokens, excluded| {
            let recent = &tokens[tokens.len().saturating_sub(3)..];
            let mut x = recent.iter().fold(seed, |x, &token| {
                (x ^ u64::from(token)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23)
            });
            loop {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let token = END + (x >> 33) as u32 % 9;
                if excluded != Some(token) {
                    return Prediction { token, log_prob: -((x >> 50) as f32) / 10_000.0 };
                }
            }
        }
    }
}
