//! `voxlane config check FILE` and `voxlane config show`.

use super::failure::{Failure, manager_error};
use clap::Subcommand;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use toml::Spanned;
use voxlane::config::{Placement, Source, StageCores, Topology};
use voxlane::frame::StageKind;
use voxlane::{Config, Engine, EngineError};
use voxlane_models::manager::ManagerError;

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
        /// Check the placement for a machine with so many cores instead of this one
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
        cores: Option<u64>,
    },
    /// Print the configuration with every field, as it would take effect here
    Show {
        /// The configuration; by default what runs without one
        file: Option<PathBuf>,
    },
}

/// Does what `args` say.
///
/// # Errors
/// [`Failure`], which knows its exit code.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    match &args.command {
        Command::Check { file, cores } => check(&Config::load(file)?, cores.map(|cores| cores as usize), out),
        Command::Show { file } => {
            let source = file.as_ref().map_or_else(|| Ok(Source::default()), |file| Config::load(file))?;
            show(source, out)
        }
    }
}

fn check(source: &Source, cores: Option<usize>, out: &mut impl Write) -> Result<(), Failure> {
    let topology = cores.map_or_else(Topology::of_host, Topology::with_cores);
    let placements = source.placement(&topology)?;
    for (number, (lane, placement)) in source.config.lanes.iter().zip(&placements).enumerate() {
        let wait = toml::Value::try_from(lane.wait).ok();
        let wait = wait.as_ref().and_then(toml::Value::as_str).unwrap_or_default();
        let threads = placement.threads.len();
        writeln!(out, "lane {number}: threads {threads}, slots {}, wait {wait}", lane.slots.get_ref())?;
        write_threads(placement, out)?;
    }
    let begun = Instant::now();
    let tried = match cores {
        // Another machine's cores cannot be pinned to here.
        Some(_) => Engine::check_model(source.clone()).map(|()| "loaded"),
        None => Engine::start(source.clone()).map(|engine| {
            engine.shutdown(SHUTDOWN_LIMIT);
            "loaded, every thread pinned and started"
        }),
    };
    let model = &source.config.model;
    match tried {
        Ok(done) => writeln!(out, "model {model}: {done} in {:.2} s", begun.elapsed().as_secs_f64())?,
        Err(EngineError::Model(error) | EngineError::Detector(error)) if missing(&*error).is_some() => {
            let model = missing(&*error).unwrap_or(model);
            writeln!(
                out,
                "model {model}: not in the cache, so not tried; `voxlane models fetch {model}` brings it"
            )?;
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

fn write_threads(placement: &Placement, out: &mut impl Write) -> std::io::Result<()> {
    placement.threads.iter().try_for_each(|thread| {
        let stages: Vec<_> = thread.stages.iter().map(|stage| stage.name()).collect();
        writeln!(out, "  core {}: {}", thread.core, stages.join(", "))
    })
}

/// Cores that the configuration leaves to the affinity mask are shown as chosen.
fn show(mut source: Source, out: &mut impl Write) -> Result<(), Failure> {
    let placements = source.placement(&Topology::of_host())?;
    for (lane, placement) in source.config.lanes.iter_mut().zip(&placements) {
        lane.cores = lane.cores.take().or_else(|| stage_cores(placement));
    }
    let text = toml::to_string(&source.config)
        .map_err(|error| Failure::Output(std::io::Error::other(error.to_string())))?;
    write!(out, "{text}")?;
    Ok(())
}

fn stage_cores(placement: &Placement) -> Option<StageCores> {
    let core = |stage| Some(Spanned::new(0..0, placement.core(stage)?));
    Some(StageCores {
        ingest: core(StageKind::Ingest)?,
        features: core(StageKind::Features)?,
        encoder: core(StageKind::Encoder)?,
        decoder: core(StageKind::Decoder)?,
        emit: core(StageKind::Emit)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_a_whole_configuration_that_shows_the_same() {
        let shown = |source| {
            let mut out = Vec::new();
            show(source, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let first = shown(Source::default());
        assert!(first.contains("model = \"moonshine-tiny\"") && first.contains("spin_us"), "{first}");
        assert!(first.contains("decoder = "), "{first}");
        let again = Source::parse(first.clone(), None).unwrap();
        assert_eq!(shown(again), first);
    }
}
