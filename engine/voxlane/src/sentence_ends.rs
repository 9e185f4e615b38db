//! The tokens of a vocabulary that end a sentence.

use voxlane_models::tokenizers::vocabulary::Vocabulary;

/// The marks that end one.
const MARKS: [char; 8] = ['.', '?', '!', '…', '。', '？', '！', '।'];

/// A bit for each token.
#[derive(Clone, Debug, Default)]
pub(crate) struct SentenceEnds(Vec<u64>);

impl SentenceEnds {
    /// Those of `vocabulary`.
    pub(crate) fn new(vocabulary: &dyn Vocabulary) -> Self {
        let tokens = vocabulary.size();
        let mut bits = vec![0; (tokens as usize).div_ceil(64)];
        for id in (0..tokens).filter(|&id| vocabulary.text(&[id]).trim_end().ends_with(MARKS)) {
            bits[id as usize / 64] |= 1 << (id % 64);
        }
        SentenceEnds(bits)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|&bits| bits == 0)
    }

    /// Whether the token is one.
    pub(crate) fn holds(&self, id: u32) -> bool {
        self.0.get(id as usize / 64).is_some_and(|bits| bits >> (id % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Words(u32);

    impl Vocabulary for Words {
        fn text(&self, ids: &[u32]) -> String {
            ids.iter().map(|&id| ["one", ".", " two", "?", ",", "3.", "Mr. "][id as usize % 7]).collect()
        }

        fn size(&self) -> u32 {
            self.0
        }

        fn begins_word(&self, _: u32) -> bool {
            true
        }
    }

    #[test]
    fn marks_end_sentences_and_commas_do_not() {
        let ends = SentenceEnds::new(&Words(70));
        assert_eq!(
            (0..7).map(|id| ends.holds(id)).collect::<Vec<_>>(),
            [false, true, false, true, false, true, true]
        );
        assert!(ends.holds(64) && !ends.holds(70) && !ends.holds(u32::MAX) && !ends.is_empty());
        assert!(SentenceEnds::new(&Words(1)).is_empty());
    }
}
