//! What becomes of each option of the protocol: the table that `docs/openai.md` shows, and that the code asks.

use std::fmt;

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It does what the protocol says.
    Honoured,
    /// It is taken and has no effect, or another than the protocol says; a warning names it.
    Warned,
    /// It is an error.
    Refused,
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Treatment::Honoured => "honoured",
            Treatment::Warned => "accepted with a warning",
            Treatment::Refused => "refused",
        })
    }
}

/// An option of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name, and its value where that matters.
    pub name: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
    /// How, for a person.
    pub note: &'static str,
}

const fn rule(name: &'static str, treatment: Treatment, note: &'static str) -> Rule {
    Rule { name, treatment, note }
}

/// Fields of `POST /v1/audio/transcriptions`. `POST /v1/audio/translations` takes `file`, `model`, `prompt`, `response_format` and
/// `temperature`, where the model can translate.
pub const RECORDING: &[Rule] = &[
    rule(
        "file",
        Treatment::Honoured,
        "WAV, AIFF, CAF, FLAC, MP3, AAC, M4A, Ogg (Vorbis, Opus), WebM and others, recognized by content",
    ),
    rule(
        "model",
        Treatment::Honoured,
        "the served model's name, or one of OpenAI's that stands for it; another is `model_not_found`",
    ),
    rule("language", Treatment::Honoured, "a language that the model lacks is an error"),
    rule(
        "languages[]",
        Treatment::Honoured,
        "one: as `language`; of several the model must know one, and finds out which is spoken",
    ),
    rule("prompt", Treatment::Honoured, "where the model takes one; otherwise accepted with a warning"),
    rule(
        "keywords[]",
        Treatment::Honoured,
        "hotwords, where the model listens for them; otherwise accepted with a warning",
    ),
    rule("response_format = json, text, srt, verbose_json, vtt", Treatment::Honoured, "default `json`"),
    rule("response_format = diarized_json", Treatment::Refused, "speakers are not told apart"),
    rule(
        "timestamp_granularities[]",
        Treatment::Honoured,
        "`word` and `segment` with `verbose_json`; `segment` with `stream`; otherwise accepted with a warning",
    ),
    rule(
        "include[] = logprobs",
        Treatment::Honoured,
        "with `json`, where the decoder computes them; otherwise accepted with a warning",
    ),
    rule(
        "stream",
        Treatment::Honoured,
        "with `json`, `text` and `verbose_json`: a delta a segment; with `srt` and `vtt` refused",
    ),
    rule(
        "chunking_strategy = auto",
        Treatment::Honoured,
        "which is the default: segments as `voxlane transcribe` has them",
    ),
    rule(
        "chunking_strategy = server_vad",
        Treatment::Honoured,
        "`threshold`, `prefix_padding_ms`, `silence_duration_ms`, where the server has a detector; otherwise refused",
    ),
    rule(
        "temperature",
        Treatment::Warned,
        "0 to 1; decoding never samples, so that other values than 0 have no effect",
    ),
    rule(
        "known_speaker_names[], known_speaker_references[]",
        Treatment::Warned,
        "speakers are not told apart",
    ),
    rule("any other field", Treatment::Warned, "it is not known"),
];

/// Fields of a Realtime transcription session. Warnings stand in the field `warnings` of `session.updated`.
pub const REALTIME: &[Rule] = &[
    rule("type = transcription", Treatment::Honoured, "another type of session is refused"),
    rule(
        "audio.input.format",
        Treatment::Honoured,
        "`audio/pcm` with the rate 24000, `audio/pcmu`, `audio/pcma`",
    ),
    rule("audio.input.transcription.model", Treatment::Honoured, "as for recordings"),
    rule("audio.input.transcription.language, languages", Treatment::Honoured, "as for recordings"),
    rule("audio.input.transcription.prompt", Treatment::Honoured, "as for recordings"),
    rule("audio.input.transcription.keywords", Treatment::Honoured, "as for recordings"),
    rule(
        "audio.input.transcription.delay",
        Treatment::Honoured,
        "the rhythm in which open segments are looked at: 160, 250, 500, 1000, 2000 ms of speech",
    ),
    rule(
        "audio.input.turn_detection = server_vad",
        Treatment::Honoured,
        "`threshold`, `prefix_padding_ms`, `silence_duration_ms` (default 500); where the server has a detector",
    ),
    rule(
        "audio.input.turn_detection = semantic_vad",
        Treatment::Honoured,
        "`eagerness` sets the probability of a finished turn and the longest silence: low 0.95 and 8 s, medium and auto the server's and 4 s, high 0.7 and 2 s; where the server has a turn rule",
    ),
    rule("audio.input.turn_detection = null", Treatment::Honoured, "the client commits"),
    rule(
        "audio.input.turn_detection.idle_timeout_ms",
        Treatment::Warned,
        "there are no responses after which to wait",
    ),
    rule(
        "audio.input.turn_detection.create_response, interrupt_response",
        Treatment::Warned,
        "true has no effect: transcription sessions do not respond",
    ),
    rule("audio.input.noise_reduction", Treatment::Warned, "audio is taken as it is"),
    rule(
        "include = item.input_audio_transcription.logprobs",
        Treatment::Honoured,
        "where the decoder computes them",
    ),
    rule("any other field", Treatment::Refused, "`unknown_parameter`"),
];

/// Returns a table as the documentation has it.
pub fn table(rules: &[Rule]) -> String {
    let mut text = String::from("| option | | |\n|---|---|---|\n");
    for Rule { name, treatment, note } in rules {
        text += &format!("| `{name}` | {treatment} | {note} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_documentation_has_the_tables() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openai.md");
        let page = std::fs::read_to_string(file).unwrap();
        for rules in [RECORDING, REALTIME] {
            assert!(page.contains(&table(rules)), "docs/openai.md should have:\n{}", table(rules));
        }
    }
}
