//! The table of options, which the documentation shows as it stands here.

use std::fmt::Write;

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It does what it says.
    Honoured,
    /// It is taken and changes nothing, which is what it would do.
    Accepted,
    /// It is taken and has no effect, and the client is told so.
    Warned,
    /// A request with it fails.
    Refused,
    /// The route has no such option: as one that is not known.
    Absent,
}

impl Treatment {
    fn words(self) -> &'static str {
        match self {
            Treatment::Honoured => "honoured",
            Treatment::Accepted => "accepted",
            Treatment::Warned => "warning",
            Treatment::Refused => "refused",
            Treatment::Absent => "—",
        }
    }
}

/// An option, and what becomes of it on each route.
#[derive(Clone, Copy, Debug)]
pub struct OptionRow {
    /// The name in the query.
    pub name: &'static str,
    /// At `GET /v1/listen`.
    pub live: Treatment,
    /// At `POST /v1/listen`.
    pub recorded: Treatment,
    /// At `GET /v2/listen`.
    pub flux: Treatment,
    /// What it does here, or why it does nothing.
    pub note: &'static str,
}

const fn row(name: &'static str, of: [Treatment; 3], note: &'static str) -> OptionRow {
    OptionRow { name, live: of[0], recorded: of[1], flux: of[2], note }
}

use Treatment::{Absent as No, Accepted as Same, Honoured as Yes, Refused as Never, Warned as Warn};

/// All options that clients are known to send.
pub const OPTIONS: &[OptionRow] = &[
    row(
        "model",
        [Yes, Yes, Yes],
        "the served model's name, or one of Deepgram's families (`nova-…`, `flux-…`, `whisper-…`), which stands for it; answers name what ran",
    ),
    row(
        "language",
        [Yes, Yes, No],
        "a language that the model knows, with or without a region; `multi` lets the model find out",
    ),
    row("language_hint", [Warn, Warn, Warn], "the model takes no hints"),
    row(
        "detect_language",
        [No, Same, No],
        "without `language` a model of several languages finds out by itself",
    ),
    row(
        "encoding",
        [Yes, Warn, Yes],
        "live: `linear16`, `linear32`, `mulaw`, `alaw` with `sample_rate`; `flac`, `ogg-opus` and `opus` in Ogg as a stream; `amr-nb`, `amr-wb`, `speex`, `g729` are refused. Without it a container is recognized. Recordings say it in their header",
    ),
    row("sample_rate", [Yes, Warn, Yes], "4,000 to 192,000 Hz; needed with encodings that have no header"),
    row(
        "channels",
        [Yes, Warn, No],
        "interleaved channels of audio without a header, mixed unless `multichannel`",
    ),
    row(
        "multichannel",
        [Yes, Yes, No],
        "each channel a stream of its own; live for encodings without a header",
    ),
    row("interim_results", [Yes, No, No], "partials as `is_final: false`"),
    row(
        "endpointing",
        [Yes, No, No],
        "pause in milliseconds, or `false`: decides `speech_final` alone, default 10",
    ),
    row("utterance_end_ms", [Yes, No, No], "1,000 to 5,000; needs `interim_results=true`"),
    row("vad_events", [Yes, No, No], "`SpeechStarted`"),
    row(
        "keyterm",
        [Yes, Yes, Yes],
        "a phrase to listen for, any number of times; a warning where the model cannot",
    ),
    row(
        "keywords",
        [Yes, Yes, No],
        "as `keyterm`, `PHRASE:N` with N times the boost; below or at 0 a warning",
    ),
    row("punctuate", [Same, Same, No], "the model punctuates by itself, or not at all; `false` is a warning"),
    row("smart_format", [Same, Yes, No], "the model's own format; recordings get `paragraphs`"),
    row("paragraphs", [No, Yes, No], "a paragraph is a segment"),
    row("utterances", [No, Yes, No], "an utterance is a segment"),
    row("utt_split", [No, Warn, No], "segments are those of `voxlane transcribe`"),
    row("eot_threshold", [No, No, Yes], "0.5 to 0.9: the turn network's threshold, where the engine runs it"),
    row(
        "eager_eot_threshold",
        [No, No, Yes],
        "0.3 to 0.9: sends `EagerEndOfTurn`, where the engine asks for ends of turns",
    ),
    row("eot_timeout_ms", [No, No, Yes], "500 to 10,000: silence that ends a turn whatever the network says"),
    row("tag", [Yes, Yes, Yes], "comes back as `tags` of the metadata, and of `Connected`"),
    row("extra", [Yes, Yes, No], "comes back as `extra` of the metadata"),
    row("mip_opt_out", [Same, Same, Same], "nothing that is sent is kept in any case"),
    row("no_delay", [Same, No, No], "finals never wait for more audio than their endpoint"),
    row("version", [Warn, Warn, No], "there is one version; answers name it"),
    row("filler_words", [Warn, Warn, No], "the model writes what it was trained to write"),
    row("numerals", [Warn, Warn, Warn], "numbers are as the model writes them"),
    row("profanity_filter", [Warn, Warn, Warn], "nothing is left out"),
    row("dictation", [Warn, Warn, No], "spoken commands are words"),
    row("measurements", [No, Warn, No], "units are as the model writes them"),
    row("diarize", [Warn, Warn, No], "speakers are not told apart"),
    row("diarize_model", [Warn, Warn, No], "speakers are not told apart"),
    row("diarize_version", [Warn, Warn, No], "speakers are not told apart"),
    row("detect_entities", [Warn, Warn, No], "entities are not looked for"),
    row("search", [Warn, Warn, No], "nothing is searched for"),
    row("replace", [Warn, Warn, No], "nothing is replaced"),
    row("alternatives", [Warn, Warn, No], "there is one alternative"),
    row("summarize", [No, Warn, No], "no language model runs here"),
    row("sentiment", [No, Warn, No], "no language model runs here"),
    row("topics", [No, Warn, No], "no language model runs here"),
    row("intents", [No, Warn, No], "no language model runs here"),
    row("custom_topic", [No, Warn, No], "no language model runs here"),
    row("custom_topic_mode", [No, Warn, No], "no language model runs here"),
    row("custom_intent", [No, Warn, No], "no language model runs here"),
    row("custom_intent_mode", [No, Warn, No], "no language model runs here"),
    row(
        "redact",
        [Never, Never, Never],
        "nothing can be redacted, and a client must not believe that it was",
    ),
    row("callback", [Never, Never, No], "the server calls nobody; the answer comes to the request"),
    row("callback_method", [Never, Never, No], "the server calls nobody"),
    row(
        "token",
        [Never, Never, Never],
        "a key in an address ends up in logs; send it as a header or a subprotocol",
    ),
];

/// Returns the table as Markdown.
pub fn table() -> String {
    let mut text = "| Option | Live | Recordings | Flux | Here |\n|---|---|---|---|---|\n".to_owned();
    for OptionRow { name, live, recorded, flux, note } in OPTIONS {
        let [live, recorded, flux] = [live, recorded, flux].map(|treatment| treatment.words());
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{name}` | {live} | {recorded} | {flux} | {note} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_documentation_shows_the_table() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deepgram.md");
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(&table()), "docs/deepgram.md should have this table:\n{}", table());
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<_> = OPTIONS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OPTIONS.len());
    }
}
