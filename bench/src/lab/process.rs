//! Processes: their memory and their times.

use anyhow::{Context as _, Result, anyhow, ensure};
use std::io::{self, Read, Seek};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use voxlane_runtime::host::{Root, system};

/// How often the memory of a process is looked at: what it takes within its last moments is not seen.
const WATCH_EVERY: Duration = Duration::from_millis(5);

/// The resident memory of this process, if the system says.
pub fn resident_bytes() -> Option<u64> {
    let status = Root::system().read("/proc/self/status")?;
    system::meminfo(&status, "VmRSS").map(|kib| kib << 10)
}

/// A command that ran to its end.
pub struct Ran {
    /// From its start to the first byte that it wrote to standard output; absent if it wrote none.
    pub first_output: Option<Duration>,
    /// From its start to its end.
    pub wall: Duration,
    /// The largest resident memory, in bytes; 0 where the system does not say.
    pub peak_bytes: u64,
    /// What it wrote to standard output.
    pub output: String,
    /// What it wrote to standard error.
    pub messages: String,
}

/// Runs a command, with nothing on its standard input.
///
/// # Errors
/// If it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<Ran> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut errors = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.try_clone()?);
    let begun = Instant::now();
    let mut child = command.spawn().with_context(|| name.clone())?;
    let mut stdout = child.stdout.take().context("a pipe")?;
    let mut output = Vec::new();
    let mut first_output = None;
    let mut block = [0; 4096];
    let (ended, peak_bytes) = watched(child.id(), || {
        loop {
            let length = stdout.read(&mut block)?;
            if length == 0 {
                return Ok((child.wait()?.success(), begun.elapsed()));
            }
            first_output.get_or_insert_with(|| begun.elapsed());
            output.extend_from_slice(&block[..length]);
        }
    });
    let (succeeded, wall) = ended.map_err(|error: io::Error| anyhow!("{name}: {error}"))?;
    let mut messages = Vec::new();
    errors.rewind()?;
    errors.read_to_end(&mut messages)?;
    let [output, messages] = [output, messages].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    ensure!(succeeded, "{name}: {}", messages.trim());
    Ok(Ran { first_output, wall, peak_bytes, output, messages })
}

/// The largest resident memory that a process has had so far; none when it has ended, or where the system does not
/// tell. What `wait4` reports will not do: it begins with what the parent had when it started the process.
fn peak_of(process: u32) -> Option<u64> {
    let status = Root::system().read(&format!("/proc/{process}/status"))?;
    system::meminfo(&status, "VmHWM").map(|kib| kib << 10)
}

/// Runs `work` while the memory of a process is watched; its largest resident memory as last seen, in bytes.
fn watched<T>(process: u32, work: impl FnOnce() -> T) -> (T, u64) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0;
            while !is_over.load(Ordering::Relaxed) {
                peak = peak_of(process).unwrap_or(0).max(peak);
                std::thread::sleep(WATCH_EVERY);
            }
            peak
        });
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        (done, watcher.join().unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_times_and_memory_are_seen() {
        let ran = run(Command::new("sh").args(["-c", "echo one; sleep 0.05; echo two"])).unwrap();
        assert_eq!(ran.output, "one\ntwo\n");
        assert!(ran.first_output.unwrap() <= ran.wall && ran.wall >= Duration::from_millis(50));
        assert!(cfg!(not(target_os = "linux")) || ran.peak_bytes > 0);
        assert!(run(Command::new("sh").arg("-c").arg(":")).unwrap().first_output.is_none());
    }

    #[test]
    fn memory_is_that_of_the_program_alone() {
        let ours = vec![1u8; 300 << 20];
        let ran = run(Command::new("sleep").arg("0.05")).unwrap();
        assert!(ran.peak_bytes < 100 << 20, "{}", ran.peak_bytes);
        drop(ours);
    }

    #[test]
    fn a_failure_tells_what_the_program_said() {
        let error = run(Command::new("sh").args(["-c", "echo no good >&2; exit 3"])).err().unwrap();
        assert!(error.to_string().contains("no good"), "{error}");
    }
}
