//! Token ids → text.

/// A model's vocabulary. Text is made on the caller's side, never in the lane.
pub trait Vocabulary: Send + Sync {
    /// The text of a sequence of tokens, start and end tokens left out. Unknown ids give nothing.
    fn text(&self, ids: &[u32]) -> String;

    /// How many tokens there are; 0 where that is not known.
    fn size(&self) -> u32 {
        0
    }

    /// Whether a new word begins with this token.
    fn begins_word(&self, id: u32) -> bool;

    /// The tokens that spell `text`, as the model would emit them; `None` where it cannot be spelled, or where the
    /// vocabulary only knows the way from tokens to text.
    fn encode(&self, _text: &str) -> Option<Vec<u32>> {
        None
    }
}

impl Vocabulary for super::SentencePiece {
    fn text(&self, ids: &[u32]) -> String {
        self.tokenizer().text(ids)
    }

    fn size(&self) -> u32 {
        self.tokenizer().size()
    }

    fn begins_word(&self, id: u32) -> bool {
        self.tokenizer().begins_word(id)
    }

    fn encode(&self, text: &str) -> Option<Vec<u32>> {
        super::SentencePiece::encode(self, text)
    }
}

impl Vocabulary for super::Tokenizer {
    fn text(&self, ids: &[u32]) -> String {
        self.decode(ids.iter().copied())
    }

    fn size(&self) -> u32 {
        self.len() as u32
    }

    fn begins_word(&self, id: u32) -> bool {
        super::Tokenizer::begins_word(self, id)
    }
}
