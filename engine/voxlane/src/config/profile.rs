//! What a configuration is for, which decides what holds where its file states nothing.

use super::Config;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The values that a file need not state. A file names one with the key `profile`; otherwise whoever reads the file does:
/// `voxlane transcribe` takes `recordings`, `voxlane live` takes `live`, [`Config::load`] takes `manual`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Streams whose clients say where segments end: [`Config::default`].
    #[default]
    Manual,
    /// Recordings, which nobody waits for word by word: [`Config::recordings`].
    Recordings,
    /// Conversations: [`Config::live`].
    Live,
}

impl Profile {
    /// Returns all values of the profile.
    pub fn config(self) -> Config {
        match self {
            Profile::Manual => Config::default(),
            Profile::Recordings => Config::recordings(),
            Profile::Live => Config::live(),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Manual => "manual",
            Profile::Recordings => "recordings",
            Profile::Live => "live",
        })
    }
}
