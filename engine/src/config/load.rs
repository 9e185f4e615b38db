//! Reading and checking a configuration file.

use super::{Config, Placement, Topology};
use crate::frame::FRAME_SAMPLES;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where in a file something stands. Lines count from 1; without a file, nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The file, if the configuration came from one.
    pub file: Option<PathBuf>,
    /// The line.
    pub line: Option<usize>,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}", file.display()),
            (Some(file), None) => write!(f, "{}", file.display()),
            (None, Some(line)) => write!(f, "configuration line {line}"),
            (None, None) => write!(f, "configuration"),
        }
    }
}

/// What is wrong with a configuration. Retrying does not help until it is changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, a key is unknown, or a value has the wrong type.
    #[error("{at}: {message}")]
    Syntax {
        /// Where.
        at: Located,
        /// What.
        message: String,
    },
    /// A value is out of range.
    #[error("{at}: {field} = {value}: {message}")]
    Value {
        /// Where.
        at: Located,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        message: String,
    },
    /// A core that the machine does not have.
    #[error("{at}: core {core} does not exist; this machine has cores {existing}")]
    NoSuchCore {
        /// Where.
        at: Located,
        /// The core.
        core: usize,
        /// The cores there are.
        existing: String,
    },
    /// A core that exists but that the process may not use.
    #[error("{at}: core {core} exists, but this process may only use cores {allowed}")]
    CoreNotAllowed {
        /// Where.
        at: Located,
        /// The core.
        core: usize,
        /// The cores it may use.
        allowed: String,
    },
}

impl Config {
    /// Reads a file. Its placement is checked when an engine starts or by [`Source::placement`].
    ///
    /// # Errors
    /// [`ConfigError`] naming the file, the line and the field.
    pub fn load(file: &Path) -> Result<Source, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Source::parse(text, Some(file.to_owned()))
    }
}

/// A configuration and the text it came from, so that errors can name lines.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// What the text says.
    pub config: Config,
    file: Option<PathBuf>,
    text: String,
}

impl From<Config> for Source {
    fn from(config: Config) -> Self {
        Source { config, file: None, text: String::new() }
    }
}

impl Source {
    /// Parses a text; `file` is what errors call it.
    ///
    /// # Errors
    /// [`ConfigError`] naming the line and the field.
    pub fn parse(text: String, file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let parsed = toml::from_str::<Config>(&text);
        let mut source = Source { config: Config::default(), file, text };
        match parsed {
            Ok(config) => source.config = config,
            Err(error) => {
                let at = source.locate(error.span());
                return Err(ConfigError::Syntax { at, message: error.message().to_owned() });
            }
        }
        source.check_values()?;
        Ok(source)
    }

    /// The line that a range of bytes begins on.
    pub(crate) fn locate(&self, span: Option<Range<usize>>) -> Located {
        let line = span.filter(|_| !self.text.is_empty()).map(|span| {
            let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
            1 + before.iter().filter(|&&byte| byte == b'\n').count()
        });
        Located { file: self.file.clone(), line }
    }

    /// Where every stage of every lane will run, of a configuration whose values are all in range.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming the field, [`ConfigError::NoSuchCore`] or [`ConfigError::CoreNotAllowed`] naming the core and the line.
    pub fn placement(&self, topology: &Topology) -> Result<Vec<Placement>, ConfigError> {
        self.check_values()?;
        self.config.lanes.iter().map(|lane| Placement::of(self, lane, topology)).collect()
    }

    fn check_values(&self) -> Result<(), ConfigError> {
        let refuse = |span, field, value: String, message: &str| {
            Err(ConfigError::Value { at: self.locate(span), field, value, message: message.to_owned() })
        };
        let config = &self.config;
        if config.lanes.is_empty() {
            return refuse(None, "lane", "[]".into(), "at least one lane is needed");
        }
        for lane in &config.lanes {
            let slots = *lane.slots.get_ref();
            if !(1..=4096).contains(&slots) {
                return refuse(Some(lane.slots.span()), "slots", slots.to_string(), "1 to 4096");
            }
            if lane.audio_ms * 16 < 2 * FRAME_SAMPLES as u64 || lane.audio_ms > 600_000 {
                return refuse(None, "audio_ms", lane.audio_ms.to_string(), "40 to 600000");
            }
            if !(32..=65_536).contains(&lane.events) {
                return refuse(None, "events", lane.events.to_string(), "32 to 65536");
            }
            if !(10..=1_000_000).contains(&lane.step_us) {
                return refuse(None, "step_us", lane.step_us.to_string(), "10 to 1000000");
            }
        }
        let device = &config.device;
        if !(1..=1024).contains(&device.batch) {
            return refuse(None, "device.batch", device.batch.to_string(), "1 to 1024");
        }
        if !(1..=4).contains(&device.steps_in_flight) {
            return refuse(None, "device.steps_in_flight", device.steps_in_flight.to_string(), "1 to 4");
        }
        let (from, by) = (config.segment.cut_from_s, config.segment.cut_by_s);
        if !(1.0..=3600.0).contains(&by) || !(0.0..=by - 0.5).contains(&from) {
            return refuse(
                None,
                "segment",
                format!("{from} to {by} s"),
                "0 <= cut_from_s <= cut_by_s - 0.5, cut_by_s 1 to 3600",
            );
        }
        let watchdog = config.supervise.watchdog_ms;
        if !(200..=600_000).contains(&watchdog) {
            return refuse(None, "supervise.watchdog_ms", watchdog.to_string(), "200 to 600000");
        }
        // A thread shows that it lives once a round: at most five stages of a step each.
        let round_ms = config.lanes.iter().map(|lane| lane.step_us).max().unwrap_or(0) * 5 / 1000;
        if watchdog < 2 * round_ms {
            let allowed = format!("with this step_us at least {}", 2 * round_ms);
            return refuse(None, "supervise.watchdog_ms", watchdog.to_string(), &allowed);
        }
        if let Some((field, value, allowed)) = config.endpoint.fault() {
            return refuse(None, field, value, allowed);
        }
        let cap = config.hotword_cap;
        if !(cap > 0.0 && cap <= 10_000.0) {
            return refuse(None, "hotword_cap", cap.to_string(), "more than 0, at most 10000");
        }
        let duty = config.warm.duty;
        if !(duty > 0.0 && duty <= 1.0) {
            return refuse(None, "warm.duty", duty.to_string(), "more than 0, at most 1");
        }
        Ok(())
    }
}
