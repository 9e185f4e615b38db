//! Where the time went: a line for each track, then the engine's own table.

use super::update::Ended;
use std::io::{self, Write};
use voxlane::telemetry::Report;

/// Writes both tables.
pub fn write(out: &mut dyn Write, ended: &[Ended], measured: &Report) -> io::Result<()> {
    let with_audio = || ended.iter().filter(|ended| ended.outcome.audio_s > 0.0);
    if with_audio().next().is_some() {
        writeln!(
            out,
            "{:>9}{:>9}{:>8}  {:>11}{:>10}{:>10}  file",
            "audio s", "wall s", "rtf", "latency ms", "queue", "compute"
        )?;
    }
    for Ended { track, outcome, .. } in with_audio() {
        let latency = outcome.latency;
        writeln!(
            out,
            "{:>9.3}{:>9.3}{:>8.4}  {:>11.3}{:>10.3}{:>10.3}  {}",
            outcome.audio_s,
            outcome.wall_s,
            outcome.rtf(),
            latency.total,
            latency.queue,
            latency.compute,
            track.name()
        )?;
    }
    writeln!(out, "\n{measured}")?;
    writeln!(
        out,
        "wall and rtf: from the first push to the last text; latency: from the last sample to its text."
    )?;
    writeln!(
        out,
        "core: where each stage ran, as the operating system says. A quantile is - where there are too few samples for it."
    )
}
