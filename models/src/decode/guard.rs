//! What a network says of silence and noise: loops, and words that it does not believe itself.
//!
//! For decoders with attention over the whole segment. A transducer looks at each frame once and gives a few tokens at
//! most, so it cannot say again what it has heard once: what comes again there was said again.

use crate::hypothesis::{Hypothesis, Token};

/// A phrase of up to so many tokens is short.
const SHORT_PERIOD: usize = 8;
/// A short phrase must have come so many times in a row: people do say things three times.
const MIN_SHORT_REPEATS: usize = 4;
/// And be so long altogether.
const MIN_REPEATED_TOKENS: usize = 10;
/// A longer phrase must have come so many times in a row.
const MIN_LONG_REPEATS: usize = 3;
/// A hypothesis whose tokens are less likely than this on average (mean of natural logarithms) is suppressed. The
/// least likely of 119 read clips has -0.54; cut to segments, one in 309 was below -1 and half right.
const MIN_MEAN_LOG_PROB: f32 = -1.5;

/// A phrase that comes again and again at the end of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repetition {
    /// Tokens of the phrase.
    pub(super) period: usize,
    /// Tokens of the text up to where it has come once.
    pub(super) kept: usize,
}

/// How many times a phrase of `period` tokens must come in a row.
fn min_repeats(period: usize) -> usize {
    if period <= SHORT_PERIOD {
        MIN_SHORT_REPEATS.max(MIN_REPEATED_TOKENS.div_ceil(period))
    } else {
        MIN_LONG_REPEATS
    }
}

/// The repetition that the tokens end in, if they do, of any period up to a third of the text. Takes a comparison for
/// each period, and more only where the last tokens have come before.
pub(super) fn repetition(tokens: &[Token]) -> Option<Repetition> {
    (1..=tokens.len() / MIN_LONG_REPEATS).find_map(|period| {
        let start = tokens.len().checked_sub(period * min_repeats(period))?;
        let run = &tokens[start..];
        // From the end: nearly always the last two already differ.
        let mut pairs = run[period..].iter().zip(run).rev();
        pairs
            .all(|(later, token)| later.id == token.id)
            .then_some(Repetition { period, kept: start + period })
    })
}

/// Empties a hypothesis that its network does not believe, but for its first `stable` tokens.
pub(super) fn doubt(hypothesis: &mut Hypothesis, stable: usize) {
    if hypothesis.mean_log_prob() < MIN_MEAN_LOG_PROB {
        hypothesis.truncate(stable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(tokens: &[Token]) -> Option<usize> {
        repetition(tokens).map(|repetition| repetition.kept)
    }

    fn tokens(ids: &[u32]) -> Vec<Token> {
        ids.iter().map(|&id| Token { id, log_prob: -0.1, ..Token::default() }).collect()
    }

    #[test]
    fn loops_are_told_once_and_emphasis_is_not_a_loop() {
        assert_eq!(kept(&tokens(&[1, 2, 7, 7, 7, 7])), None);
        assert_eq!(kept(&tokens(&[&[1, 2][..], &[7; 10]].concat())), Some(3));
        assert_eq!(kept(&tokens(&[&[1][..], &[7, 8, 9].repeat(4)].concat())), Some(4));
        assert_eq!(kept(&tokens(&[7, 8, 9].repeat(3))), None);
        assert_eq!(kept(&[]), None);
    }

    #[test]
    fn what_the_network_does_not_believe_is_not_told() {
        let mut hypothesis = Hypothesis::with_capacity(4);
        for log_prob in [-0.1, -3.0, -2.0] {
            hypothesis.push(Token { id: 5, log_prob, ..Token::default() });
        }
        let mut believed = hypothesis.clone();
        believed.push(Token { id: 5, log_prob: 1.1, ..Token::default() });
        doubt(&mut believed, 0);
        assert_eq!(believed.tokens().len(), 4);
        let mut kept = hypothesis.clone();
        doubt(&mut kept, 1);
        assert_eq!(kept.tokens().len(), 1);
        doubt(&mut hypothesis, 0);
        assert!(hypothesis.tokens().is_empty());
    }
}
