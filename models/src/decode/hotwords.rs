//! Phrases that a stream listens for: an Aho–Corasick automaton over tokens whose states are worth something.
//!
//! Each token that goes on with a phrase earns the phrase's boost, in natural-logarithm units; a hypothesis that
//! leaves a phrase before its end gives back what the unfinished part earned (Aho and Corasick 1975; the refund as in
//! shallow fusion with a context graph, Zhao et al. 2019). What a segment can earn altogether has a cap.

use std::collections::{BTreeMap, VecDeque};

/// A state of the automaton: how much of which phrases was said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place(u32);

/// What a hypothesis has earned so far, and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Credit {
    place: Place,
    /// Kept for phrases that were said to the end.
    kept: f32,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Tokens that go on with a phrase, sorted, and where they lead.
    next: Vec<(u32, u32)>,
    /// The longest proper end of this state's tokens that begins a phrase.
    fallback: u32,
    /// What the tokens are worth beyond what phrases that ended here or before have earned for good.
    open: f32,
    /// What is earned for good when this state is reached.
    earned: f32,
}

/// A set of phrases for a stream. Made once, shared, never changed.
#[derive(Clone, Debug)]
pub struct Hotwords {
    states: Vec<State>,
    cap: f32,
}

impl Hotwords {
    /// The automaton of `phrases`: tokens, and the boost of each of them. No hypothesis of a segment earns more than
    /// `cap`. Phrases without tokens and boosts that are not positive numbers are left out. Allocates.
    pub fn new<'p>(phrases: impl IntoIterator<Item = (&'p [u32], f32)>, cap: f32) -> Self {
        let mut tree = vec![Node::default()];
        for (tokens, boost) in phrases {
            if tokens.is_empty() || !boost.is_finite() || boost <= 0.0 {
                continue;
            }
            let mut at = 0;
            for (index, &token) in tokens.iter().enumerate() {
                let new = tree.len();
                at = *tree[at].next.entry(token).or_insert(new);
                if at == new {
                    tree.push(Node::default());
                }
                // Where phrases share a beginning, the larger boost counts.
                tree[at].worth = tree[at].worth.max(boost * (index + 1) as f32);
            }
            tree[at].is_end = true;
        }
        Hotwords { states: automaton(&mut tree), cap: cap.max(0.0) }
    }

    /// Whether there is nothing to listen for.
    pub fn is_empty(&self) -> bool {
        self.states.len() == 1
    }

    /// After one token more: the new credit, and by how much what was earned has changed. Falls back along the
    /// automaton where the token goes on with no phrase. Does not allocate.
    #[inline]
    pub fn advance(&self, credit: Credit, token: u32) -> (Credit, f32) {
        let place = Place(go(&self.states, credit.place.0, token).unwrap_or_default());
        let next = Credit { place, kept: credit.kept + self.states[place.0 as usize].earned };
        (next, self.total(next) - self.total(credit))
    }

    /// What a hypothesis has earned: for whole phrases, and for the one it is within.
    #[inline]
    pub fn total(&self, credit: Credit) -> f32 {
        (credit.kept + self.states[credit.place.0 as usize].open).min(self.cap)
    }

    /// The end of a segment, or of listening for these phrases: an unfinished phrase is given back.
    pub fn close(&self, credit: Credit) -> (Credit, f32) {
        let closed = Credit { place: Place::default(), kept: credit.kept };
        (closed, self.total(closed) - self.total(credit))
    }

    /// Calls `each` with every token that goes on with a phrase, and what it would earn. A token may come more than
    /// once, with the same gain. Does not allocate.
    #[inline]
    pub fn for_each_next(&self, credit: Credit, mut each: impl FnMut(u32, f32)) {
        let mut place = credit.place.0;
        loop {
            let state = &self.states[place as usize];
            for &(token, _) in &state.next {
                each(token, self.advance(credit, token).1);
            }
            if place == 0 {
                return;
            }
            place = state.fallback;
        }
    }
}

/// The longest state that `token` leads to from `state` or one of its ends.
#[inline]
fn go(states: &[State], mut state: u32, token: u32) -> Option<u32> {
    loop {
        let next = &states[state as usize].next;
        if let Ok(index) = next.binary_search_by_key(&token, |(token, _)| *token) {
            return Some(next[index].1);
        }
        if state == 0 {
            return None;
        }
        state = states[state as usize].fallback;
    }
}

/// A state while the automaton is made.
#[derive(Default)]
struct Node {
    next: BTreeMap<u32, usize>,
    /// What the tokens from the phrase's beginning are worth.
    worth: f32,
    /// How much of that is earned for good, by phrases that end here or before.
    done: f32,
    fallback: usize,
    /// Whether a phrase ends here.
    is_end: bool,
    /// The largest worth of a phrase that ends here and began later.
    inner: f32,
}

