//! Our side of the comparison with another runtime: recordings named on standard input, a line of JSON for each with
//! what every chunk took.

use super::compute::Parts;
use crate::recordings::read_samples;
use crate::stopwatch::Stopwatch;
use anyhow::Result;
use serde::Serialize;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;
use voxlane_models::families::emformer::Emformer;

/// The answer for one file; times in microseconds, one for each whole chunk.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    file: &'a str,
    tokens: Vec<u32>,
    front_end_us: Vec<f64>,
    encoder_us: Vec<f64>,
    decoder_us: Vec<f64>,
}

/// Answers until the input ends. Reading files is not timed.
///
/// # Errors
/// If a file cannot be read, or the output is gone.
pub fn serve(network: &Emformer, watch: Stopwatch, input: impl BufRead, mut out: impl Write) -> Result<()> {
    let mut parts = Parts::new(network, false);
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    for line in input.lines() {
        let line = line?;
        let (mut front_end_us, mut encoder_us, mut decoder_us) = (Vec::new(), Vec::new(), Vec::new());
        let samples = read_samples(Path::new(&line))?;
        let tokens = parts.run(&samples, watch, |[features, encoder], decoders| {
            front_end_us.push(micros(features));
            encoder_us.push(micros(encoder));
            decoder_us.push(micros(decoders[0]));
        })?;
        let answer = Answer { file: &line, tokens, front_end_us, encoder_us, decoder_us };
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
