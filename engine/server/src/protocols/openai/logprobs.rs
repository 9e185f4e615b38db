//! The tokens of finals with their log probabilities.

use serde_json::{Value, json};
use voxlane::{Engine, Transcript};

/// The tokens of one text that several finals make.
pub struct Logprobs<'a> {
    engine: &'a Engine,
    /// Whether there is text in front of the next final.
    is_behind: bool,
}

impl<'a> Logprobs<'a> {
    /// Begins a text.
    pub fn new(engine: &'a Engine) -> Self {
        Logprobs { engine, is_behind: false }
    }

    /// Goes on behind text.
    pub fn behind(engine: &'a Engine) -> Self {
        Logprobs { engine, is_behind: true }
    }

    /// Returns the tokens of the next final as OpenAI's clients read them: text, bytes, natural logarithm of the probability.
    /// Together they are the text, with the space between two finals. A token whose probability the decoder does not compute
    /// is left out.
    pub fn of(&mut self, said: &Transcript) -> Vec<Value> {
        if said.text.trim().is_empty() {
            return Vec::new();
        }
        let ids: Vec<u32> = said.tokens.iter().map(|token| token.id).collect();
        let (mut before, mut told) = (String::new(), Vec::new());
        for (index, token) in said.tokens.iter().enumerate() {
            let text = self.engine.text(&ids[..=index]);
            // Some tokens are parts of a letter: the text so far then ends differently.
            let own = text.strip_prefix(before.as_str()).map(str::to_owned);
            let mut own = own.unwrap_or_else(|| self.engine.text(&ids[index..=index]));
            if index == 0 && std::mem::replace(&mut self.is_behind, true) && !own.starts_with(' ') {
                own.insert(0, ' ');
            }
            before = text;
            if token.log_prob.is_finite() {
                told.push(json!({ "token": own, "bytes": own.as_bytes(), "logprob": token.log_prob }));
            }
        }
        told
    }
}

/// Returns the tokens of a text that several finals make.
pub fn logprobs(engine: &Engine, said: &[Transcript]) -> Vec<Value> {
    let mut logprobs = Logprobs::new(engine);
    said.iter().flat_map(|said| logprobs.of(said)).collect()
}
