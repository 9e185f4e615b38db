//! The messages of a client.

use super::wanted::Thresholds;
use crate::protocols::deepgram::dialect::Request;
use serde::Deserialize;

/// A message of text, as it comes: further fields are ignored, as clients of later versions may send some.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum ClientMessage {
    CloseStream,
    ForceEndTurn,
    KeepAlive,
    Configure {
        #[serde(default)]
        thresholds: Option<Changed>,
        #[serde(default)]
        keyterms: Option<Terms>,
        #[serde(default)]
        language_hints: Option<Vec<String>>,
        #[serde(default)]
        numerals: Option<bool>,
    },
}

/// Thresholds that are to change.
#[derive(Debug, Default, Deserialize)]
struct Changed {
    #[serde(default)]
    eot_threshold: Option<f32>,
    #[serde(default)]
    eager_eot_threshold: Option<f32>,
    #[serde(default)]
    eot_timeout_ms: Option<f32>,
}

/// A phrase, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Terms {
    One(String),
    Several(Vec<String>),
}

/// Reads a message; `present` are the thresholds of the stream, which stay.
pub(super) fn read(text: &str, present: &Thresholds) -> Result<Request, String> {
    let message =
        serde_json::from_str(text).map_err(|error| format!("message: not one of the protocol's: {error}"))?;
    Ok(match message {
        ClientMessage::KeepAlive => Request::KeepAlive,
        ClientMessage::CloseStream => Request::Close,
        ClientMessage::ForceEndTurn => Request::Finalize(None),
        ClientMessage::Configure { thresholds, keyterms, language_hints, numerals } => {
            let keyterms = keyterms.map(|terms| match terms {
                Terms::One(term) => vec![term],
                Terms::Several(terms) => terms,
            });
            let is_other = thresholds.is_some_and(|changed| changed.differs(present));
            let fault = if is_other {
                Some("thresholds: stay as they are while a stream goes on; connect anew")
            } else if language_hints.is_some_and(|hints| !hints.is_empty()) {
                Some("language_hints: the model takes none")
            } else if numerals == Some(true) {
                Some("numerals: are as the model writes them")
            } else {
                None
            };
            Request::Configure(fault.map_or(Ok(keyterms), |fault| Err(fault.to_owned())))
        }
    })
}

impl Changed {
    fn differs(&self, present: &Thresholds) -> bool {
        self.eot_threshold.is_some_and(|threshold| threshold != present.eot_threshold)
            || self
                .eager_eot_threshold
                .is_some_and(|threshold| Some(threshold) != present.eager_eot_threshold)
            || self.eot_timeout_ms.is_some_and(|timeout| timeout != f32::from(present.eot_timeout_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRESENT: Thresholds =
        Thresholds { eot_threshold: 0.7, eager_eot_threshold: None, eot_timeout_ms: 5000 };

    #[test]
    fn messages_are_read() {
        let read = |text: &str| read(text, &PRESENT);
        assert_eq!(read(r#"{"type":"ForceEndTurn"}"#), Ok(Request::Finalize(None)));
        assert_eq!(read(r#"{"type":"CloseStream"}"#), Ok(Request::Close));
        let change = read(
            r#"{"type":"Configure","keyterms":"tea","thresholds":{"eot_threshold":0.7,"eot_timeout_ms":5000}}"#,
        );
        assert_eq!(change, Ok(Request::Configure(Ok(Some(vec!["tea".to_owned()])))));
        for change in [
            r#""thresholds":{"eot_threshold":0.8}"#,
            r#""thresholds":{"eager_eot_threshold":0.4}"#,
            r#""language_hints":["es"]"#,
            r#""numerals":true"#,
        ] {
            let change = read(&format!(r#"{{"type":"Configure",{change}}}"#)).unwrap();
            assert!(matches!(change, Request::Configure(Err(_))), "{change:?}");
        }
        assert!(read(r#"{"type":"Finalize"}"#).is_err() && read("").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 512 }))]

        /// Whatever is changed in a message, the answer is a request or a description.
        #[test]
        fn no_message_does_harm(at in 0_usize..80, with in "\\PC{0,4}", cut in 0_usize..80) {
            let text = r#"{"type":"Configure","keyterms":["tea"],"thresholds":{"eot_threshold":0.7}}"#;
            let (at, cut) = (at.min(text.len()), cut.min(text.len()));
            let _ = read(&format!("{}{with}{}", &text[..at], &text[cut..]), &PRESENT);
        }
    }
}
