//! `voxlane-bench serve`: our side of the comparisons with other systems. Reads a path from each line of standard
//! input, transcribes the file and answers with a line of JSON; start-up and reading are not timed.

use super::ModelArgs;
use anyhow::Result;
use serde::Serialize;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Duration;
use voxlane_bench::passes::Passes;
use voxlane_bench::recognizer::Recognizer;
use voxlane_bench::recordings::read_samples;
use voxlane_bench::stopwatch::Stopwatch;
use voxlane_models::decode::AttentionGreedy;
use voxlane_models::families;
use voxlane_models::layers::linear::Precision;

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Number format of the weights
    #[arg(long, value_parser = super::precision, default_value = "f32")]
    precision: Precision,
    /// Run the parts on the calling thread and time each, instead of the whole engine
    #[arg(long)]
    parts: bool,
    /// What the times count
    #[arg(long, value_enum, default_value_t)]
    clock: Stopwatch,
}

/// The answer for one file; times in milliseconds.
#[derive(Serialize)]
struct Answer<'a> {
    file: &'a str,
    text: String,
    tokens: Vec<u32>,
    total_ms: f64,
    #[serde(flatten)]
    parts: Option<Parts>,
}

/// Where the time went.
#[derive(Serialize)]
struct Parts {
    /// Front end, while the audio arrives and after its end, and encoder.
    encoder_ms: f64,
    /// To the first token.
    first_token_ms: f64,
    /// Each token after it, the end token included; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ms: Option<f64>,
    /// Of `encoder_ms`, what was done while the audio arrived.
    push_ms: f64,
    /// Of `encoder_ms`, the front end's pass.
    features_ms: f64,
}

/// Answers until standard input ends.
pub fn run(args: &Args) -> Result<()> {
    let files = args.model.files()?;
    if !args.parts {
        let recognizer = Recognizer::start(&args.model.model, args.precision)?;
        return answer_all(|file| {
            let recognition = recognizer.recognize(&read_samples(Path::new(file))?, args.clock)?;
            let (text, tokens) = (recognition.text, recognition.tokens);
            Ok(Answer { file, text, tokens, total_ms: milliseconds(recognition.time), parts: None })
        });
    }
    let mut note = |note: &str| {
        // Nobody reads it if standard error is gone too.
        let _ = writeln!(io::stderr(), "voxlane-bench: {note}");
    };
    let (model, tokenizer) =
        families::prepare_moonshine::<AttentionGreedy>(&files, args.precision, &mut note)?;
    let mut passes = Passes::new(&model);
    answer_all(|file| {
        let pass = passes.run(&read_samples(Path::new(file))?, args.clock);
        let tokens: Vec<u32> = pass.tokens.iter().map(|token| token.id).collect();
        let others = pass.predictions() - 1;
        let parts = Parts {
            encoder_ms: milliseconds(pass.push + pass.features + pass.encoder),
            first_token_ms: milliseconds(pass.first_token),
            token_ms: (others > 0).then(|| milliseconds(pass.other_tokens) / others as f64),
            push_ms: milliseconds(pass.push),
            features_ms: milliseconds(pass.features),
        };
        let text = tokenizer.decode(tokens.iter().copied());
        Ok(Answer { file, text, tokens, total_ms: milliseconds(pass.total()), parts: Some(parts) })
    })
}

fn answer_all(mut answer: impl FnMut(&str) -> Result<Answer<'_>>) -> Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        serde_json::to_writer(&mut out, &answer(&line?)?)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
