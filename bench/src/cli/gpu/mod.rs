//! `voxlane-bench gpu`: a network on a device, beside the processor's f32: whether it says the same, how long its
//! steps take, and how many live streams it sustains.

mod parity;
mod steps;
mod streams;

use super::ModelArgs;
use anyhow::{Result, bail};
use std::io::Write;
use std::path::PathBuf;
use voxlane::config::{Backend, DeviceOptions, Float};
use voxlane_models::burn::BurnMoonshine;
use voxlane_models::burn::platform::{self, Platform};
use voxlane_models::families::import_moonshine;

/// What to measure, and on what.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// What runs the network: flex, wgpu or cuda, as far as it is built in
    #[arg(long, value_parser = backend)]
    backend: Backend,
    /// Which device, as `voxlane doctor` lists them
    #[arg(long, default_value_t = 0)]
    device: usize,
    /// The numbers that it computes with: f32, f16 or bf16
    #[arg(long, value_parser = float, default_value = "f32")]
    float: Float,
    /// Decode steps given to the device before the first is waited for
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=4))]
    steps_in_flight: u64,
    /// Let Burn join operations into kernels of its own making
    #[arg(long)]
    fusion: bool,
    /// A folder with tokens.tsv and recordings that it names: those of the tests
    #[arg(long, default_value = "models/tests/golden")]
    clips: PathBuf,
    /// Numbers of places whose step is timed
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64")]
    batch: Vec<usize>,
    /// Steps timed for each
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// Numbers of live streams that are tried; none skips that
    #[arg(long, value_delimiter = ',')]
    streams: Vec<usize>,
    /// Seconds of live audio for each
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// What the device can do at most in these numbers, in GFLOP/s; the table then says the share of it
    #[arg(long)]
    peak_gflops: Option<f64>,
}

fn backend(word: &str) -> Result<Backend, String> {
    serde_json::from_value(word.into()).map_err(|error| error.to_string())
}

fn float(word: &str) -> Result<Float, String> {
    serde_json::from_value(word.into()).map_err(|error| error.to_string())
}

impl Args {
    fn options(&self, batch: usize) -> DeviceOptions {
        DeviceOptions {
            float: self.float,
            batch,
            steps_in_flight: self.steps_in_flight as usize,
            fusion: self.fusion,
        }
    }
}

/// Prints a line.
fn say(line: std::fmt::Arguments<'_>) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Prints the tables. Tokens that are not the reference's make it fail, after everything has been printed.
pub fn run(args: &Args) -> Result<()> {
    match (args.backend, args.fusion) {
        #[cfg(feature = "flex")]
        (Backend::Flex, false) => run_on::<platform::Flex>(args),
        #[cfg(feature = "wgpu")]
        (Backend::Wgpu, false) => run_on::<platform::Wgpu>(args),
        #[cfg(all(feature = "wgpu", feature = "fusion"))]
        (Backend::Wgpu, true) => run_on::<platform::FusedWgpu>(args),
        #[cfg(feature = "cuda")]
        (Backend::Cuda, false) => run_on::<platform::Cuda>(args),
        #[cfg(all(feature = "cuda", feature = "fusion"))]
        (Backend::Cuda, true) => run_on::<platform::FusedCuda>(args),
        (backend, fusion) => {
            bail!("{backend} (fusion: {fusion}) is not built in; build with its Cargo features")
        }
    }
}

fn run_on<B: Platform>(args: &Args) -> Result<()> {
    let files = args.model.files()?;
    platform::keep_tuning_in(&files.dir().join("tuning"));
    let device = B::device(args.device, args.float)?;
    let name = B::found()?.swap_remove(args.device);
    let (weights, _) = import_moonshine(&files)?;
    say(format_args!(
        "{} on {} {}: {name}; {}, {} steps in flight, fusion {}, attention plain",
        args.model.model,
        B::NAME,
        args.device,
        args.float,
        args.steps_in_flight,
        args.fusion
    ))?;
    let model = BurnMoonshine::<B>::new(&weights, &device, args.options(2));
    say(format_args!("first run of every shape: {:.1} s", model.warm_up().as_secs_f64()))?;
    let same = parity::run(&model, &weights, &args.clips)?;
    steps::run::<B>(args, &weights, &device)?;
    if !args.streams.is_empty() {
        streams::run(args)?;
    }
    if !same {
        bail!("tokens differ from the reference's where it has no near tie");
    }
    Ok(())
}
