//! `voxlane config check FILE` and `voxlane config show`.

use super::arguments;
use super::failure::{Failure, manager_error};
use clap::Subcommand;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use voxlane::StageKind;
use voxlane::config::{Placement, Profile, Source, Topology};
use voxlane::memory::LaneMemory;
use voxlane::memory::{Bytes, MemoryPlan};
use voxlane::{Config, Engine, EngineError};
use voxlane_models::manager::ManagerError;
use voxlane_server::config::{ServerConfig, TABLE, TABLES};

/// How long the lanes of a configuration that is only tried may take to end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// The arguments of `voxlane config`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Prove that a configuration would run: its fields, its cores, its model; serves nothing
    Check {
        /// The configuration
        file: PathBuf,
        /// Profile for what the file leaves out: manual, recordings or live; a `profile` in the file wins
        #[arg(long, default_value_t, value_parser = arguments::profile)]
        profile: Profile,
        /// Check the placement for a machine with N cores instead of this one
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
        cores: Option<u64>,
    },
    /// Print a configuration with every field and its comment
    Show {
        /// The configuration; without, the values of the profile
        file: Option<PathBuf>,
        /// Profile for what the file leaves out: manual, recordings or live; a `profile` in the file wins
        #[arg(long, default_value_t, value_parser = arguments::profile)]
        profile: Profile,
        /// Also the table `[server]`, which only `voxlane serve` reads; without it only if the file has it
        #[arg(long)]
        server: bool,
    },
}

/// Does what `args` say.
///
/// # Errors
/// [`Failure`], which knows its exit code.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    match &args.command {
        Command::Check { file, profile, cores } => {
            check(&load(file, *profile)?, cores.map(|cores| cores as usize), out)
        }
        Command::Show { file, profile, server } => {
            let source = match file {
                Some(file) => load(file, *profile)?,
                None => Source::from(*profile),
            };
            show(&source, out)?;
            if *server || source.has_table(TABLE) {
                show_server(&source, out)?;
            }
            Ok(())
        }
    }
}

/// Reads a configuration, of a server too: its own table is checked with the rest.
fn load(file: &Path, profile: Profile) -> Result<Source, Failure> {
    let source = Config::load_beside(file, profile, TABLES)?;
    ServerConfig::of(&source)?;
    Ok(source)
}

