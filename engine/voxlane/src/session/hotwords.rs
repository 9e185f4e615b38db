//! From phrases to what a decoder looks tokens up in; on the caller's thread.

use crate::config::Hotword;
use crate::error_code::ErrorCode;
use std::sync::Arc;
use thiserror::Error;
use voxlane_models::decode::Hotwords;
use voxlane_models::tokenizers::vocabulary::Vocabulary;

/// The reason why a stream cannot listen for phrases. Retrying does not help.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum HotwordError {
    /// The model's decoder does not listen for phrases.
    #[error("hotwords: the model cannot listen for any")]
    Unsupported,
    /// The vocabulary has no tokens for a phrase.
    #[error("hotword {phrase:?}: the model's vocabulary cannot spell it")]
    Spelling {
        /// The phrase.
        phrase: String,
    },
    /// A boost is out of range.
    #[error("hotword {phrase:?}: boost out of range (expected more than 0 and at most 100, found {boost})")]
    Boost {
        /// The phrase.
        phrase: String,
        /// Its boost.
        boost: f32,
    },
}

impl HotwordError {
    /// Returns the error's stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            HotwordError::Unsupported => ErrorCode::HotwordsUnsupported,
            HotwordError::Spelling { .. } => ErrorCode::HotwordsSpelling,
            HotwordError::Boost { .. } => ErrorCode::HotwordsBoost,
        }
    }
}

/// Makes sets of hotwords for the streams of one engine.
#[derive(Clone)]
pub(crate) struct HotwordCompiler {
    /// Nothing if the model does not listen.
    pub(super) vocabulary: Option<Arc<dyn Vocabulary>>,
    /// The most that a segment can earn.
    pub(super) cap: f32,
}

impl HotwordCompiler {
    /// The set of `phrases`; nothing if there are none. Allocates.
    pub(super) fn compile(&self, phrases: &[Hotword]) -> Result<Option<Arc<Hotwords>>, HotwordError> {
        if phrases.is_empty() {
            return Ok(None);
        }
        let vocabulary = self.vocabulary.as_ref().ok_or(HotwordError::Unsupported)?;
        let spelled = |Hotword { phrase, boost }: &Hotword| {
            if !(*boost > 0.0 && *boost <= 100.0) {
                return Err(HotwordError::Boost { phrase: phrase.clone(), boost: *boost });
            }
            let tokens = vocabulary.encode(phrase).filter(|tokens| !tokens.is_empty());
            let tokens = tokens.ok_or_else(|| HotwordError::Spelling { phrase: phrase.clone() })?;
            Ok((tokens, *boost))
        };
        let spelled = phrases.iter().map(spelled).collect::<Result<Vec<_>, _>>()?;
        let phrases = spelled.iter().map(|(tokens, boost)| (&tokens[..], *boost));
        Ok(Some(Arc::new(Hotwords::new(phrases, self.cap))))
    }
}
