//! `voxlane-bench robustness`: what is lost and invented on recordings as people have them.

use super::ModelArgs;
use anyhow::Result;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use voxlane::Config;
use voxlane::config::Profile;
use voxlane_bench::alignment::Errors;
use voxlane_bench::robustness::changes::changes;
use voxlane_bench::robustness::joined::{Joined, transcribe};
use voxlane_bench::robustness::lengths::LENGTHS;
use voxlane_bench::robustness::material::{Half, Material};
use voxlane_bench::robustness::record::{self, Record};
use voxlane_bench::robustness::runner::{Defaults, Runner};
use voxlane_bench::robustness::sets::{BARE, Family, Plan, plans};
use voxlane_bench::robustness::{nonspeech, table};
use voxlane_models::layers::linear::Precision;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder with the recordings: dev, dev-other and alnum
    #[arg(long, value_name = "FOLDER", default_value = "../shared/speech")]
    speech: PathBuf,
    /// Whose defaults the engine has
    #[arg(long, value_enum, default_value_t)]
    defaults: Defaults,
    /// A configuration that changes some of them: its endpoint rules and where speech is cut
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number format of the weights
    #[arg(long, value_parser = super::precision, default_value = "int8")]
    precision: Precision,
    /// Only these sets, and what they are compared with
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Family>,
    /// Only one half of the speakers
    #[arg(long, value_enum)]
    half: Option<Half>,
    /// Only so many sentences and as many words, spread evenly
    #[arg(long, value_name = "N")]
    clips: Option<usize>,
    /// Silence or noise before and after each clip, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    padding: f64,
    /// Length of the joined recording
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Run `transcribe` of this voxlane on the joined recording too, for its speed and memory
    #[arg(long, value_name = "PROGRAM")]
    voxlane: Option<PathBuf>,
    /// Decides noises, and the order and pauses of joined clips
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write all texts into this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Compare with the texts that another version wrote with --write
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

/// Prints the tables.
pub fn run(args: &Args) -> Result<()> {
    let before = args.against.as_deref().map(record::read).transpose()?;
    let mut material = Material::read(&args.speech)?;
    if let Some(half) = args.half {
        material = material.of_half(half);
    }
    if let Some(count) = args.clips {
        material = material.thinned(count);
    }
    let mut out = io::stdout().lock();
    let records = Measurement { args, material, records: Vec::new() }.run(&mut out)?;
    if let Some(path) = &args.write {
        record::write(path, &records)?;
    }
    if let Some(before) = before {
        table::changes(&mut out, &changes(&before, &records))?;
    }
    Ok(())
}

/// What has been measured so far.
struct Measurement<'a> {
    args: &'a Args,
    material: Material,
    records: Vec<Record>,
}

