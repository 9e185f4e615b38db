//! The log of a server: a JSON object a line on standard error, written by a thread of its own. Who logs never waits: where
//! too many lines wait to be written, new ones are dropped and counted. Neither keys nor what is said is ever logged.

use std::sync::OnceLock;
use thiserror::Error;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that may wait to be written.
const LINES: usize = 4096;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// The reason why there is no log.
#[derive(Debug, Error)]
#[error("log: {0}")]
pub struct LogError(String);

/// The log. Dropping it writes what waits.
#[derive(Debug)]
pub struct Log {
    _writer: WorkerGuard,
}

/// Starts the log of the process, for what `filter` lets through.
///
/// # Errors
/// [`LogError`] if the process has a log already.
pub fn install(filter: EnvFilter) -> Result<Log, LogError> {
    let builder =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).thread_name("vox-log");
    let (writer, guard) = builder.finish(std::io::stderr());
    let counter = writer.error_counter();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(writer)
        .log_internal_errors(false)
        .try_init()
        .map_err(|error| LogError(error.to_string()))?;
    // There is one log, and so one counter.
    let _ = DROPPED.set(counter);
    Ok(Log { _writer: guard })
}

/// Returns the number of lines that were dropped.
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}
