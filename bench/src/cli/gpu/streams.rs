//! How many live streams one lane sustains: each pushes a recording at the pace of speech, again and again, and
//! the latency of every final is counted from its last sample's intended time.

use super::{Args, say};
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use voxlane::config::LaneConfig;
use voxlane::{Config, Engine, Event, Stream, StreamError, StreamOptions};
use voxlane_bench::recordings::read_samples;

/// Live audio comes in pieces of so many samples, 20 ms.
const PIECE: usize = 320;
/// What p99 should be at most.
const GOAL_MS: f64 = 200.0;
/// How long the last finals are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints a line for each number of streams.
pub fn run(args: &Args) -> Result<()> {
    let clips: Vec<Vec<i16>> = std::fs::read_dir(&args.clips)?
        .map(|entry| -> Result<PathBuf> { Ok(entry?.path()) })
        .filter(|path: &Result<_>| {
            path.as_ref().is_ok_and(|path| path.extension().is_some_and(|end| end == "wav"))
        })
        .map(|path| read_samples(&path?))
        .collect::<Result<_>>()?;
    ensure!(!clips.is_empty(), "no recording in {}", args.clips.display());
    say(format_args!(
        "\n{:>7} {:>7} {:>9} {:>9} {:>9}  final latency, {} s of live audio each, no wait for an endpoint",
        "streams", "finals", "p50 ms", "p99 ms", "max ms", args.seconds
    ))?;
    for &streams in &args.streams {
        let mut config =
            Config { model: args.model.model.clone(), backend: args.backend, ..Config::default() };
        config.device = args.options(args.batch.iter().copied().max().unwrap_or(1).min(streams));
        config.lanes = vec![LaneConfig { device: args.device, ..LaneConfig::with_slots(streams) }];
        let engine = Engine::start(config)?;
        let mut finals = serve(&engine, streams, &clips, Duration::from_secs(args.seconds))?;
        engine.shutdown(PATIENCE);
        ensure!(!finals.is_empty(), "no recording came to its end");
        finals.sort_by(f64::total_cmp);
        let at = |share: f64| finals[((finals.len() - 1) as f64 * share).ceil() as usize];
        let verdict = if at(0.99) <= GOAL_MS { "sustained" } else { "not sustained" };
        say(format_args!(
            "{streams:>7} {:>7} {:>9.1} {:>9.1} {:>9.1}  {verdict}",
            finals.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        ))?;
    }
    Ok(())
}

/// A stream's place in its recording.
struct Feed {
    stream: Stream,
    clip: usize,
    at: usize,
}

/// Feeds all streams from this thread, on time; the latencies of all finals in milliseconds.
fn serve(engine: &Engine, streams: usize, clips: &[Vec<i16>], length: Duration) -> Result<Vec<f64>> {
    let mut feeds = (0..streams)
        .map(|number| {
            let stream = engine.open(StreamOptions::default())?;
            // Spread over the recordings and over their lengths, so that ends do not come together.
            let clip = number % clips.len();
            Ok(Feed { stream, clip, at: (number * 7 * PIECE) % clips[clip].len() })
        })
        .collect::<Result<Vec<_>>>()?;
    let (begun, piece) = (Instant::now(), Duration::from_millis(20));
    let mut finals = Vec::new();
    let mut due = begun;
    while begun.elapsed() < length {
        due += piece;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        for feed in &mut feeds {
            let clip = &clips[feed.clip];
            let end = clip.len().min(feed.at + PIECE);
            let taken = feed.stream.push(&clip[feed.at..end])?;
            feed.at += taken;
            if feed.at == clip.len() {
                match feed.stream.end_segment() {
                    // Again with the next piece.
                    Err(StreamError::Full) => {}
                    ended => {
                        ended?;
                        feed.at = 0;
                    }
                }
            }
            while let Some(event) = feed.stream.try_next() {
                note(&event, &mut finals)?;
            }
        }
    }
    for feed in &mut feeds {
        feed.stream.finish()?;
    }
    for feed in &mut feeds {
        while !feed.stream.is_closed() {
            note(
                &feed.stream.next_timeout(PATIENCE).context("the engine says nothing any more")?,
                &mut finals,
            )?;
        }
    }
    Ok(finals)
}

fn note(event: &Event, finals: &mut Vec<f64>) -> Result<()> {
    match event {
        Event::Final(said) => finals.push(said.latency_ms.total),
        Event::Error { error, .. } => bail!("a stream failed: {error}"),
        _ => {}
    }
    Ok(())
}
