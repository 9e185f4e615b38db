//! An open loop: every 20 ms of every stream is due at a time that nobody can move.

use crate::recordings::SAMPLE_RATE;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use voxlane::{EndCause, Engine, Event, OpenError, Stream, StreamInput, StreamOptions, StreamOutput, Time};

/// Samples in a block: 20 ms.
const BLOCK: usize = SAMPLE_RATE as usize / 50;
/// The feeder sleeps until this long before a block is due, then spins.
const SPIN: Duration = Duration::from_micros(300);
/// How long events may stay away after the last sample.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came out and when, in seconds after the stream's first sample was due. Also the form in which rivals
/// write what they say, one JSON object a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Said {
    /// When it was handed over.
    pub at: f64,
    /// Which line of text it belongs to.
    pub segment: u32,
    /// Whether it will not change.
    pub is_final: bool,
    /// Where its segment begins, in seconds of the audio.
    pub start: f64,
    /// Where it ends, or how far it reaches.
    pub end: f64,
    /// The text.
    pub text: String,
    /// The part of it that was declared stable.
    #[serde(default)]
    pub stable: String,
    /// Whether a final says that it contradicts what was stable.
    #[serde(default)]
    pub revised: bool,
    /// From the endpoint's decision to the final, in milliseconds, by the engine's own account from the times
    /// at which the audio was due.
    #[serde(default)]
    pub after_endpoint_ms: Option<f64>,
    /// From when the newest audio that it reflects was due to its hand-over, in milliseconds, by the engine's own
    /// account.
    #[serde(default)]
    pub total_ms: Option<f64>,
    /// Whether the end of its stream ended it, where the system says so.
    #[serde(default)]
    pub is_last: bool,
    /// The tokens, where the system gives them.
    #[serde(default)]
    pub tokens: Vec<u32>,
}

/// One stream's run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// In order.
    pub said: Vec<Said>,
    /// Blocks that the stream did not take when they were due.
    pub held_back: u64,
    /// How late blocks were pushed, in seconds.
    pub lag: Vec<f64>,
    /// Events out of order, or missing at the end.
    pub disorder: u64,
    /// The segment that the stream's end ended.
    last: Option<u32>,
}

/// Feeds one conversation for each stream, the second stream a little after the first and so on, so that
/// blocks of many streams are not due at once.
///
/// # Errors
/// If a stream cannot be opened or fails.
pub fn run(engine: &Engine, conversations: &[&[i16]]) -> Result<Vec<Run>> {
    let count = conversations.len();
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (input, output) = open(engine, StreamOptions::default())?.split();
        inputs.push(input);
        outputs.push(output);
    }
    let begun = engine.now().after(Duration::from_millis(50));
    let starts: Vec<Time> =
        (0..count).map(|i| begun.after(Duration::from_micros(20_000 * i as u64 / count as u64))).collect();
    let is_fed = AtomicBool::new(false);
    let (mut runs, fed) = std::thread::scope(|scope| {
        let listener = scope.spawn(|| listen(engine, &mut outputs, &starts, &is_fed));
        let fed = feed(engine, inputs, conversations, &starts);
        is_fed.store(true, Ordering::Release);
        let heard = listener.join().unwrap_or_else(|_| bail!("the listener failed"));
        heard.map(|runs| (runs, fed))
    })?;
    for (run, (held_back, lag)) in runs.iter_mut().zip(fed?) {
        (run.held_back, run.lag) = (held_back, lag);
    }
    Ok(runs)
}

/// Pushes recordings as fast as they are taken, each in a stream of its own, one after the other.
///
/// # Errors
/// If a stream cannot be opened or fails.
pub fn run_fast(engine: &Engine, recordings: &[&[i16]]) -> Result<Vec<Run>> {
    let one = |samples: &&[i16]| {
        let (mut run, mut segment) = (Run::default(), None);
        let begun = engine.now();
        let mut stream = open(engine, StreamOptions::default())?;
        stream.push_wait(samples)?;
        stream.finish()?;
        while !stream.is_closed() {
            let event = stream.next_timeout(PATIENCE).context("the engine says nothing any more")?;
            take(&mut run, &mut segment, engine.now().since(begun).as_secs_f64(), event)?;
        }
        Ok(run)
    };
    recordings.iter().map(one).collect()
}

