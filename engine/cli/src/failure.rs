//! Why the command did not do what it was asked: one plain line, a hint, an exit code.

use super::signal::Signal;
use super::text::printable;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use voxlane::audio::file::Problem;
use voxlane::config::ConfigError;
use voxlane::{EngineError, StreamError, StreamFault};
use voxlane_models::families::prepare::PrepareError;
use voxlane_models::manager::ManagerError;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or the environment asks for something that does not exist.
    #[error("{message}")]
    Usage {
        /// What.
        message: String,
        /// What may help.
        hint: String,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model is not at hand.
    #[error(transparent)]
    Model(#[from] ManagerError),
    /// The model cannot be packed, or is damaged in its packed form.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was to be read is not there or is no audio.
    #[error("{message}")]
    Input {
        /// What.
        message: String,
        /// What may help.
        hint: &'static str,
    },
    /// A stream did not take audio.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Something of a stream was lost; an event has said so.
    #[error(transparent)]
    Lost(#[from] StreamFault),
    /// Some files could not be transcribed, or not to their end; the error of each has been shown.
    #[error("files: {failed} of {files} could not be transcribed to the end")]
    Files {
        /// How many.
        failed: usize,
        /// Of how many.
        files: usize,
        /// Whether the engine is at fault for any of them.
        is_engine_fault: bool,
        /// What may help.
        hint: Option<String>,
    },
    /// The output could not be written.
    #[error("output: cannot be written: {0}")]
    Output(#[from] io::Error),
    /// A signal ended the command; what had been decoded by then has been given out.
    #[error("stopped by {0}")]
    Stopped(Signal),
}

impl Failure {
    /// A wrong command line or environment.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::Usage { message: message.into(), hint: hint.into() }
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Files { is_engine_fault: false, .. } | Failure::Input { .. } => 1,
            Failure::Stream(StreamError::NotFinite { .. } | StreamError::Amplitude { .. }) => 1,
            // What a model is made from is input as any other.
            Failure::Prepare(PrepareError::Checkpoint(_)) => 1,
            Failure::Usage { .. } | Failure::Config(_) => 2,
            Failure::Model(error) => model_exit_code(error),
            Failure::Prepare(PrepareError::NotPackable { .. }) => 2,
            Failure::Prepare(_) => 3,
            Failure::Engine(
                EngineError::Config(_)
                | EngineError::Memory(_)
                | EngineError::Hotwords(_)
                | EngineError::UnknownModel { .. }
                | EngineError::NoRecognizer { .. }
                | EngineError::Decode { .. }
                | EngineError::NoBackend { .. }
                | EngineError::NotBuilt { .. },
            ) => 2,
            Failure::Engine(EngineError::Model(error) | EngineError::Detector(error)) => {
                manager_error(&**error).map_or(3, model_exit_code)
            }
            Failure::Engine(_)
            | Failure::Stream(_)
            | Failure::Lost(_)
            | Failure::Files { .. }
            | Failure::Output(_) => 4,
            Failure::Stopped(signal) => signal.exit_code(),
        }
    }

    /// What may help, where something may.
    pub fn hint(&self) -> Option<String> {
        match self {
            Failure::Usage { hint, .. } => some(hint),
            Failure::Config(error) | Failure::Engine(EngineError::Config(error)) => Some(config_hint(error)),
            Failure::Model(error) => model_hint(error),
            Failure::Input { hint, .. } => some(hint),
            Failure::Prepare(PrepareError::NotPackable { .. }) => None,
            Failure::Prepare(PrepareError::Checkpoint(_)) => {
                Some("`voxlane models import --help` says which files it takes".into())
            }
            Failure::Prepare(_) => {
                Some("`voxlane models pack NAME --precision FORMAT` writes the packed file anew".into())
            }
            Failure::Engine(EngineError::Model(error) | EngineError::Detector(error)) => {
                match manager_error(&**error) {
                    Some(error) => model_hint(error),
                    None => Some("`voxlane models verify NAME` says whether the files are whole".into()),
                }
            }
            Failure::Engine(EngineError::UnknownModel { .. } | EngineError::NoRecognizer { .. }) => {
                Some("set `model` in the configuration or give --model NAME".into())
            }
            Failure::Engine(EngineError::Decode { .. }) => {
                Some("set `decode` in the configuration or give --decode WAY".into())
            }
            Failure::Engine(EngineError::Memory(_)) => {
                Some("smaller values take less; `voxlane config check FILE` says how much".to_owned())
            }
            Failure::Engine(EngineError::NoBackend { .. }) => {
                Some("set `backend = \"cpu\"` in the configuration".into())
            }
            Failure::Engine(EngineError::NotBuilt { .. }) => {
                Some("set `backend = \"cpu\"` in the configuration, or build with the feature".into())
            }
            Failure::Engine(EngineError::Hotwords(_)) => {
                Some("see --hotwords, and [[hotword]] in the configuration".into())
            }
            Failure::Engine(EngineError::Device(_)) => {
                Some("`voxlane doctor` lists the devices that each backend finds".into())
            }
            Failure::Engine(_) => Some("`voxlane doctor` says what this host allows".into()),
            Failure::Stream(_) | Failure::Lost(_) => Some(ENGINE_HINT.into()),
            Failure::Files { hint, .. } => hint.clone(),
            Failure::Output(_) | Failure::Stopped(_) => None,
        }
    }

    /// Writes the failure and gives the exit code. A reader of the output that has gone away is no failure, and who
    /// sent a signal knows of it.
    pub fn tell(&self, out: &mut impl Write) -> ExitCode {
        if matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        if let Failure::Stopped(signal) = self {
            return ExitCode::from(signal.exit_code());
        }
        // Nobody reads it if this cannot be written; the exit code remains. The error of an only file has been
        // shown.
        if !matches!(self, Failure::Files { files: 1, .. }) {
            let _ = writeln!(out, "error: {}", printable(self.to_string()));
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(out, "hint: {}", printable(hint));
        }
        ExitCode::from(self.exit_code())
    }
}

impl From<clap::Error> for Failure {
    /// The first paragraph of what `clap` says, in one line, and what it takes for meant.
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        let paragraph: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        let message = paragraph.join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        let is_bare = error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        let message = if is_bare { "a subcommand is missing" } else { message };
        let tips = text.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
        let help = "`voxlane --help` and `voxlane SUBCOMMAND --help` show what there is";
        Failure::usage(message, tips.chain([help]).collect::<Vec<_>>().join("; "))
    }
}

