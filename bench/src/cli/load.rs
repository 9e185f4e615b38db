//! `voxlane-bench load`: what clients of a server see, at a load that does not wait for it.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use voxlane::config::{LaneConfig, Profile, Source};
use voxlane::{Config, Engine};
use voxlane_bench::live::conversation::Conversation;
use voxlane_bench::live::feed;
use voxlane_bench::live::figures::{Figures, quantile};
use voxlane_bench::load::account::Account;
use voxlane_bench::load::beyond::Beyond;
use voxlane_bench::load::idle;
use voxlane_bench::load::run::{Load, Loaded};
use voxlane_bench::load::stream::Target;
use voxlane_models::manager;

/// The tables of a server's configuration that are not the engine's.
const BESIDE: &[&str] = &["server"];

/// Conversations that differ: more streams play the same ones again.
const CONVERSATIONS: usize = 8;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The server's native WebSocket, such as ws://127.0.0.1:8080/v1/stream
    #[arg(long)]
    url: String,
    /// The API key, if the server asks for one
    #[arg(long, env = "VOXLANE_KEY", hide_env_values = true)]
    key: Option<String>,
    #[command(flatten)]
    clips: super::ClipArgs,
    /// Streams
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// How long each stream speaks, and how long idle connections are kept
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Streams that arrive in a second, by a Poisson process; without, all arrive at once
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// The order of the clips, the silences between them, and the times of arrival
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run an echo WebSocket beside the streams, in this program, and print its times
    #[arg(long)]
    echo: bool,
    /// Feed an engine of this configuration in this program by turns with the server (server, engine, engine, server), and
    /// print the difference
    #[arg(long, value_name = "FILE", conflicts_with = "rate")]
    engine: Option<PathBuf>,
    /// Open so many connections that are started and send no audio, instead of streams
    #[arg(long, value_name = "N", conflicts_with_all = ["rate", "engine", "echo"])]
    idle: Option<usize>,
    /// The server's process, whose memory and time are looked at while connections are idle
    #[arg(long, requires = "idle")]
    pid: Option<u32>,
    /// Threads of this program's network, beside the one that says when blocks are due
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Prints what clients see; an error if anything that was accepted was lost.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.seconds > 0.0, "--seconds: none (expected more than 0, found {})", args.seconds);
    ensure!(args.streams > 0, "--streams: no stream (expected 1 or more, found 0)");
    ensure!(args.rate.is_none_or(|rate| rate > 0.0), "--rate: none (expected more than 0)");
    let runtime = Builder::new_multi_thread().worker_threads(args.threads.max(1)).enable_all().build()?;
    let target = Target { url: args.url.clone(), key: args.key.clone() };
    let mut out = io::stdout().lock();
    if let Some(count) = args.idle {
        return keep(args, &runtime, &target, count, &mut out);
    }
    let clips = args.clips.read()?;
    let conversation = |number| {
        let mut conversation = Conversation::of(&clips, args.seed + number as u64)?;
        conversation.truncate(args.seconds);
        ensure!(!conversation.utterances.is_empty(), "--seconds {}: no clip is that short", args.seconds);
        Ok(conversation)
    };
    let conversations =
        (0..args.streams.min(CONVERSATIONS)).map(conversation).collect::<Result<Vec<Conversation>>>()?;
    let load = Load {
        target,
        conversations: &conversations,
        streams: args.streams,
        rate: args.rate,
        seed: args.seed,
        has_echo: args.echo,
    };
    let loaded = match &args.engine {
        None => {
            let loaded = runtime.block_on(load.run())?;
            print(&mut out, &[("server", &loaded)])?;
            vec![loaded]
        }
        Some(file) => {
            let first = runtime.block_on(load.run())?;
            let inside = [in_process(file, &load)?, in_process(file, &load)?];
            let second = runtime.block_on(load.run())?;
            print(&mut out, &[("server, first turn", &first), ("server, second turn", &second)])?;
            print_difference(&mut out, &[&first, &second], &inside)?;
            vec![first, second]
        }
    };
    let is_whole = loaded.iter().all(|loaded| loaded.account.is_whole());
    ensure!(is_whole, "streams: some lost a final, or ended without an error");
    Ok(())
}

fn keep(args: &Args, runtime: &Runtime, target: &Target, count: usize, out: &mut impl Write) -> Result<()> {
    let idle =
        runtime.block_on(idle::keep(target, count, Duration::from_secs_f64(args.seconds), args.pid))?;
    writeln!(
        out,
        "idle connections: {} opened, {} closed by the server within {:.0} s",
        idle.opened,
        idle.closed,
        idle.spans[1].as_secs_f64()
    )?;
    if let (Some(bytes), Some([without, with])) = (idle.more_bytes(), idle.core_shares()) {
        let megabytes = bytes as f64 / f64::from(1 << 20);
        writeln!(
            out,
            "server: {megabytes:+.1} MiB of memory; {:.2} % of a core, without them {:.2} %",
            100.0 * with,
            100.0 * without
        )?;
    }
    Ok(())
}

