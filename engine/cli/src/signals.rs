//! Signals that end a command: Ctrl-C, a request to terminate, a terminal that has gone.

use super::failure::Failure;
use super::signal::Signal;
use signal_hook::low_level;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A signal soon after the first is the same request: `timeout` and closing terminals send two at once.
const ONE_REQUEST: Duration = Duration::from_millis(100);

/// The first signal that the process received since [`Signals::install`]. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    first: Arc<AtomicI32>,
}

impl Signals {
    /// Handles the signals of [`Signal`] from now on: the first is remembered, a second SIGINT or SIGTERM ends the
    /// process at once with its exit code. SIGHUP stays ignored where it was (`nohup`).
    ///
    /// # Errors
    /// [`Failure`] if the operating system refuses a handler.
    pub fn install() -> Result<Self, Failure> {
        let signals = Signals::default();
        let origin = Instant::now();
        // When the first signal arrived, in nanoseconds since `origin`.
        let arrival = Arc::new(AtomicU64::new(u64::MAX));
        for &signal in Signal::ALL.iter().filter(|signal| !is_ignored(**signal)) {
            let (first, arrival) = (Arc::clone(&signals.first), Arc::clone(&arrival));
            let number = signal.number();
            let handle = move || {
                let now = origin.elapsed().as_nanos() as u64;
                let since = arrival.load(Ordering::Relaxed);
                if first.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                    arrival.store(now, Ordering::Relaxed);
                } else if is_forceful(signal) && now.saturating_sub(since) > ONE_REQUEST.as_nanos() as u64 {
                    low_level::exit(i32::from(signal.exit_code()));
                }
            };
            // SAFETY: the handler reads the clock, uses atomics and ends the process by `_exit`, all of which are
            // async-signal-safe; it neither allocates nor locks nor panics.
            unsafe { low_level::register(number, handle) }
                .map_err(|error| Failure::usage(format!("{signal}: cannot be handled: {error}"), ""))?;
        }
        Ok(signals)
    }

    /// The first signal, if one has been received.
    pub fn received(&self) -> Option<Signal> {
        let first = self.first.load(Ordering::Relaxed);
        Signal::ALL.iter().copied().find(|signal| signal.number() == first)
    }
}

/// Whether a second one means impatience. Terminals and service managers send SIGHUP beside others.
fn is_forceful(signal: Signal) -> bool {
    matches!(signal, Signal::Interrupt | Signal::Terminate)
}

/// Whether the parent has SIGHUP ignored, as `nohup` does. (Shells ignore SIGINT for background jobs of scripts: who
/// sends it to one all the same means it.)
#[cfg(unix)]
fn is_ignored(signal: Signal) -> bool {
    // SAFETY: an all-zero `sigaction` is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: a null pointer sets nothing; the present action is written to `action`, which lives.
    let is_known = unsafe { libc::sigaction(signal.number(), std::ptr::null(), &mut action) } == 0;
    signal == Signal::Hangup && is_known && action.sa_sigaction == libc::SIG_IGN
}

#[cfg(not(unix))]
fn is_ignored(_: Signal) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_is_remembered() {
        let signals = Signals::default();
        assert_eq!(signals.received(), None);
        signals.first.store(Signal::Terminate.number(), Ordering::Relaxed);
        assert_eq!(signals.clone().received(), Some(Signal::Terminate));
    }

    #[test]
    fn exit_codes_are_those_of_shells() {
        let codes: Vec<_> = Signal::ALL.iter().map(|signal| signal.exit_code()).collect();
        assert_eq!(codes[..2], [130, 143]);
        assert!(cfg!(not(unix)) || codes[2] == 129);
    }
}
