//! `voxlane models list | fetch NAME | path NAME | verify NAME | pack NAME | import CHECKPOINT`.

use super::failure::Failure;
use super::text::{printable, write_path};
use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use voxlane::Config;
use voxlane_models::families::emformer;
use voxlane_models::families::prepare::PrepareError;
use voxlane_models::families::{self, commands};
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager::{Listing, Manager, ModelFiles, Options, Progress, State};

/// What to do with models.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// Take files from this folder, before looking anywhere else
    #[arg(long, value_name = "DIR", global = true)]
    from: Option<PathBuf>,
    /// Never use the network
    #[arg(long, global = true)]
    offline: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Say which models there are and which are at hand
    List,
    /// Bring a model into the cache and print its folder
    Fetch {
        /// As `list` shows it
        name: String,
    },
    /// Print the folder of a model that is in the cache
    Path {
        /// As `list` shows it
        name: String,
    },
    /// Hash every file of a model that is in the cache, packed ones too
    Verify {
        /// As `list` shows it
        name: String,
    },
    /// Write a model into one file that is read at start, and print its path; `transcribe` does so on first use
    Pack {
        /// As `list` shows it
        name: String,
        /// Number format of the weights: f32 or int8
        #[arg(long, value_name = "FORMAT", default_value_t = Config::default().precision)]
        precision: Precision,
    },
    /// Import your own checkpoint as a model: check it, copy it into the cache, pack it, and print the packed file
    Import(Import),
}

/// What to import.
#[derive(Clone, Debug, clap::Args)]
struct Import {
    /// A PyTorch file with the state dict of the network
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// What kind of network it is
    #[arg(long, value_enum)]
    arch: Arch,
    /// The SentencePiece model of its tokens
    #[arg(long, value_name = "SPM")]
    tokens: PathBuf,
    /// Mean and inverse standard deviation of its features, as torchaudio's JSON; without, features stay as they are
    #[arg(long, value_name = "JSON")]
    statistics: Option<PathBuf>,
    /// Its sizes as JSON; without, those of torchaudio's emformer_rnnt_base
    #[arg(long, value_name = "JSON")]
    config: Option<PathBuf>,
    /// What it is to be called; by default as the file
    #[arg(long)]
    name: Option<String>,
    /// The license of the weights
    #[arg(long, alias = "licence", value_name = "SPDX", default_value = "unknown")]
    license: String,
    /// Number format of the packed weights: f32 or int8
    #[arg(long, value_name = "FORMAT", default_value_t = Config::default().precision)]
    precision: Precision,
}

/// Networks that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Arch {
    /// torchaudio's `RNNT` with an Emformer encoder
    EmformerRnnt,
}

/// Does what `args` say: results go to `output`, progress on standard error.
///
/// # Errors
/// [`Failure`], which knows its exit code.
pub fn run(args: &Args, output: &mut dyn Write) -> Result<(), Failure> {
    let options = Options { from: args.from.clone(), offline: args.offline, ..Options::default() };
    let manager = Manager::new(options)?;
    run_with(args, &manager, output, &mut Display::new())
}

fn run_with(
    args: &Args,
    manager: &Manager,
    output: &mut dyn Write,
    progress: &mut dyn Progress,
) -> Result<(), Failure> {
    if let Command::Fetch { name }
    | Command::Path { name }
    | Command::Verify { name }
    | Command::Pack { name, .. } = &args.command
        && name == commands::NAME
    {
        return Err(Failure::usage(
            format!("model {name}: in the binary, it has no files"),
            "use it as it is",
        ));
    }
    match &args.command {
        Command::List => list(manager, output, progress)?,
        Command::Fetch { name } => {
            let files = manager.fetch(name, progress)?;
            families::mend(&files, &mut |note| progress.note(note))?;
            write_path(output, files.dir())?;
        }
        Command::Path { name } => write_path(output, manager.path(name)?.dir())?,
        Command::Verify { name } => {
            let files = manager.verify(name)?;
            let packed = families::verify(&files)?;
            verified(&files, &packed, output)?;
        }
        Command::Pack { name, precision } => {
            let file = families::pack(&manager.fetch(name, progress)?, *precision)?;
            write_path(output, &file)?;
        }
        Command::Import(wanted) => {
            let file = import(wanted, manager)?;
            write_path(output, &file)?;
        }
    }
    Ok(())
}

/// Reads everything before anything is copied.
fn import(wanted: &Import, manager: &Manager) -> Result<PathBuf, Failure> {
    let Arch::EmformerRnnt = wanted.arch;
    let source = emformer::prepare::Source {
        checkpoint: wanted.checkpoint.clone(),
        tokens: wanted.tokens.clone(),
        statistics: wanted.statistics.clone(),
        config: wanted.config.clone(),
    };
    emformer::prepare::read(&source).map_err(PrepareError::from)?;
    let stem = wanted.checkpoint.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = wanted.name.clone().or(stem).unwrap_or_default();
    if name == commands::NAME {
        return Err(Failure::usage(
            format!("--name {name}: taken by the model in the binary"),
            "give another",
        ));
    }
    let [checkpoint, tokens, statistics, config] = emformer::FILES;
    let mut files: Vec<(&str, &Path)> = vec![(checkpoint, &source.checkpoint), (tokens, &source.tokens)];
    files.extend(source.statistics.iter().map(|path| (statistics, path.as_path())));
    files.extend(source.config.iter().map(|path| (config, path.as_path())));
    let files = manager.import(&name, "emformer-rnnt", &wanted.license, &files)?;
    Ok(families::pack(&files, wanted.precision)?)
}

