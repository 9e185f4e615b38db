//! The signals that end a command.

use signal_hook::consts;
use std::fmt;

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: `kill`, `timeout`, a service that is stopped.
    Terminate,
    /// SIGHUP: the terminal has been closed.
    #[cfg(unix)]
    Hangup,
}

impl Signal {
    /// All that are listened to.
    pub const ALL: &[Signal] = &[
        Signal::Interrupt,
        Signal::Terminate,
        #[cfg(unix)]
        Signal::Hangup,
    ];

    /// The exit code of a process that ends because of it: 128 + its number, as shells report it.
    pub fn exit_code(self) -> u8 {
        128 + self.number() as u8
    }

    /// The number by which the system knows it.
    pub fn number(self) -> i32 {
        match self {
            Signal::Interrupt => consts::SIGINT,
            Signal::Terminate => consts::SIGTERM,
            #[cfg(unix)]
            Signal::Hangup => consts::SIGHUP,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
            #[cfg(unix)]
            Signal::Hangup => "SIGHUP",
        })
    }
}
