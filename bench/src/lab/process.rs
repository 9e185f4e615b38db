//! Processes: their memory and their times.

use anyhow::{Context as _, Result, ensure};
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use voxlane::host::{Root, system};

/// The resident memory of this process, if the system tells.
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
    /// The largest resident memory, in bytes.
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
    loop {
        let length = stdout.read(&mut block)?;
        if length == 0 {
            break;
        }
        first_output.get_or_insert_with(|| begun.elapsed());
        output.extend_from_slice(&block[..length]);
    }
    let (succeeded, peak_bytes) = wait(&mut child)?;
    let wall = begun.elapsed();
    let mut messages = Vec::new();
    errors.rewind()?;
    errors.read_to_end(&mut messages)?;
    let [output, messages] = [output, messages].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    ensure!(succeeded, "{name}: {}", messages.trim());
    Ok(Ran { first_output, wall, peak_bytes, output, messages })
}

/// Waits for a process; whether it succeeded, and the largest resident memory that it had.
#[cfg(target_os = "linux")]
fn wait(child: &mut std::process::Child) -> Result<(bool, u64)> {
    let process = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which all zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are valid; the process is our child, and nobody else waits for it.
    let waited = unsafe { libc::wait4(process, &mut status, 0, &mut usage) };
    ensure!(waited == process, "a process that was started is not there");
    // Linux counts in KiB.
    Ok((libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, (usage.ru_maxrss as u64) << 10))
}

/// Waits for a process; whether it succeeded. The memory is not known here.
#[cfg(not(target_os = "linux"))]
fn wait(child: &mut std::process::Child) -> Result<(bool, u64)> {
    Ok((child.wait()?.success(), 0))
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
    fn a_failure_tells_what_the_program_said() {
        let error = run(Command::new("sh").args(["-c", "echo no good >&2; exit 3"])).err().unwrap();
        assert!(error.to_string().contains("no good"), "{error}");
    }
}