impl Measurement<'_> {
    fn run(mut self, out: &mut impl Write) -> Result<Vec<Record>> {
        let runner = self.start(self.args.precision, self.args.defaults)?;
        // First, so that its memory is that of the engine and of nothing before it.
        let joined = if self.wants(Family::Joined) {
            let Args { minutes, seed, .. } = *self.args;
            Some(Joined::run(&runner, &self.material.clips, 60.0 * minutes, seed)?)
        } else {
            None
        };
        self.clip_by_clip(&runner, out)?;
        if let Some(joined) = joined {
            let clips = &self.material.clips;
            let bare = self.records.iter().filter(|record| record.set == BARE);
            let alone: HashMap<&str, Errors> = bare.map(|record| (&*record.id, record.errors())).collect();
            table::joined(out, &joined, &joined.losses(clips, &alone)?)?;
            if let Some(program) = &self.args.voxlane {
                let Args { minutes, seed, .. } = *self.args;
                table::transcribed(out, &transcribe(program, clips, 60.0 * minutes, seed)?, &joined)?;
            }
            self.records.push(joined.record(clips));
        }
        if self.wants(Family::Nonspeech) {
            let records = runner.run("nonspeech", &nonspeech::items())?;
            table::nonspeech(out, &records)?;
            self.records.extend(records);
        }
        drop(runner);
        self.empty_in_reference(out)?;
        if self.wants(Family::Lengths) {
            self.lengths(out)?;
        }
        Ok(self.records)
    }

    fn start(&self, precision: Precision, defaults: Defaults) -> Result<Runner> {
        let mut config = defaults.config();
        if let (Some(file), true) = (&self.args.config, defaults == self.args.defaults) {
            let profile = if defaults == Defaults::Live { Profile::Live } else { Profile::Recordings };
            let Config { endpoint, segment, .. } = Config::load_as(file, profile)?.config;
            (config.endpoint, config.segment) = (endpoint, segment);
        }
        Runner::start(&self.args.model.model, precision, config)
    }

    fn wants(&self, family: Family) -> bool {
        self.args.only.is_empty() || self.args.only.contains(&family)
    }

    /// Whether a set is asked for, or is one that others are compared with.
    fn needs(&self, plan: &Plan, plans: &[Plan]) -> bool {
        let is_base = |other: &Plan| self.wants(other.family) && other.against.as_ref() == Some(&plan.name);
        self.wants(plan.family)
            || plans.iter().any(is_base)
            || (plan.family == Family::Bare && self.wants(Family::Joined))
    }

    fn clip_by_clip(&mut self, runner: &Runner, out: &mut impl Write) -> Result<()> {
        let plans = plans(self.args.padding);
        for is_of_words in [false, true] {
            let wanted = |plan: &&Plan| (plan.family == Family::Words) == is_of_words;
            let wanted: Vec<&Plan> =
                plans.iter().filter(wanted).filter(|plan| self.needs(plan, &plans)).collect();
            if wanted.is_empty() {
                continue;
            }
            if is_of_words {
                table::words_head(out)?
            } else {
                table::clips_head(out)?
            }
            for plan in wanted {
                let records = runner.run(&plan.name, &plan.items(&self.material, self.args.seed)?)?;
                if is_of_words {
                    table::words(out, &plan.name, &records)?;
                } else {
                    let base = plan.against.as_deref();
                    let base: Option<(&str, Vec<&Record>)> = base.map(|base| (base, self.of_set(base)));
                    table::clips(out, &plan.name, &records, base)?;
                }
                self.records.extend(records);
            }
        }
        Ok(())
    }

    fn of_set(&self, set: &str) -> Vec<&Record> {
        self.records.iter().filter(|record| record.set == set).collect()
    }

    /// Says which of the clips that came out empty anywhere are empty in the f32 reference too: whole clips, without
    /// a detector.
    fn empty_in_reference(&self, out: &mut impl Write) -> Result<()> {
        let is_empty = |id: &str| self.records.iter().any(|record| record.id == id && record.is_empty());
        let mut material = self.material.clone();
        material.clips.retain(|clip| is_empty(&clip.id));
        if material.clips.is_empty() {
            return Ok(());
        }
        let runner = self.start(Precision::F32, Defaults::Off)?;
        let bare = &plans(self.args.padding)[0];
        let records = runner.run("f32", &bare.items(&material, self.args.seed)?)?;
        table::reference(out, &records)
    }

    fn lengths(&mut self, out: &mut impl Write) -> Result<()> {
        let bare = plans(self.args.padding)[0].items(&self.material, self.args.seed)?;
        let heard = self.start(Precision::F32, Defaults::Off)?.hear_all(&bare)?;
        let words: Vec<_> = heard.into_iter().map(|heard| heard.words).collect();
        let sets = LENGTHS.map(|length| (length.to_string(), length.items(&bare, &words, self.args.seed)));
        let mut by_precision = Vec::new();
        for precision in [Precision::F32, Precision::Int8] {
            let runner = self.start(precision, self.args.defaults)?;
            let run = |(name, items): &(String, Vec<_>)| {
                runner.run(&format!("{name}, {}", precision.name()), items)
            };
            by_precision.push(sets.iter().map(run).collect::<Result<Vec<_>>>()?);
        }
        table::lengths_head(out)?;
        for ((name, _), (f32, int8)) in sets.iter().zip(by_precision[0].iter().zip(&by_precision[1])) {
            table::length(out, name, f32, int8)?;
        }
        self.records.extend(by_precision.into_iter().flatten().flatten());
        Ok(())
    }
}
