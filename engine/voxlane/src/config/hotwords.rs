//! Phrases to listen for.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// A phrase that streams listen for: a decoder that hesitates prefers it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Hotword {
    /// Words that may be said, spelled as the model writes them.
    pub phrase: String,
    /// Bonus of each of its tokens, added to the natural logarithm of its probability: more than 0, at most 100. Default
    /// 1.5.
    #[serde(default = "Hotword::default_boost")]
    pub boost: f32,
}

impl Hotword {
    /// The boost of phrases that name none: a token that is four and a half times less likely than another
    /// is preferred to it.
    pub const DEFAULT_BOOST: f32 = 1.5;

    /// Creates a phrase with the default boost.
    pub fn new(phrase: impl Into<String>) -> Self {
        Hotword { phrase: phrase.into(), boost: Self::DEFAULT_BOOST }
    }

    fn default_boost() -> f32 {
        Self::DEFAULT_BOOST
    }
}
