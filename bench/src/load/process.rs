//! What a process takes, as the system has it under `/proc`.

use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;

/// The unit of processor time there, in a second: the same on all architectures that we build for.
const TICKS_A_SECOND: u64 = 100;

/// What a process takes at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Its resident memory, in bytes.
    pub resident_bytes: u64,
    /// The processor time of all its threads since its start.
    pub processor: Duration,
}

impl Usage {
    /// Of the process `pid`, now.
    ///
    /// # Errors
    /// If there is no such process, or the system does not say.
    pub fn of(pid: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).with_context(|| path.clone())
        };
        Self::parse(&read("status")?, &read("stat")?).with_context(|| format!("/proc/{pid}"))
    }

    fn parse(status: &str, stat: &str) -> Result<Self> {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("VmRSS")?;
        // The name in front may have blanks and brackets of its own.
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let field = |number: usize| -> Result<u64> {
            let text = fields.split_whitespace().nth(number).context("a field is missing")?;
            text.parse().with_context(|| text.to_owned())
        };
        // User and system time: fields 14 and 15, of which two stand in front of the bracket.
        let ticks = field(11)? + field(12)?;
        let processor = Duration::from_millis(ticks * 1000 / TICKS_A_SECOND);
        Ok(Usage { resident_bytes: kib << 10, processor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_found_whatever_the_name() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t3\n";
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 3 0 99 1 2 3";
        let usage = Usage::parse(status, stat).unwrap();
        assert_eq!(usage, Usage { resident_bytes: 2 << 20, processor: Duration::from_secs(2) });
        assert!(Usage::parse("", stat).is_err() && Usage::parse(status, "7 (x) S").is_err());
        assert!(Usage::of(std::process::id()).unwrap().resident_bytes > 0);
    }
}
