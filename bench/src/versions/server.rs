//! A program that answers each line of standard input with a line of JSON.

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The running program. It is ended, and waited for, when this is dropped.
pub struct Server {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let name = program.display().to_string();
        let mut command = Command::new(program);
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| name.clone())?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Server { name, child, input, output: BufReader::new(output.context("a pipe")?) })
    }

    /// Asks about a file.
    ///
    /// # Errors
    /// If the program has ended, or its answer is not what is expected.
    pub fn ask<T: DeserializeOwned>(&mut self, file: &Path) -> Result<T> {
        let input = self.input.as_mut().context("a pipe")?;
        writeln!(input, "{}", file.display())
            .and_then(|()| input.flush())
            .with_context(|| self.name.clone())?;
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "{}: ended without an answer", self.name);
        serde_json::from_str(&line).with_context(|| format!("{}: {}", self.name, line.trim()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        // Nothing is left to do if it cannot be waited for.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_answered_until_the_end() {
        let mut server = Server::start(Path::new("sed"), &["-u", "s/.*/\"&\"/"]).unwrap();
        assert_eq!(server.ask::<String>(Path::new("a.wav")).unwrap(), "a.wav");
        assert_eq!(server.ask::<String>(Path::new("b.wav")).unwrap(), "b.wav");
        assert!(server.ask::<u32>(Path::new("c.wav")).unwrap_err().to_string().contains("c.wav"));
        let mut ended = Server::start(Path::new("true"), &[]).unwrap();
        assert!(ended.ask::<String>(Path::new("a.wav")).is_err());
    }
}
