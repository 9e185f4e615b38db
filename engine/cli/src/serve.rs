//! `voxlane serve`: the engine for others, over the network.

use super::arguments;
use super::failure::Failure;
use super::models::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use voxlane::config::{ConfigError, InvalidField, Profile, Source, Topology};
use voxlane::{Config, Engine};
use voxlane_models::manager::{Manager, Options};
use voxlane_server::config::{ServerConfig, TABLES};
use voxlane_server::{Server, ServerError};

/// How long the end of the engine may take: its streams have ended by then.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// The arguments of `voxlane serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A configuration, with a table `[server]`; what it leaves out is as in the profile `live`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on, port 0 is any free one; overrides the configuration [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address and port for Wyoming clients, such as 127.0.0.1:10300; overrides the configuration [default: none]
    #[arg(long, value_name = "ADDR")]
    wyoming: Option<SocketAddr>,
    /// The model, as `voxlane models list` shows it; overrides the configuration
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// File of API keys, a line each: name sha256:HEX [streams=N] [rate=N] [seconds_a_day=N]; overrides the configuration
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Never use the network to fetch models
    #[arg(long)]
    offline: bool,
}

/// Serves until SIGTERM or SIGINT; prints a line when clients may come.
///
/// # Errors
/// [`Failure`], which knows its exit code.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let (source, settings) = configuration(args)?;
    let manager = Manager::new(Options { offline: args.offline, ..Options::default() })?;
    arguments::fetch(&manager, &source.config, &mut Display::new())?;
    let drain = settings.drain();
    let engine = Arc::new(Engine::start(source)?);
    let server = Server::start(settings, Arc::clone(&engine))?;
    let scheme = if server.services().tls.is_some() { "https" } else { "http" };
    writeln!(out, "listening on {scheme}://{}", server.address())?;
    out.flush()?;
    server.wait()?;
    let report = server.drain(drain);
    if report.cut_connections > 0 {
        tracing::warn!(connections = report.cut_connections, "connections were cut");
    }
    // Tasks that are still ending may hold it: then it ends with the process.
    if let Some(engine) = Arc::into_inner(engine) {
        engine.shutdown(SHUTDOWN_LIMIT);
    }
    Ok(())
}

/// The configuration that the arguments name and change: the engine's, and the server's.
fn configuration(args: &Args) -> Result<(Source, ServerConfig), Failure> {
    let mut source = match &args.config {
        Some(path) => Config::load_beside(path, Profile::Live, TABLES)?,
        None => Source::from(Profile::Live),
    };
    let mut settings = ServerConfig::read(&source)?;
    settings.listen = args.listen.unwrap_or(settings.listen);
    settings.wyoming = args.wyoming.or(settings.wyoming);
    settings.keys = args.keys.clone().or(settings.keys);
    if let Some(fault) = settings.fault() {
        return Err(source.refuse(fault).into());
    }
    let config = &mut source.config;
    config.model = args.model.clone().unwrap_or_else(|| config.model.clone());
    source.placement(&Topology::of_host())?;
    Ok((source, settings))
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Config(InvalidField { field, value, rule, .. }) => {
                let at = voxlane::config::Located::default();
                Failure::Config(ConfigError::Value { at, field, value, message: rule })
            }
            ServerError::Keys(_) => Failure::usage(
                error.to_string(),
                "a line is: name sha256:HEX [streams=N] [rate=N] [seconds_a_day=N]",
            ),
            ServerError::Listen { .. } => {
                Failure::usage(error.to_string(), "--listen ADDR and --wyoming ADDR name other addresses")
            }
            ServerError::Threads(_) => Failure::usage(error.to_string(), "`voxlane doctor` shows the cores"),
            error => Failure::usage(error.to_string(), ""),
        }
    }
}
