//! What rules exclude is not said, by no strategy and in no precision, and has no share in probabilities.

#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use std::ops::Range;
use std::sync::Arc;
use support::Noise;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::decode::{AttentionGreedy, AttentionVerified, Excluded, LogitRule, Suppressed};
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Token;
use voxlane_models::layers::linear::Precision;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model};
use voxlane_models::offline::transcribe_tokens;
use voxlane_models::team::Team;

/// No token of the last two again: what may come depends on what was said.
struct NoEcho;

impl LogitRule for NoEcho {
    fn most_ranges(&self) -> usize {
        2
    }

    fn exclude(&self, said: &[u32], excluded: &mut Excluded) {
        for &token in said.iter().rev().take(2) {
            excluded.exclude(token..token + 1);
        }
    }
}

fn network<S: voxlane_models::decode::DecodeStrategy>(precision: Precision) -> Moonshine<S> {
    Moonshine::new(&Noise::new(1).weights(), precision)
}

fn ids(tokens: &[Token]) -> Vec<u32> {
    tokens.iter().map(|token| token.id).collect()
}

/// The range of one token.
fn one(token: u32) -> Vec<Range<u32>> {
    std::iter::once(token..token + 1).collect()
}

#[test]
fn a_suppressed_token_is_never_said() {
    let samples = Noise::new(5).samples(30_000);
    for precision in Precision::ALL {
        let plain = ids(&transcribe_tokens(&network::<AttentionGreedy>(precision), &samples).0);
        let (first, other) = (plain[0], plain[plain.len() / 2]);
        let rule = Suppressed { always: one(other), at_start: one(first) };
        let ruled = network::<AttentionGreedy>(precision).with_rule(Arc::new(rule));
        let (tokens, faults) = transcribe_tokens(&ruled, &samples);
        assert!(!faults.has(Faults::NOT_FINITE) && tokens.iter().all(|token| token.log_prob.is_finite()));
        let said = ids(&tokens);
        assert!(said[0] != first && !said.contains(&other), "{precision}: {said:?} instead of {plain:?}");
    }
}

#[test]
fn the_only_token_that_is_left_is_certain() {
    let samples = Noise::new(6).samples(20_000);
    for precision in Precision::ALL {
        let rule = Suppressed { at_start: vec![0..9, 10..u32::MAX], ..Suppressed::default() };
        let ruled = network::<AttentionGreedy>(precision).with_rule(Arc::new(rule));
        let (tokens, _) = transcribe_tokens(&ruled, &samples);
        assert_eq!((tokens[0].id, tokens[0].log_prob), (9, 0.0), "{precision}");
    }
}

#[test]
fn a_draft_is_held_to_the_rules_as_well() {
    let samples = Noise::new(7).samples(30_000);
    for precision in Precision::ALL {
        let greedy = network::<AttentionGreedy>(precision).with_rule(Arc::new(NoEcho));
        let expected = transcribe_tokens(&greedy, &samples).0;
        let echoes = |said: &[u32]| said.windows(3).any(|three| three[2] == three[0] || three[2] == three[1]);
        assert!(!echoes(&ids(&expected)));
        let verified = network::<AttentionVerified>(precision).with_rule(Arc::new(NoEcho));
        let (mut stem, mut encoder) = (verified.front_end(1), verified.encoder(1, Team::alone()));
        let (mut decoder, mut span) = (verified.decoder(1), verified.span());
        let (budget, mut faults) = (Budget::unlimited(), Faults::NONE);
        stem.push(0, &samples, &mut faults);
        // The second pass has the first one's text as its draft.
        for goal in [Goal::Partial, Goal::Final] {
            stem.begin(0, samples.len(), goal);
            while stem.step(&mut span, &budget, &mut faults) == Progress::More {}
            encoder.begin(0, &mut span);
            while encoder.step(&mut span, &budget, &mut faults) == Progress::More {}
            decoder.begin(0, &mut span, goal.into());
            while decoder.step(&mut span, &budget, &mut faults) == Progress::More {}
            assert_eq!(decoder.hypothesis(0).tokens(), expected, "{precision}, {goal:?}");
        }
    }
}