/// A stream, as soon as the lane has taken back the slot of the one before.
pub(super) fn open(engine: &Engine, options: StreamOptions) -> Result<Stream> {
    let begun = engine.now();
    loop {
        match engine.open(options.clone()) {
            Err(OpenError::Saturated { .. }) if engine.now().since(begun) < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return Ok(opened?),
        }
    }
}

type Fed = Vec<(u64, Vec<f64>)>;

fn feed(
    engine: &Engine,
    mut inputs: Vec<StreamInput>,
    conversations: &[&[i16]],
    starts: &[Time],
) -> Result<Fed> {
    let mut fed: Fed = vec![Default::default(); inputs.len()];
    let blocks = conversations.iter().map(|samples| samples.len().div_ceil(BLOCK)).max().unwrap_or(0);
    for block in 0..blocks {
        for (stream, samples) in conversations.iter().enumerate() {
            let from = (block * BLOCK).min(samples.len());
            let to = (from + BLOCK).min(samples.len());
            if from == to {
                continue;
            }
            let due = starts[stream]
                .after(Duration::from_nanos(to as u64 * 1_000_000_000 / u64::from(SAMPLE_RATE)));
            wait_until(engine, due);
            fed[stream].1.push(engine.now().since(due).as_secs_f64());
            let mut rest = &samples[from..to];
            loop {
                rest = &rest[inputs[stream].push_at(rest, due)?..];
                if rest.is_empty() {
                    break;
                }
                fed[stream].0 += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            if to == samples.len() {
                // At once: a segment that is still open ends with its audio, not with the longest of the conversations.
                inputs[stream].finish()?;
            }
        }
    }
    for input in &mut inputs {
        input.finish()?; // of those without audio
    }
    Ok(fed)
}

fn wait_until(engine: &Engine, due: Time) {
    let left = due.since(engine.now());
    if left > SPIN {
        std::thread::sleep(left - SPIN);
    }
    while engine.now() < due {
        std::hint::spin_loop();
    }
}

fn listen(
    engine: &Engine,
    outputs: &mut [StreamOutput],
    starts: &[Time],
    is_fed: &AtomicBool,
) -> Result<Vec<Run>> {
    let mut runs = vec![Run::default(); outputs.len()];
    let mut open: Vec<Option<u32>> = vec![None; outputs.len()];
    let mut last = engine.now();
    while outputs.iter().any(|output| !output.is_closed()) {
        let is_alone = outputs.len() == 1;
        let mut heard = false;
        for (stream, output) in outputs.iter_mut().enumerate() {
            let event =
                if is_alone { output.next_timeout(Duration::from_millis(100)) } else { output.try_next() };
            let Some(event) = event else { continue };
            heard = true;
            let at = engine.now().since(starts[stream]).as_secs_f64();
            take(&mut runs[stream], &mut open[stream], at, event)?;
        }
        if heard {
            last = engine.now();
        } else if is_fed.load(Ordering::Acquire) && engine.now().since(last) > PATIENCE {
            bail!("the engine says nothing any more");
        } else if !is_alone {
            std::thread::sleep(Duration::from_micros(500));
        }
    }
    Ok(runs)
}

fn take(run: &mut Run, open: &mut Option<u32>, at: f64, event: Event) -> Result<()> {
    let (said, is_final) = match event {
        Event::SpeechStart { segment, .. } => {
            run.disorder += u64::from(open.replace(segment).is_some());
            return Ok(());
        }
        Event::Partial(said) => (said, false),
        Event::Final(said) => (said, true),
        Event::Endpoint { cause: EndCause::Client, segment, .. } => {
            run.last = Some(segment);
            return Ok(());
        }
        Event::Closed { .. } => {
            run.disorder += u64::from(open.is_some());
            return Ok(());
        }
        Event::Error { error, .. } if !error.is_notice() => {
            return Err(error).context("a stream failed");
        }
        _ => return Ok(()),
    };
    run.disorder += u64::from(*open != Some(said.segment));
    if is_final {
        *open = None;
    }
    let latency = said.latency_ms;
    run.said.push(Said {
        at,
        segment: said.segment,
        is_final,
        start: said.start,
        end: said.end,
        text: said.text,
        stable: said.stable.unwrap_or_default(),
        revised: said.revised,
        after_endpoint_ms: is_final.then_some(latency.total - latency.endpoint_wait),
        total_ms: Some(latency.total),
        is_last: is_final && run.last == Some(said.segment),
        tokens: said.tokens.iter().map(|token| token.id).collect(),
    });
    Ok(())
}
