//! One input through a stream, or through several where a lane fails on the way.

use super::feed::{Circumstances, Feed, Pace};
use super::show::Screen;
use super::source::Source;
use crate::failure::Failure;
use crate::signals::Signals;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use voxlane::audio::ENGINE_RATE_HZ;
use voxlane::{Engine, Event, OpenError, Stream, StreamFault, StreamOptions, StreamOutput};

/// How often the wait for an event or a header looks whether anything else has happened.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long the wait for a stream looks between two tries.
const OPEN_PAUSE: Duration = Duration::from_millis(5);

/// How long a lane that failed may take to start again.
const RESTART_LIMIT: Duration = Duration::from_secs(60);

/// Shows what is heard in `source` until it ends, a signal comes, or nobody reads the output.
///
/// # Errors
/// [`Failure`] of the input, the engine or the output. Everything that was heard before has been shown.
pub fn listen(
    engine: &Engine,
    source: &mut Source,
    pace: Pace,
    signals: &Signals,
    screen: &mut Screen,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let opened = sample_rate(source, signals);
    // An input that cannot be read is an empty one: its events end as any other's.
    let sample_rate = opened.as_ref().ok().copied().flatten().unwrap_or(ENGINE_RATE_HZ);
    let is_ended = AtomicBool::new(!matches!(opened, Ok(Some(_))));
    let (waiting, (warnings, warned)) = (AtomicUsize::new(0), channel());
    let is_stopped = || is_ended.load(Ordering::Relaxed) || signals.received().is_some();
    let now = || engine.now();
    let circumstances =
        Circumstances { pace, is_stopped: &is_stopped, now: &now, waiting: &waiting, warnings };
    let is_live = source.is_live;
    let mut feed = Feed::new(source, sample_rate, circumstances);
    let mut lost = None;
    loop {
        let stream = open(engine, sample_rate, &is_stopped)?;
        let (number, begun) = (stream.number(), feed.seconds());
        let mut show = |event: &Event| {
            let shown = screen.show(out, event).map_err(Failure::Output);
            warned.try_iter().for_each(|text| screen.warn(&text));
            shown
        };
        let (input, output) = stream.split();
        let (fed, heard) = std::thread::scope(|scope| {
            let feeder = scope.spawn(|| feed.run(input));
            let events = Events::of(output, is_live, &waiting, scope);
            let heard = heard(events, &waiting, &mut show);
            // A stream that was closed from inside takes no more, and neither does an output that has failed.
            if !matches!(heard, Ok(Heard { fault: Some(StreamFault::LaneFailed), .. })) {
                is_ended.store(true, Ordering::Relaxed);
            }
            let fed = feeder.join();
            (fed.unwrap_or_else(|_| Err(Failure::usage("input: its thread panicked", ""))), heard)
        });
        warned.try_iter().for_each(|text| screen.warn(&text));
        let heard = heard?;
        match heard.fault {
            Some(StreamFault::LaneFailed) if !is_stopped() => {
                lost = Some(StreamFault::LaneFailed);
                let (from, to) = (begun + heard.end, feed.seconds());
                screen.warn(&format!(
                    "the lane failed: what was said from {from:.1} s to {to:.1} s is missing; stream {} begins at {to:.1} s",
                    number + 1
                ));
            }
            Some(fault) => return Err(fault.into()),
            None => {
                opened?;
                fed?;
                return lost.map_or(Ok(()), |fault| Err(fault.into()));
            }
        }
    }
}

/// Waits until the input says what it is; none if a signal comes first.
fn sample_rate(source: &mut Source, signals: &Signals) -> Result<Option<u32>, Failure> {
    while signals.received().is_none() {
        if let Some(rate) = source.sample_rate(LOOK_AGAIN)? {
            return Ok(Some(rate));
        }
    }
    Ok(None)
}

/// Opens a stream; waits for a lane that has failed to start again, unless it is not wanted any more.
fn open(engine: &Engine, sample_rate: u32, is_stopped: &impl Fn() -> bool) -> Result<Stream, Failure> {
    let limit = Instant::now() + RESTART_LIMIT;
    loop {
        match engine.open(StreamOptions::new(sample_rate)) {
            Ok(stream) => return Ok(stream),
            Err(OpenError::Saturated { .. } | OpenError::Down { .. })
                if !is_stopped() && Instant::now() < limit =>
            {
                std::thread::sleep(OPEN_PAUSE);
            }
            Err(OpenError::Saturated { .. } | OpenError::Down { .. }) => {
                return Err(StreamFault::LaneFailed.into());
            }
            Err(error) => return Err(Failure::usage(error.to_string(), "see --config")),
        }
    }
}

/// What a stream came to.
struct Heard {
    /// Why it was closed from inside.
    fault: Option<StreamFault>,
    /// Seconds up to which its finals reach.
    end: f64,
}

/// The events of a stream: of live audio as the stream has them, so that whoever reads them too slowly loses it; of a
/// recording by a thread that takes them at once and counts those that wait.
enum Events {
    Live(Box<StreamOutput>),
    Recorded(Receiver<Event>),
}

impl Events {
    fn of<'scope>(
        mut output: StreamOutput,
        is_live: bool,
        waiting: &'scope AtomicUsize,
        scope: &'scope std::thread::Scope<'scope, '_>,
    ) -> Events {
        if is_live {
            return Events::Live(Box::new(output));
        }
        let (sender, events): (Sender<Event>, _) = channel();
        scope.spawn(move || {
            while !output.is_closed() {
                let Some(event) = output.next_timeout(LOOK_AGAIN) else { continue };
                waiting.fetch_add(1, Ordering::Relaxed);
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Events::Recorded(events)
    }

    /// The next event; none after a while without, `Err` when there will be none.
    fn next(&mut self) -> Result<Option<Event>, RecvTimeoutError> {
        match self {
            Events::Live(output) if output.is_closed() => Err(RecvTimeoutError::Disconnected),
            Events::Live(output) => Ok(output.next_timeout(LOOK_AGAIN)),
            Events::Recorded(events) => match events.recv_timeout(LOOK_AGAIN) {
                Err(RecvTimeoutError::Timeout) => Ok(None),
                next => next.map(Some),
            },
        }
    }
}

/// Shows events until the stream is closed.
fn heard(
    mut events: Events,
    waiting: &AtomicUsize,
    show: &mut impl FnMut(&Event) -> Result<(), Failure>,
) -> Result<Heard, Failure> {
    let mut heard = Heard { fault: None, end: 0.0 };
    while let Ok(next) = events.next() {
        let Some(event) = next else { continue };
        match &event {
            Event::Error { error, .. } if !error.is_notice() => heard.fault = Some(*error),
            Event::Final(said) => heard.end = said.end,
            _ => {}
        }
        show(&event)?;
        if let Events::Recorded(_) = events {
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
    Ok(heard)
}
