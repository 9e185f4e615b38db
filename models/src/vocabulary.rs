//! Token ids → text.

/// A model's vocabulary. Text is made on the caller's side, never in the lane.
pub trait Vocabulary: Send + Sync {
    /// The text of a sequence of tokens, start and end tokens left out. Unknown ids give nothing.
    fn text(&self, ids: &[u32]) -> String;
}

impl Vocabulary for crate::tokenizer::Tokenizer {
    fn text(&self, ids: &[u32]) -> String {
        self.decode(ids.iter().copied())
    }
}
