//! Answers about recordings, in each of the protocol's forms.

use super::logprobs::logprobs;
use super::request::{Request, ResponseFormat};
use serde_json::{Value, json};
use std::io;
use voxlane::subtitles::{CueLimits, Subtitles, Timing};
use voxlane::words;
use voxlane::{Engine, Task, Transcript};

/// The body of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// An object.
    Json(Value),
    /// Text, of the kind that it names.
    Text {
        /// The content type.
        kind: &'static str,
        /// The text.
        text: String,
    },
}

/// A recording that has been listened to.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Its finals.
    pub finals: &'a [Transcript],
    /// Its length in seconds.
    pub seconds: f64,
}

impl Heard<'_> {
    /// Returns the text: as `voxlane transcribe --format json` has it.
    pub fn text(&self) -> String {
        let texts = self.finals.iter().map(|said| said.text.trim());
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Returns the answer that `request` asks for.
    ///
    /// # Errors
    /// None that can happen: text is written into memory.
    pub fn answer(&self, request: &Request, engine: &Engine) -> io::Result<Answer> {
        let plain = |kind, text| Answer::Text { kind, text };
        Ok(match request.format {
            ResponseFormat::Json => Answer::Json(self.json(request, engine)),
            ResponseFormat::VerboseJson => Answer::Json(self.verbose(request)),
            ResponseFormat::Text => plain("text/plain; charset=utf-8", self.text() + "\n"),
            ResponseFormat::Srt => plain("application/x-subrip; charset=utf-8", self.subtitles(Timing::Srt)?),
            ResponseFormat::Vtt => plain("text/vtt; charset=utf-8", self.subtitles(Timing::Vtt)?),
        })
    }

    fn json(&self, request: &Request, engine: &Engine) -> Value {
        let mut object = json!({ "text": self.text(), "usage": usage(self.seconds) });
        if request.logprobs {
            object["logprobs"] = logprobs(engine, self.finals).into();
        }
        object
    }

    fn verbose(&self, request: &Request) -> Value {
        let task = if request.options.task == Task::Translate { "translate" } else { "transcribe" };
        let mut object = json!({
            "task": task,
            "language": request.language,
            "duration": micros(self.seconds),
            "text": self.text(),
            "usage": usage(self.seconds),
        });
        if request.segments {
            object["segments"] = self.finals.iter().enumerate().map(|(id, said)| segment(id, said)).collect();
        }
        if request.words {
            object["words"] = self.finals.iter().flat_map(timed).collect();
        }
        object
    }

    fn subtitles(&self, timing: Timing) -> io::Result<String> {
        let (mut subtitles, mut out) = (Subtitles::new(timing, CueLimits::default()), Vec::new());
        for said in self.finals {
            subtitles.segment(&mut out, said)?;
        }
        subtitles.end(&mut out)?;
        String::from_utf8(out).map_err(io::Error::other)
    }
}

/// What was used: seconds of audio.
pub fn usage(seconds: f64) -> Value {
    json!({ "type": "duration", "seconds": micros(seconds) })
}

/// Rounds to six decimals: what the clock resolves, and no noise of binary fractions.
pub fn micros(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// A segment as Whisper has it. What this engine does not measure is 0: `seek`, and `no_speech_prob`, as the detector heard
/// speech.
fn segment(id: usize, said: &Transcript) -> Value {
    let tokens: Vec<u32> = said.tokens.iter().map(|token| token.id).collect();
    let known: Vec<f64> =
        said.tokens.iter().map(|token| f64::from(token.log_prob)).filter(|p| p.is_finite()).collect();
    let mean = if known.is_empty() { 0.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
    json!({
        "id": id,
        "seek": 0,
        "start": micros(said.start),
        "end": micros(said.end),
        "text": said.text.trim(),
        "tokens": tokens,
        "temperature": 0.0,
        "avg_logprob": micros(mean),
        "compression_ratio": micros(compression_ratio(&said.text)),
        "no_speech_prob": 0.0,
    })
}

/// How many times shorter zlib makes a text: repetition shows.
fn compression_ratio(text: &str) -> f64 {
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    match compressed {
        Ok(compressed) if !text.is_empty() => text.len() as f64 / compressed.len() as f64,
        _ => 0.0,
    }
}

fn timed(said: &Transcript) -> impl Iterator<Item = Value> {
    let words = words::timed(said).into_iter();
    words.map(|word| json!({ "word": word.text, "start": micros(word.start), "end": micros(word.end) }))
}
