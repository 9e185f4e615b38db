//! What is timed of each build.

use super::server::Server;
use crate::bootstrap::median;
use crate::lab::process;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One build: the folder of its programs.
pub struct Build {
    voxlane: PathBuf,
    /// Its own, because builds of different packed formats would pack each other's files away.
    cache: PathBuf,
    /// Answers with the time of a whole utterance.
    utterances: Server,
    /// Answers with the times of the streaming network's chunks.
    chunks: Server,
}

/// The times of one `voxlane transcribe`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transcribed {
    /// From the first sample to the last final, as the command says.
    pub work: f64,
    /// The rest of the process's time: start, loading, end.
    pub rest: f64,
}

#[derive(Deserialize)]
struct Answer {
    total_ms: f64,
}

#[derive(Deserialize)]
struct Chunks {
    front_end_us: Vec<f64>,
    encoder_us: Vec<f64>,
    decoder_us: Vec<f64>,
}

#[derive(Deserialize)]
struct Line {
    wall_s: f64,
}

#[derive(Deserialize)]
struct LiveEvent {
    #[serde(rename = "type")]
    kind: String,
    latency_ms: Option<Latency>,
}

#[derive(Deserialize)]
struct Latency {
    total: f64,
    #[serde(default)]
    endpoint_wait: f64,
}

impl Build {
    /// Starts the servers of a build, and fetches `models` into a cache beside its programs.
    ///
    /// # Errors
    /// If a program is missing in the folder, or a model cannot be fetched.
    pub fn start(folder: &Path, models: &[&str]) -> Result<Self> {
        let bench = folder.join("voxlane-bench");
        let build = Build {
            voxlane: folder.join("voxlane"),
            cache: folder.join("cache"),
            utterances: Server::start(&bench, &["serve", "--precision", "int8"])?,
            chunks: Server::start(&bench, &["commands", "--serve"])?,
        };
        for model in models {
            process::run(build.command().args(["models", "fetch", model]))?;
        }
        Ok(build)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.voxlane);
        command.env("VOXLANE_CACHE", &self.cache);
        command
    }

    /// The milliseconds of a whole utterance in a running engine without warming.
    ///
    /// # Errors
    /// If the build's program fails.
    pub fn utterance(&mut self, file: &Path) -> Result<f64> {
        Ok(self.utterances.ask::<Answer>(file)?.total_ms)
    }

    /// The median microseconds of a chunk of the streaming network.
    ///
    /// # Errors
    /// If the build's program fails, or the file is shorter than a chunk.
    pub fn chunk(&mut self, file: &Path) -> Result<f64> {
        let Chunks { front_end_us, encoder_us, decoder_us } = self.chunks.ask(file)?;
        let parts = front_end_us.iter().zip(&encoder_us).zip(&decoder_us);
        let mut sums: Vec<f64> = parts.map(|((a, b), c)| a + b + c).collect();
        (!sums.is_empty()).then(|| median(&mut sums)).context("no whole chunk")
    }

    /// One `voxlane transcribe` of a file, with the command's defaults.
    ///
    /// # Errors
    /// If the command fails.
    pub fn transcribe(&self, file: &Path) -> Result<Transcribed> {
        let ran =
            process::run(self.command().args(["transcribe", "--offline", "--format", "json"]).arg(file))?;
        let line: Line = serde_json::from_str(ran.output.trim()).context("what transcribe wrote")?;
        let work = line.wall_s * 1e3;
        Ok(Transcribed { work, rest: ran.wall.as_secs_f64() * 1e3 - work })
    }

    /// The median milliseconds from the decision that a segment has ended to its final, over the segments of a file that
    /// `voxlane live` takes in real time.
    ///
    /// # Errors
    /// If the command fails or there is no final.
    pub fn live(&self, file: &Path) -> Result<f64> {
        let ran = process::run(
            self.command().args(["live", "--offline", "--format", "json", "--input"]).arg(file),
        )?;
        median_final(&ran.output)
    }
}

fn median_final(events: &str) -> Result<f64> {
    let mut delays = Vec::new();
    for line in events.lines() {
        let event: LiveEvent = serde_json::from_str(line).context("what live wrote")?;
        if let (Some(latency), "final") = (event.latency_ms, &*event.kind) {
            delays.push(latency.total - latency.endpoint_wait);
        }
    }
    (!delays.is_empty()).then(|| median(&mut delays)).context("live gave no final")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finals_are_timed_from_the_decision_on() {
        let events = r#"{"type":"speech_start","stream":0,"segment":0,"start":0.1}
{"type":"partial","latency_ms":{"total":900.0,"queue":0.0,"compute":1.0,"endpoint_wait":0.0}}
{"type":"final","latency_ms":{"total":310.0,"queue":0.0,"compute":1.0,"endpoint_wait":300.0}}
{"type":"final","latency_ms":{"total":330.0,"queue":0.0,"compute":1.0,"endpoint_wait":300.0}}
{"type":"closed","stream":0}"#;
        assert_eq!(median_final(events).unwrap(), 20.0);
        assert!(median_final("").is_err());
    }
}
