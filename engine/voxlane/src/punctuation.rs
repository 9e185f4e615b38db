//! Which tokens of a vocabulary are punctuation, and which end a sentence.

use voxlane_models::tokenizers::vocabulary::Vocabulary;

/// The marks that end one.
const ENDS: [char; 8] = ['.', '?', '!', '…', '。', '？', '！', '।'];

/// Further marks that belong to what is before them.
const CLOSING: [char; 7] = [',', ';', ':', '，', '、', '；', '：'];

/// Sets of tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Punctuation {
    ends: Tokens,
    marks: Tokens,
}

impl Punctuation {
    /// Those of `vocabulary`.
    pub(crate) fn new(vocabulary: &dyn Vocabulary) -> Self {
        let belongs = |c: char| ENDS.contains(&c) || CLOSING.contains(&c);
        let is_mark = |text: &str| !text.is_empty() && text.chars().all(belongs);
        Punctuation {
            ends: Tokens::where_text(vocabulary, |text| text.ends_with(ENDS)),
            marks: Tokens::where_text(vocabulary, is_mark),
        }
    }

    /// Whether any token ends a sentence.
    pub(crate) fn has_ends(&self) -> bool {
        self.ends.0.iter().any(|&bits| bits != 0)
    }

    /// Whether the token ends a sentence.
    pub(crate) fn ends_sentence(&self, id: u32) -> bool {
        self.ends.holds(id)
    }

    /// Whether the token is punctuation that belongs to what is before it, and nothing else.
    pub(crate) fn is_mark(&self, id: u32) -> bool {
        self.marks.holds(id)
    }
}

/// A bit for each token.
#[derive(Clone, Debug, Default)]
struct Tokens(Vec<u64>);

impl Tokens {
    /// The tokens of whose text, without space around it, that is so.
    fn where_text(vocabulary: &dyn Vocabulary, is_so: impl Fn(&str) -> bool) -> Self {
        let tokens = vocabulary.size();
        let mut bits = vec![0; (tokens as usize).div_ceil(64)];
        for id in (0..tokens).filter(|&id| is_so(vocabulary.text(&[id]).trim())) {
            bits[id as usize / 64] |= 1 << (id % 64);
        }
        Tokens(bits)
    }

    fn holds(&self, id: u32) -> bool {
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
        let punctuation = Punctuation::new(&Words(70));
        let all = |is_so: &dyn Fn(u32) -> bool| (0..7).map(is_so).collect::<Vec<_>>();
        let ends = all(&|id| punctuation.ends_sentence(id));
        assert_eq!(ends, [false, true, false, true, false, true, true]);
        assert_eq!(all(&|id| punctuation.is_mark(id)), [false, true, false, true, true, false, false]);
        assert!(punctuation.ends_sentence(64) && !punctuation.ends_sentence(70) && punctuation.has_ends());
        assert!(!punctuation.is_mark(u32::MAX) && !Punctuation::new(&Words(1)).has_ends());
    }
}