/// A hint that says something.
fn some(hint: &str) -> Option<String> {
    (!hint.is_empty()).then(|| hint.to_owned())
}

/// What may help when the engine failed.
pub const ENGINE_HINT: &str = "VOXLANE_LOG=info shows what the engine did";

/// What may help with a file that cannot be read.
pub fn audio_hint(problem: &Problem) -> Option<&'static str> {
    match problem {
        Problem::Io(error) => match error.kind() {
            io::ErrorKind::NotFound => Some("check the name and the folder"),
            io::ErrorKind::IsADirectory => Some("name the files in it, as with DIR/*"),
            io::ErrorKind::PermissionDenied => Some("the user may not read it; `ls -l` shows who may"),
            _ => None,
        },
        Problem::Malformed(_) | Problem::NotAudio(_) => {
            Some("`ffmpeg -i IN OUT.wav` may be able to convert it")
        }
        Problem::Truncated(_) => Some("copy it again if the original is whole"),
        _ => None,
    }
}

/// What the model manager said, if it was the one.
pub fn manager_error<'a>(error: &'a (dyn Error + Send + Sync + 'static)) -> Option<&'a ManagerError> {
    error.downcast_ref()
}

fn model_exit_code(error: &ManagerError) -> u8 {
    match error {
        ManagerError::UnknownModel { .. } | ManagerError::NoCacheDir => 2,
        _ => 3,
    }
}

fn model_hint(error: &ManagerError) -> Option<String> {
    match error {
        ManagerError::UnknownModel { .. } => Some("`voxlane models list` shows all models".to_string()),
        ManagerError::Corrupt { .. } => Some(
            "`voxlane models fetch NAME` replaces damaged files of the cache; a file given with --from must be the manifest's"
                .to_string(),
        ),
        ManagerError::Offline { model, .. } => {
            Some(format!(
                "run `voxlane models fetch {model}` with a network, or `voxlane models --from DIR fetch {model}` with its files in DIR"
            ))
        }
        ManagerError::Unavailable { model, .. } => Some(format!(
            "put the files into a folder by hand and run `voxlane models --from DIR fetch {model}`"
        )),
        _ => None,
    }
}

fn config_hint(error: &ConfigError) -> String {
    let hint = match error {
        ConfigError::Read { .. } => "`voxlane config show` prints a configuration to begin with",
        ConfigError::NoSuchCore { .. } => {
            "`voxlane config check FILE --cores N` checks a file for another machine"
        }
        ConfigError::CoreNotAllowed { .. } => {
            "the affinity mask (taskset, cpuset, container) leaves the core out; `voxlane doctor` shows it"
        }
        _ => "`voxlane config show` prints every field with its default",
    };
    hint.into()
}
