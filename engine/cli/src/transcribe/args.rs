//! The arguments of `voxlane transcribe`.

use super::context::Selection;
use super::destination::{Destination, Folder};
use super::format::{Format, Style};
use super::input;
use crate::arguments;
use crate::failure::Failure;
use crate::text::printable;
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use voxlane::config::{DecodeKind, Precision};
use voxlane::subtitles::CueLimits;

/// See the module.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Recordings, `-` for standard input; without any, the sample recording that came with the model
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The model, as `voxlane models list` shows it; overrides the configuration
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// A configuration: lanes, cores, waiting, segments; `voxlane config show` prints one to begin with
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What the results look like
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Write the result of each file to a file in this folder, FILE.mp3 to FILE.txt (or .srt and so on)
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Replace files that are there already
    #[arg(long, requires = "output")]
    pub overwrite: bool,
    /// With JSON: each word with its start, end and confidence
    #[arg(long)]
    pub words: bool,
    /// Only this channel, counted from 1
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=64))]
    pub channel: Option<usize>,
    /// How to treat a file with several channels
    #[arg(long, value_enum, default_value_t = Channels::Mix, conflicts_with = "channel")]
    pub channels: Channels,
    /// Subtitles: the most lines of a cue [default: 2]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=20))]
    pub cue_lines: Option<usize>,
    /// Subtitles: the most characters of a line; a longer word is alone in its line [default: 42]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub cue_columns: Option<usize>,
    /// Subtitles: the most seconds that a cue is shown, 0.5 to 60 [default: 7]
    #[arg(long, value_name = "S", value_parser = cue_seconds)]
    pub cue_seconds: Option<f64>,
    /// Print where the time went: after the text, or on standard error with other formats
    #[arg(long)]
    pub report: bool,
    /// Write all histograms as an HdrHistogram log
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// How many files go through the engine at once; by default as many as its lanes have slots
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Number format of the weights; overrides the configuration
    #[arg(long, value_name = "FORMAT", value_parser = arguments::precision)]
    pub precision: Option<Precision>,
    /// How tokens are found: greedy, beam, ctc-greedy or ctc-beam; overrides the configuration
    #[arg(long, value_name = "WAY", value_parser = arguments::decode)]
    pub decode: Option<DecodeKind>,
    /// File of phrases to listen for, one per line, each with an optional tab and boost; replaces those of the configuration
    #[arg(long, value_name = "FILE")]
    pub hotwords: Option<PathBuf>,
    /// Never use the network
    #[arg(long)]
    pub offline: bool,
}

/// What becomes of several channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Channels {
    /// They are mixed
    Mix,
    /// Each has a result of its own
    Separate,
}

fn cue_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.5..=60.0).contains(&seconds) { Ok(seconds) } else { Err("expected 0.5 to 60".into()) }
}

impl Args {
    /// How results are written.
    ///
    /// # Errors
    /// [`Failure`] if an option is given that the format has no use for.
    pub fn style(&self) -> Result<Style, Failure> {
        let unused = |option: &str, formats: &str| {
            Failure::usage(
                format!("{option}: no meaning with this format"),
                format!("use --format {formats}"),
            )
        };
        let has_limits = self.cue_lines.is_some() || self.cue_columns.is_some() || self.cue_seconds.is_some();
        if has_limits && !self.format.is_subtitles() {
            return Err(unused("--cue-lines, --cue-columns or --cue-seconds", "srt or vtt"));
        }
        if self.words && !self.format.is_json() {
            return Err(unused("--words", "json or jsonl"));
        }
        let usual = CueLimits::default();
        let cues = CueLimits {
            lines: self.cue_lines.unwrap_or(usual.lines),
            columns: self.cue_columns.unwrap_or(usual.columns),
            seconds: self.cue_seconds.unwrap_or(usual.seconds),
        };
        let names_file = self.files.len() > 1 && self.output.is_none();
        Ok(Style { format: self.format, names_file, words: self.words, cues })
    }

    /// Which channels are wanted.
    ///
    /// # Errors
    /// [`Failure`] if a file would have to be read several times and cannot be, or standard input is named twice.
    pub fn selection(&self) -> Result<Selection, Failure> {
        if self.files.iter().filter(|path| input::is_standard(path)).count() > 1 {
            return Err(Failure::usage("standard input (-): named more than once", "name it once"));
        }
        let is_pipe = |path: &&PathBuf| {
            input::is_standard(path)
                || path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
        };
        match (self.channel, self.channels) {
            (Some(channel), _) => Ok(Selection::One(channel)),
            (None, Channels::Mix) => Ok(Selection::Mixed),
            (None, Channels::Separate) => match self.files.iter().find(is_pipe) {
                Some(path) => Err(Failure::usage(
                    format!("--channels separate: {} is a pipe and can be read only once", printable(path)),
                    "write it to a file first, or take one channel with --channel N",
                )),
                None => Ok(Selection::Separate),
            },
        }
    }

    /// Where the results of `files` go.
    ///
    /// # Errors
    /// [`Failure`] if they cannot go there.
    pub fn destination<'a>(
        &self,
        out: &'a mut dyn Write,
        files: &[PathBuf],
        selection: Selection,
    ) -> Result<Destination<'a>, Failure> {
        let is_separate = selection == Selection::Separate;
        match &self.output {
            Some(folder) => self.folder(folder, files, selection).map(Destination::Folder),
            None if self.format.is_subtitles() && (files.len() > 1 || is_separate) => Err(Failure::usage(
                "--format: the subtitles of several files or channels do not go into one",
                "--output DIR writes a file for each; or use --format jsonl",
            )),
            None => Ok(Destination::Stream(out)),
        }
    }

    fn folder(&self, path: &Path, files: &[PathBuf], selection: Selection) -> Result<Folder, Failure> {
        Folder::new(path, self.format.ending(), self.overwrite, files, selection != Selection::Mixed)
    }
}
