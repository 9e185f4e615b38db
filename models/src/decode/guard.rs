//! What a network says of silence and noise: loops, and words that it does not believe itself.

use crate::hypothesis::{Hypothesis, Token};

/// The longest loop that is looked for, in tokens. On 119 read clips no run of up to eight tokens comes more
/// than twice in a row.
const MAX_PERIOD: usize = 8;
/// A loop must have come so many times in a row: people do say things three times.
const MIN_REPEATS: usize = 4;
/// And be so long altogether.
const MIN_REPEATED_TOKENS: usize = 10;
/// A hypothesis whose tokens are less likely than this on average (mean of natural logarithms) is not told. The
/// least likely of 119 read clips has -0.54; cut to segments, one in 309 was below -1 and half right.
const MIN_MEAN_LOG_PROB: f32 = -1.5;

/// If the tokens end in a loop: how many of them to keep, so that the loop is told once.
pub(super) fn without_loop(tokens: &[Token]) -> Option<usize> {
    (1..=MAX_PERIOD).find_map(|period| {
        let repeats = MIN_REPEATS.max(MIN_REPEATED_TOKENS.div_ceil(period));
        let start = tokens.len().checked_sub(period * repeats)?;
        let run = &tokens[start..];
        let is_loop = run.iter().zip(&run[period..]).all(|(token, later)| token.id == later.id);
        is_loop.then_some(start + period)
    })
}

/// Empties a hypothesis that its network does not believe, but for its first `stable` tokens.
pub(super) fn doubt(hypothesis: &mut Hypothesis, stable: usize) {
    let tokens = hypothesis.tokens();
    let sum: f32 = tokens.iter().map(|token| token.log_prob).sum();
    if sum < MIN_MEAN_LOG_PROB * tokens.len() as f32 {
        hypothesis.truncate(stable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(ids: &[u32]) -> Vec<Token> {
        ids.iter().map(|&id| Token { id, log_prob: -0.1, ..Token::default() }).collect()
    }

    #[test]
    fn loops_are_told_once_and_emphasis_is_not_a_loop() {
        assert_eq!(without_loop(&tokens(&[1, 2, 7, 7, 7, 7])), None);
        assert_eq!(without_loop(&tokens(&[&[1, 2][..], &[7; 10]].concat())), Some(3));
        assert_eq!(without_loop(&tokens(&[&[1][..], &[7, 8, 9].repeat(4)].concat())), Some(4));
        assert_eq!(without_loop(&tokens(&[7, 8, 9].repeat(3))), None);
        assert_eq!(without_loop(&[]), None);
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