/// What an engine of this process says of the same: the figures of all its streams.
fn in_process(file: &Path, load: &Load<'_>) -> Result<(Figures, Beyond)> {
    let mut source: Source = Config::load_beside(file, Profile::Live, BESIDE)?;
    let config = &mut source.config;
    manager::fetch(&config.model)?;
    for name in config.endpoint.models() {
        manager::fetch(name)?;
    }
    if config.lanes.is_empty() {
        config.lanes = vec![LaneConfig::with_slots(load.streams)];
    }
    let engine = Engine::start(source).with_context(|| file.display().to_string())?;
    let of = |number: usize| &load.conversations[number % load.conversations.len()];
    let samples: Vec<&[i16]> = (0..load.streams).map(|number| of(number).samples.as_slice()).collect();
    let runs = feed::run(&engine, &samples)?;
    let (mut all, mut beyond) = (Figures::default(), Beyond::default());
    for (number, run) in runs.iter().enumerate() {
        ensure!(run.disorder == 0, "{} events are out of order", run.disorder);
        let figures = Figures::of(&run.said, &of(number).utterances);
        all.after_speech.extend(figures.after_speech);
        all.after_endpoint.extend(figures.after_endpoint);
        beyond.add(number, &run.said);
    }
    Ok((all, beyond))
}

fn print(out: &mut impl Write, turns: &[(&str, &Loaded)]) -> Result<()> {
    for (name, loaded) in turns {
        let account = &loaded.account;
        print_account(out, name, account, loaded.span)?;
        header(out)?;
        for (name, values) in [
            ("connection → ready", &account.connect),
            ("end of speech → last final", &account.after_speech),
            ("decision → final, server's account", &account.after_decision),
            ("retry after", &account.retry_after_ms),
            ("echo of a block", &loaded.echo),
            ("feeder's own lag", &loaded.lag),
        ] {
            if !values.is_empty() {
                row(out, name, values)?;
            }
        }
    }
    Ok(())
}

fn print_account(out: &mut impl Write, name: &str, account: &Account, span: Duration) -> Result<()> {
    let listed = |of: &BTreeMap<String, usize>| {
        let items: Vec<String> = of.iter().map(|(what, count)| format!("{what} {count}")).collect();
        if items.is_empty() { "none".to_owned() } else { items.join(", ") }
    };
    writeln!(
        out,
        "{name}: {} streams in {:.1} s, {} served to the end, {} finals; {:.1} MB sent, {:.2} MB received",
        account.streams,
        span.as_secs_f64(),
        account.served,
        account.finals,
        account.sent_bytes as f64 / 1e6,
        account.received_bytes as f64 / 1e6
    )?;
    writeln!(
        out,
        "refused: {}; ended later by the server: {}; ended without an error: {}; segments without their final: {}",
        listed(&account.refused),
        listed(&account.ended),
        listed(&account.broken),
        account.lost_finals
    )?;
    Ok(())
}

/// How much later finals are by the server than from an engine of the same process.
fn print_difference(out: &mut impl Write, turns: &[&Loaded], inside: &[(Figures, Beyond)]) -> Result<()> {
    let joined = |of: &dyn Fn(&Loaded) -> &Vec<f64>| turns.iter().flat_map(|turn| of(turn).clone()).collect();
    let server: [Vec<f64>; 2] =
        [joined(&|turn| &turn.account.after_speech), joined(&|turn| &turn.account.after_decision)];
    let of_engine = |of: &dyn Fn(&Figures) -> &Vec<f64>| {
        inside.iter().flat_map(|(figures, _)| of(figures).clone()).collect()
    };
    let engine: [Vec<f64>; 2] =
        [of_engine(&|figures| &figures.after_speech), of_engine(&|figures| &figures.after_endpoint)];
    writeln!(out, "both turns, and an engine in this program")?;
    header(out)?;
    for (name, [server, engine]) in [
        ("end of speech → last final", [&server[0], &engine[0]]),
        ("decision → final", [&server[1], &engine[1]]),
    ] {
        row(out, &format!("{name}, server"), server)?;
        row(out, &format!("{name}, engine"), engine)?;
        let at = |q| Some(quantile(server, q)? - quantile(engine, q)?);
        let cells = [0.5, 0.9, 0.99, 0.999].map(|q| at(q).map_or("-".into(), |more| format!("{more:+.2}")));
        writeln!(
            out,
            "{:<44}{:>9}{:>9}{:>9}{:>9}",
            format!("{name}, difference"),
            cells[0],
            cells[1],
            cells[2],
            cells[3]
        )?;
    }
    // The same finals of neighboring turns.
    let more = turns.iter().zip(inside).flat_map(|(turn, (_, engine))| turn.account.beyond.more_than(engine));
    row(out, "the same finals, more than in the engine", &more.collect::<Vec<_>>())?;
    Ok(())
}

fn header(out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{:<44}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}",
        "milliseconds", "p50", "p90", "p99", "p99.9", "max", "n"
    )?;
    Ok(())
}

fn row(out: &mut impl Write, name: &str, values: &[f64]) -> Result<()> {
    let cell = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.2}"));
    let cells = [0.5, 0.9, 0.99, 0.999].map(|q| cell(quantile(values, q)));
    let max = cell(values.iter().copied().reduce(f64::max));
    writeln!(
        out,
        "{name:<44}{:>9}{:>9}{:>9}{:>9}{max:>9}{:>8}",
        cells[0],
        cells[1],
        cells[2],
        cells[3],
        values.len()
    )?;
    Ok(())
}