/// The states, settled in the order of their lengths, so that a fallback is settled before those who fall back on it.
fn automaton(tree: &mut [Node]) -> Vec<State> {
    let mut states = vec![State::default(); tree.len()];
    let mut order = VecDeque::from([0]);
    while let Some(parent) = order.pop_front() {
        let next: Vec<(u32, usize)> =
            tree[parent].next.iter().map(|(&token, &child)| (token, child)).collect();
        for &(token, child) in &next {
            let mut fallback = tree[parent].fallback;
            let found = loop {
                match tree[fallback].next.get(&token) {
                    // The children of the root fall back on the root.
                    Some(&state) if state != child => break state,
                    _ if fallback == 0 => break 0,
                    _ => fallback = tree[fallback].fallback,
                }
            };
            let before = tree[parent].done;
            let end = &tree[found];
            let inner = if end.is_end { end.worth.max(end.inner) } else { end.inner };
            let node = &mut tree[child];
            node.worth = node.worth.max(before);
            node.done = if node.is_end { node.worth } else { before + inner.min(node.worth - before) };
            (node.fallback, node.inner) = (found, inner);
            states[child] = State {
                next: Vec::new(),
                fallback: found as u32,
                open: node.worth - node.done,
                earned: node.done - before,
            };
            order.push_back(child);
        }
        states[parent].next = next.into_iter().map(|(token, child)| (token, child as u32)).collect();
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is earned after each token.
    fn totals(hotwords: &Hotwords, tokens: &[u32]) -> Vec<f32> {
        let mut credit = Credit::default();
        let mut sum = 0.0;
        tokens
            .iter()
            .map(|&token| {
                let (next, change) = hotwords.advance(credit, token);
                (credit, sum) = (next, sum + change);
                assert!((sum - hotwords.total(credit)).abs() < 1e-5, "changes add up to the total");
                sum
            })
            .collect()
    }

    #[test]
    fn a_phrase_earns_token_by_token_and_an_unfinished_one_gives_back() {
        let hotwords = Hotwords::new([(&[1, 2, 3][..], 2.0)], 100.0);
        assert_eq!(totals(&hotwords, &[1, 2, 3, 9]), [2.0, 4.0, 6.0, 6.0]);
        assert_eq!(totals(&hotwords, &[1, 2, 9]), [2.0, 4.0, 0.0]);
        assert_eq!(totals(&hotwords, &[1, 1, 2, 3, 1]), [2.0, 2.0, 4.0, 6.0, 8.0]);
        let (credit, _) = hotwords.advance(Credit::default(), 1);
        assert_eq!(hotwords.close(credit).1, -2.0);
    }

    #[test]
    fn leaving_one_phrase_may_be_within_another() {
        let phrases: [(&[u32], f32); 2] = [(&[1, 2, 3, 4], 1.0), (&[2, 3, 5], 1.0)];
        assert_eq!(totals(&Hotwords::new(phrases, 100.0), &[1, 2, 3, 5]), [1.0, 2.0, 3.0, 3.0]);
    }

    #[test]
    fn a_phrase_inside_another_stays_earned() {
        let phrases: [(&[u32], f32); 2] = [(&[1, 2, 3, 4], 1.0), (&[2], 1.0)];
        assert_eq!(totals(&Hotwords::new(phrases, 100.0), &[1, 2, 3, 9]), [1.0, 2.0, 3.0, 1.0]);
        let phrases: [(&[u32], f32); 2] = [(&[1], 3.0), (&[1, 2], 1.0)];
        assert_eq!(totals(&Hotwords::new(phrases, 100.0), &[1, 2, 9]), [3.0, 3.0, 3.0]);
    }

    #[test]
    fn the_cap_holds_and_refunds_come_off_the_whole() {
        let hotwords = Hotwords::new([(&[1, 2][..], 2.0)], 5.0);
        assert_eq!(totals(&hotwords, &[1, 2, 1, 2, 1, 9]), [2.0, 4.0, 5.0, 5.0, 5.0, 5.0]);
        assert_eq!(totals(&hotwords, &[1, 2, 1, 9]), [2.0, 4.0, 5.0, 4.0]);
    }

    #[test]
    fn all_that_goes_on_is_named_with_its_gain() {
        let phrases: [(&[u32], f32); 2] = [(&[1, 2], 2.0), (&[2, 3], 1.0)];
        let hotwords = Hotwords::new(phrases, 100.0);
        let (credit, _) = hotwords.advance(Credit::default(), 1);
        let mut found = Vec::new();
        hotwords.for_each_next(credit, |token, gain| found.push((token, gain)));
        found.sort_by_key(|(token, _)| *token);
        assert_eq!(found, [(1, 0.0), (2, 2.0), (2, 2.0)]);
        assert!(Hotwords::new([(&[][..], 1.0), (&[3][..], f32::NAN)], 1.0).is_empty());
    }
}