/// What is damaged goes to `progress`.
fn list(manager: &Manager, output: &mut dyn Write, progress: &mut dyn Progress) -> io::Result<()> {
    writeln!(output, "{:<26}{:>9}  {:<9}{:<11}description", "name", "size", "cached", "license")?;
    let line =
        |output: &mut dyn Write, name: &str, bytes: f64, cached: &str, license: &str, description: &str| {
            let megabytes = bytes / 1e6;
            writeln!(output, "{name:<26}{megabytes:>6.1} MB  {cached:<9}{license:<11}{description}")
        };
    line(
        output,
        commands::NAME,
        commands::bytes() as f64,
        "built in",
        commands::LICENSE,
        commands::DESCRIPTION,
    )?;
    for Listing { entry, state } in manager.list() {
        let (cached, faults) = match state {
            State::Absent => ("no", Vec::new()),
            State::Whole(files) => {
                let faults = families::damaged(&files);
                let faults = faults.iter().map(|(_, error)| format!("{error}; the next start packs it anew"));
                ("yes", faults.collect())
            }
            State::Damaged(errors) => ("damaged", errors.iter().map(ToString::to_string).collect()),
        };
        faults.iter().for_each(|fault| progress.note(&printable(format!("{}: {fault}", entry.name))));
        let [name, license, description] = [&entry.name, &entry.license, &entry.description].map(printable);
        line(output, &name, entry.bytes() as f64, cached, &license, &description)?;
    }
    writeln!(output, "cache: {}", printable(manager.cache_dir()))
}

fn verified(files: &ModelFiles, packed: &[PathBuf], output: &mut dyn Write) -> io::Result<()> {
    let packed = packed.iter().map(PathBuf::as_path);
    for path in files.iter().map(|(_, path)| path).chain(packed) {
        writeln!(output, "ok  {}", printable(path))?;
    }
    Ok(())
}

/// Shows how a fetch gets on: a bar on a terminal, one line a file elsewhere.
#[derive(Debug)]
pub struct Display {
    bar: Option<ProgressBar>,
    file: String,
}

impl Display {
    /// One for standard error.
    pub fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style()));
        Display { bar, file: String::new() }
    }

    /// Progress is a courtesy: that nobody can read it must not stop the fetch.
    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| writeln!(io::stderr(), "{line}")).unwrap_or_default(),
            None => writeln!(io::stderr(), "{line}").unwrap_or_default(),
        }
    }
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Display {
    fn advance(&mut self, file: &str, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            if self.file != file {
                bar.reset();
                bar.set_length(total);
                bar.set_message(file.to_string());
                self.file = file.to_string();
            }
            bar.set_position(done);
        }
        if done == total {
            self.line(&format!("got {file} ({:.1} MB)", total as f64 / 1e6));
        }
    }

    fn note(&mut self, message: &str) {
        self.line(message);
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    // The template is a constant: if it did not parse, the default style would do as well.
    ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Cli::try_parse_from(std::iter::once("models").chain(line.split(' '))).map(|cli| cli.args)
    }

    /// Runs `line` with the network forbidden and an empty cache.
    fn run_offline(line: &str) -> Result<String, Failure> {
        let cache = tempfile::tempdir().unwrap();
        let cache_dir = Some(cache.path().to_path_buf());
        let args = parse(line).unwrap();
        let manager = Manager::new(Options { cache_dir, from: args.from.clone(), offline: true })?;
        let mut output = Vec::new();
        run_with(&args, &manager, &mut output, &mut ())?;
        Ok(String::from_utf8(output).unwrap())
    }

    #[test]
    fn options_may_stand_on_either_side_of_the_subcommand() {
        for line in ["fetch toy --offline --from dir", "--from dir --offline fetch toy"] {
            let args = parse(line).unwrap();
            assert!(args.offline);
            assert_eq!(args.from, Some(PathBuf::from("dir")));
            assert!(matches!(args.command, Command::Fetch { name } if name == "toy"));
        }
        for line in ["fetch", "fetch a b", "remove toy", "list --from"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_list_names_every_model() {
        let list = run_offline("list").unwrap();
        for name in ["moonshine-tiny ", "moonshine-base ", "moonshine-tiny-quantized ", "silero-vad "] {
            assert!(list.lines().any(|line| line.starts_with(name) && line.contains(" no ")), "{list}");
        }
    }

    #[test]
    fn failures_have_the_documented_exit_codes_and_a_hint() {
        for (line, code) in [
            ("fetch moonshine-huge", 2),
            ("path moonshine-huge", 2),
            ("verify moonshine-tiny", 3),
            ("path moonshine-tiny", 3),
            ("fetch moonshine-tiny", 3),
        ] {
            let failure = run_offline(line).unwrap_err();
            assert_eq!(failure.exit_code(), code, "{line}: {failure}");
            assert!(!failure.to_string().contains('\n'));
            let advice = format!("{failure} {}", failure.hint().unwrap_or_default());
            assert!(advice.contains("voxlane models"), "{line}: {advice}");
        }
    }
}
