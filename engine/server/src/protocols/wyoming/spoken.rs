//! The text of an utterance, and how much of it the client has.

/// The text of an utterance that grows segment by segment.
///
/// What [`stable`](Self::stable) and [`end`](Self::end) give, put together, is the [text](Self::text), as long as no final
/// contradicts what was declared stable.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    text: String,
    /// What the client has of the open segment.
    sent: String,
    /// Whether the client has any.
    has_any: bool,
}

impl Spoken {
    /// Takes the part of an open segment that is declared stable; what the client does not have of it, if there is any.
    pub(super) fn stable(&mut self, stable: &str) -> Option<String> {
        let more = stable.strip_prefix(self.sent.as_str())?.to_owned();
        let is_first = self.sent.is_empty();
        self.sent.push_str(&more);
        self.piece(more, is_first)
    }

    /// Takes the text of a segment that has ended; what the client does not have of it, if there is any.
    pub(super) fn end(&mut self, text: &str) -> Option<String> {
        if !text.is_empty() {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(text);
        }
        let sent = std::mem::take(&mut self.sent);
        let more = match text.strip_prefix(sent.as_str()) {
            Some(more) => more.to_owned(),
            // What contradicts it cannot be taken back: go on behind as many words.
            None => {
                let words: Vec<&str> =
                    text.split_whitespace().skip(sent.split_whitespace().count()).collect();
                if words.is_empty() { String::new() } else { format!(" {}", words.join(" ")) }
            }
        };
        self.piece(more, sent.is_empty())
    }

    fn piece(&mut self, more: String, is_first: bool) -> Option<String> {
        if more.is_empty() {
            return None;
        }
        let follows = self.has_any && is_first;
        self.has_any = true;
        Some(if follows { format!(" {more}") } else { more })
    }

    /// The text of all segments that have ended.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_put_together_are_the_text() {
        let mut spoken = Spoken::default();
        let mut pieces = String::new();
        let mut add = |piece: Option<String>| pieces.push_str(&piece.unwrap_or_default());
        add(spoken.stable(""));
        add(spoken.stable("One"));
        add(spoken.stable("One two"));
        add(spoken.end("One two three."));
        add(spoken.end(""));
        add(spoken.end("Four."));
        add(spoken.stable("Five"));
        add(spoken.end("Five"));
        assert_eq!(
            (pieces.as_str(), spoken.text()),
            ("One two three. Four. Five", "One two three. Four. Five")
        );
    }

    #[test]
    fn what_contradicts_what_was_stable_is_right_in_the_text() {
        let mut spoken = Spoken::default();
        assert_eq!(spoken.stable("turn on").as_deref(), Some("turn on"));
        // Declared stable otherwise: waits for the end.
        assert_eq!(spoken.stable("turn off the"), None);
        assert_eq!(spoken.end("turn off the light").as_deref(), Some(" the light"));
        assert_eq!(spoken.text(), "turn off the light");
        assert_eq!(spoken.stable("so so").as_deref(), Some(" so so"));
        assert_eq!(spoken.end("no"), None);
        assert_eq!(spoken.text(), "turn off the light no");
    }
}
