//! Whether the device says what the references say.

use super::say;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Instant;
use voxlane_bench::recordings::read_samples;
use voxlane_models::burn::BurnMoonshine;
use voxlane_models::burn::platform::Platform;
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::layers::linear::Precision;
use voxlane_models::networks::moonshine::config::END_TOKEN;
use voxlane_models::networks::moonshine::weights::MoonshineWeights;
use voxlane_models::offline::Transcriber;

/// Below this distance between the reference's two best logits, rounding decides which token is taken.
const TIE: f32 = 1e-3;

/// Compares tokens with those of the processor in f32, on the recordings of `clips` that are there. Whether they
/// are the same, but for what follows a near tie of the references in its `tokens.tsv`.
pub fn run<B: Platform>(model: &BurnMoonshine<B>, weights: &MoonshineWeights, clips: &Path) -> Result<bool> {
    let table = clips.join("tokens.tsv");
    let table = std::fs::read_to_string(&table).with_context(|| table.display().to_string())?;
    let cpu: Moonshine = Moonshine::new(weights, Precision::F32);
    let (mut on_device, mut on_cpu) = (Transcriber::new(model), Transcriber::new(&cpu));
    let (mut same, mut compared) = (true, 0);
    say(format_args!("\n{:<20} {:>7} {:>9} {:>9}  tokens", "recording", "seconds", "device ms", "cpu ms"))?;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        ensure!(fields.len() > 4, "a line of tokens.tsv is too short");
        let file = clips.join(format!("{}.wav", fields[0]));
        if !file.exists() {
            continue;
        }
        let samples = read_samples(&file)?;
        let begun = Instant::now();
        let (ours, _) = on_device.transcribe(&samples);
        let device_ms = begun.elapsed().as_secs_f64() * 1e3;
        let begun = Instant::now();
        let (theirs, _) = on_cpu.transcribe(&samples);
        let cpu_ms = begun.elapsed().as_secs_f64() * 1e3;
        let step = (0..ours.len().max(theirs.len()))
            .find(|&step| ours.get(step).map(|token| token.id) != theirs.get(step).map(|token| token.id));
        let verdict = match step {
            None => format!("{}, the same", ours.len()),
            Some(step) => {
                // The gaps are those of the reference's tokens: they say something as long as the processor follows it.
                let id = |step| theirs.get(step).map_or(END_TOKEN, |token| token.id);
                let follows = fields[3].split(' ').take(step + 1).enumerate();
                let follows = follows.into_iter().all(|(step, word)| word.parse() == Ok(id(step)));
                let gap = fields[4].split(' ').nth(step).and_then(|gap| gap.parse::<f32>().ok());
                let is_tie = follows && gap.is_some_and(|gap| gap < TIE);
                same &= is_tie;
                format!("differ at {step}{}", if is_tie { ", a near tie" } else { "" })
            }
        };
        let seconds = samples.len() as f64 / 16_000.0;
        say(format_args!("{:<20} {seconds:>7.2} {device_ms:>9.1} {cpu_ms:>9.1}  {verdict}", fields[0]))?;
        compared += 1;
    }
    ensure!(compared > 0, "no recording of {} is there", clips.display());
    Ok(same)
}
