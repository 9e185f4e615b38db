//! The messages of a client.

use crate::protocols::deepgram::dialect::Request;
use crate::protocols::deepgram::options::OPTIONS;
use crate::protocols::deepgram::options::Treatment;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A message of text, as it comes: further fields are ignored, as clients of later versions may send some.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum ClientMessage {
    KeepAlive,
    Finalize {
        #[serde(default)]
        channel: Option<ChannelChoice>,
    },
    CloseStream,
    Configure {
        #[serde(default)]
        keyterms: Option<Vec<String>>,
        #[serde(default)]
        features: Option<BTreeMap<String, bool>>,
    },
}

/// A channel, as a number or as a list of its number and how many there are.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ChannelChoice {
    Number(usize),
    Index([usize; 2]),
}

/// Reads a message.
pub(super) fn read(text: &str) -> Result<Request, String> {
    let message =
        serde_json::from_str(text).map_err(|error| format!("message: not one of the protocol's: {error}"))?;
    Ok(match message {
        ClientMessage::KeepAlive => Request::KeepAlive,
        ClientMessage::CloseStream => Request::Close,
        ClientMessage::Finalize { channel } => Request::Finalize(channel.map(|channel| match channel {
            ChannelChoice::Number(number) | ChannelChoice::Index([number, _]) => number,
        })),
        ClientMessage::Configure { keyterms, features } => {
            let fault =
                features.unwrap_or_default().iter().find_map(|(name, &is_on)| feature_fault(name, is_on));
            Request::Configure(fault.map_or(Ok(keyterms), Err))
        }
    })
}

/// What cannot be done about a feature: what is as it is asked to be needs nothing.
fn feature_fault(name: &str, is_on: bool) -> Option<String> {
    let row = OPTIONS.iter().find(|row| row.name == name);
    let is_so = match row.map(|row| row.live) {
        Some(Treatment::Accepted) => is_on,
        Some(Treatment::Warned | Treatment::Refused) => !is_on,
        _ => false,
    };
    (!is_so).then(|| format!("features: {name:?} cannot be {is_on} here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_read() {
        assert_eq!(read(r#"{"type":"KeepAlive"}"#), Ok(Request::KeepAlive));
        assert_eq!(read(r#"{"type":"Finalize"}"#), Ok(Request::Finalize(None)));
        assert_eq!(read(r#"{"type":"Finalize","channel":null}"#), Ok(Request::Finalize(None)));
        assert_eq!(read(r#"{"type":"Finalize","channel":1}"#), Ok(Request::Finalize(Some(1))));
        assert_eq!(read(r#"{"type":"Finalize","channel":[1,2]}"#), Ok(Request::Finalize(Some(1))));
        assert_eq!(read(r#"{"type":"CloseStream","later":1}"#), Ok(Request::Close));
        let change =
            read(r#"{"type":"Configure","keyterms":["tea"],"features":{"punctuate":true,"numerals":false}}"#);
        assert_eq!(change, Ok(Request::Configure(Ok(Some(vec!["tea".to_owned()])))));
        for features in [r#"{"numerals":true}"#, r#"{"punctuate":false}"#, r#"{"speed":true}"#] {
            let change = read(&format!(r#"{{"type":"Configure","features":{features}}}"#)).unwrap();
            assert!(matches!(change, Request::Configure(Err(_))), "{features}");
        }
        for text in ["", "{}", "[]", "7", r#"{"type":"Stop"}"#, r#"{"type":"Finalize","channel":-1}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 512 }))]

        /// Whatever is changed in a message, the answer is a request or a description.
        #[test]
        fn no_message_does_harm(at in 0_usize..80, with in "\\PC{0,4}", cut in 0_usize..80) {
            for text in [
                r#"{"type":"Configure","keyterms":["tea"],"features":{"numerals":true}}"#,
                r#"{"type":"Finalize","channel":[0,1]}"#,
                r#"{"type":"KeepAlive"}"#,
            ] {
                let (at, cut) = (at.min(text.len()), cut.min(text.len()));
                let _ = read(&format!("{}{with}{}", &text[..at], &text[cut..]));
            }
        }
    }
}