fn check(source: &Source, cores: Option<usize>, out: &mut impl Write) -> Result<(), Failure> {
    let topology = cores.map_or_else(Topology::of_host, Topology::with_cores);
    let placements = source.placement(&topology)?;
    for (number, (lane, placement)) in source.config.lanes.iter().zip(&placements).enumerate() {
        let wait = toml::Value::try_from(lane.wait).ok();
        let wait = wait.as_ref().and_then(toml::Value::as_str).unwrap_or_default();
        let threads = placement.threads.len();
        writeln!(out, "lane {number}: threads {threads}, slots {}, wait {wait}", lane.slots)?;
        write_threads(placement, out)?;
    }
    let begun = Instant::now();
    let tried = match cores {
        // Another machine's cores cannot be pinned to here.
        Some(_) => Engine::check_model(source.clone()).map(|memory| (memory, "loaded")),
        None => Engine::start(source.clone()).map(|engine| {
            let memory = engine.memory().clone();
            engine.shutdown(SHUTDOWN_LIMIT);
            (memory, "loaded, every thread pinned and started")
        }),
    };
    let model = &source.config.model;
    match tried {
        Ok((memory, done)) => {
            writeln!(out, "model {model}: {done} in {:.2} s", begun.elapsed().as_secs_f64())?;
            write_memory(&memory, out)?;
        }
        Err(EngineError::Model(error) | EngineError::Detector(error)) if missing(&*error).is_some() => {
            let model = missing(&*error).unwrap_or(model);
            writeln!(
                out,
                "model {model}: not in the cache, so not tried; `voxlane models fetch {model}` brings it"
            )?;
            writeln!(out, "ok, but for what was not tried")?;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    writeln!(out, "ok")?;
    Ok(())
}

/// The model that is not in the cache, if that is the error.
fn missing<'a>(error: &'a (dyn Error + Send + Sync + 'static)) -> Option<&'a String> {
    match manager_error(error) {
        Some(ManagerError::Missing { model, .. }) => Some(model),
        _ => None,
    }
}

/// What each lane takes beside the weights.
fn write_memory(memory: &MemoryPlan, out: &mut impl Write) -> io::Result<()> {
    for (number, lane) in memory.lanes.iter().enumerate() {
        let LaneMemory { audio, events, history, network } = *lane;
        let network = network.map_or("not counted".to_owned(), |bytes| Bytes(bytes).to_string());
        writeln!(
            out,
            "memory of lane {number}: at most {} (audio {}, events {}, history {}, network {network}), and the weights",
            Bytes(lane.total()),
            Bytes(audio),
            Bytes(events),
            Bytes(history)
        )?;
    }
    Ok(())
}

fn write_threads(placement: &Placement, out: &mut impl Write) -> io::Result<()> {
    placement.threads.iter().try_for_each(|thread| {
        let stages: Vec<_> = thread.stages.iter().map(|stage| stage.name()).collect();
        writeln!(out, "  core {}: {}", thread.core, stages.join(", "))
    })
}

/// Cores that the configuration leaves to the affinity mask are shown as they are chosen here, in a comment.
fn show(source: &Source, out: &mut impl Write) -> Result<(), Failure> {
    let placements = source.placement(&Topology::of_host())?;
    let chosen = |placement: &Placement| {
        let core = |stage: &StageKind| Some(format!("{} = {}", stage.name(), placement.core(*stage)?));
        StageKind::ALL.iter().filter_map(core).collect::<Vec<_>>().join(", ")
    };
    let chosen = placements.first().map(chosen).unwrap_or_default();
    let unset = |field: &str| match field {
        "cores" => format!(" = {{ {chosen} }}"),
        _ => " is not set".to_owned(),
    };
    let text = source.config.describe(unset).map_err(|error| Failure::Output(io::Error::other(error)))?;
    writeln!(out, "# What holds where a file states nothing: {PROFILES}.")?;
    writeln!(out, "profile = \"{}\"\n{text}", source.profile())?;
    Ok(())
}

fn show_server(source: &Source, out: &mut impl Write) -> Result<(), Failure> {
    let text = ServerConfig::of(source)?.describe(|_| " is not set".to_owned());
    write!(out, "{}", text.map_err(|error| Failure::Output(io::Error::other(error)))?)?;
    Ok(())
}

/// The profiles, for people.
const PROFILES: &str = "`manual` (clients say where segments end), `recordings` or `live`";

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &Source) -> String {
        let mut out = Vec::new();
        show(source, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const EVERYTHING: &str = r##"
        hotword_cap = 3.5
        [[hotword]]
        phrase = "say \"hi\"\n"
        [[hotword]]
        phrase = "# no comment"
        boost = 0.1
        [[lane]]
        cores = { ingest = 0, features = 0, encoder = 0, decoder = 0, emit = 0 }
        slots = 3
        [[lane]]
        wait = "park"
        [endpoint]
        threshold = 0.3
        release = 0.1
    "##;

    #[test]
    fn what_is_shown_is_the_same_configuration_with_a_comment_for_every_field() {
        let sources = [Profile::Manual, Profile::Recordings, Profile::Live].map(Source::from);
        let everything = Source::parse_as(EVERYTHING.into(), None, Profile::Live).unwrap();
        for source in sources.iter().chain([&everything]) {
            let text = shown(source);
            let again = Source::parse(text.clone(), None).unwrap();
            let plain = |config| toml::to_string(config).unwrap();
            assert_eq!(plain(&again.config), plain(&source.config), "{text}");
            assert_eq!(again.profile(), source.profile());
            assert_eq!(shown(&again), text);
            // No field stands below another without a comment, and none has a table that is not documented.
            let lines: Vec<_> = text.lines().collect();
            for (above, line) in lines.iter().zip(&lines[1..]) {
                let is_field = line.contains(" = ") || line.starts_with('[');
                assert!(!is_field || above.starts_with("# "), "{above}\n{line}");
            }
            for line in plain(&source.config).lines().filter(|line| !line.is_empty()) {
                let name = line.trim_matches(['[', ']']).split([' ', '.']).next_back().unwrap();
                let name = if line.starts_with('[') { name } else { line.split(' ').next().unwrap() };
                assert!(text.contains(name), "{name} is not in {text}");
            }
        }
        assert!(shown(&sources[0]).contains("# helper_core is not set"));
        assert!(shown(&sources[0]).contains("# cores = { ingest = 0, "));
    }
}
