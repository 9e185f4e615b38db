//! Where the time went: a line for each file, then the engine's own table.

use super::recording::{Heard, RecordingError};
use std::io::{self, Write};
use std::path::PathBuf;
use voxlane::telemetry::Report;

/// Writes both tables.
pub fn write(
    out: &mut impl Write,
    results: &[(PathBuf, Result<Heard, RecordingError>)],
    measured: &Report,
) -> io::Result<()> {
    let heard = || results.iter().filter_map(|(path, result)| Some((path, result.as_ref().ok()?)));
    if heard().next().is_some() {
        writeln!(
            out,
            "{:>9}{:>9}{:>8}  {:>11}{:>10}{:>10}  file",
            "audio s", "wall s", "rtf", "latency ms", "queue", "compute"
        )?;
    }
    for (path, heard) in heard() {
        let latency = heard.latency();
        writeln!(
            out,
            "{:>9.3}{:>9.3}{:>8.4}  {:>11.3}{:>10.3}{:>10.3}  {}",
            heard.audio_s,
            heard.wall_s,
            heard.rtf(),
            latency.total,
            latency.queue,
            latency.compute,
            path.display()
        )?;
    }
    writeln!(out, "\n{measured}")?;
    writeln!(
        out,
        "wall and rtf: from the first push to the last text; latency: from the last sample to its text."
    )?;
    writeln!(
        out,
        "core: where each stage ran, as the operating system says. A quantile that the count does not carry is -."
    )
}
