//! Streams of an asynchronous program: no thread a stream, everything heard, also the end of the lane.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use support::{engine, expected, finals, noise, open};
use voxlane::config::LaneConfig;
use voxlane::{Engine, Event, Stream, StreamError, StreamFault};

/// How long something may take that comes at once where nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Wakes the thread that polls all tasks, and counts how often.
struct Counting(std::thread::Thread, AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.unpark();
    }
}

fn waker() -> (Arc<Counting>, Waker) {
    let counting = Arc::new(Counting(std::thread::current(), AtomicUsize::new(0)));
    (Arc::clone(&counting), Waker::from(counting))
}

#[cfg(target_os = "linux")]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn engine_of(slots: usize) -> Engine {
    let mut config = support::config(slots);
    config.lanes = vec![LaneConfig { audio_ms: 60, events: 32, ..config.lanes[0].clone() }];
    config.lanes[0].slots = LaneConfig::with_slots(slots).slots;
    engine(config)
}

/// One test: the threads of the process are counted.
#[test]
#[cfg(target_os = "linux")]
fn a_thousand_streams_need_no_thread_and_hear_everything() {
    let engine = engine_of(1000);
    let before = threads();
    let mut streams: Vec<Stream> = (0..1000).map(|_| open(&engine)).collect();
    let (_, waker) = waker();
    let mut context = Context::from_waker(&waker);
    assert!(streams.iter_mut().all(|stream| stream.poll_event(&mut context).is_pending()));
    assert_eq!(threads(), before);
    let audio: Vec<Vec<i16>> = (0..1000).map(|seed| noise(1600, seed)).collect();
    let mut rests: Vec<&[i16]> = audio.iter().map(Vec::as_slice).collect();
    let mut events: Vec<Vec<Event>> = vec![Vec::new(); 1000];
    let begun = Instant::now();
    loop {
        for ((stream, rest), events) in streams.iter_mut().zip(&mut rests).zip(&mut events) {
            while !rest.is_empty() && stream.poll_ready(&mut context).is_ready() {
                *rest = &rest[stream.push(rest).unwrap()..];
                if rest.is_empty() {
                    stream.finish().unwrap();
                }
            }
            while let Poll::Ready(Some(event)) = stream.poll_event(&mut context) {
                events.push(event);
            }
        }
        if streams.iter().all(Stream::is_closed) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "streams do not end");
        std::thread::park_timeout(PATIENCE);
    }
    assert_eq!(threads(), before);
    for (events, audio) in events.iter().zip(&audio) {
        assert_eq!(finals(events), [expected(audio)]);
    }
}

#[test]
fn a_task_is_woken_for_an_event_and_for_room() {
    let engine = engine_of(1);
    let (mut input, mut output) = open(&engine).split();
    let (counting, waker) = waker();
    let mut context = Context::from_waker(&waker);
    assert!(matches!(input.poll_ready(&mut context), Poll::Ready(Ok(()))), "there is room at once");
    assert!(output.poll_event(&mut context).is_pending());
    let audio = noise(16_000, 3);
    let mut rest = &audio[..];
    let (begun, mut waits, mut events) = (Instant::now(), 0, Vec::new());
    while !rest.is_empty() {
        match input.poll_ready(&mut context) {
            Poll::Ready(ready) => {
                ready.unwrap();
                rest = &rest[input.push(rest).unwrap()..];
            }
            Poll::Pending => {
                waits += 1;
                std::thread::park_timeout(PATIENCE);
            }
        }
        assert!(begun.elapsed() < PATIENCE, "no room in time");
    }
    input.finish().unwrap();
    while !output.is_closed() {
        match output.poll_event(&mut context) {
            Poll::Ready(event) => events.extend(event),
            Poll::Pending => std::thread::park_timeout(PATIENCE),
        }
        assert!(begun.elapsed() < PATIENCE, "no event in time");
    }
    assert_eq!(finals(&events), [expected(&audio)]);
    assert!(waits == 0 || counting.1.load(Ordering::Relaxed) > 0);
    assert!(matches!(output.poll_event(&mut context), Poll::Ready(None)));
}

#[test]
fn tasks_that_wait_hear_of_a_shutdown() {
    let engine = engine_of(1);
    let (mut input, mut output) = open(&engine).split();
    let (counting, waker) = waker();
    let mut context = Context::from_waker(&waker);
    assert!(output.poll_event(&mut context).is_pending());
    engine.shutdown(Duration::from_secs(20));
    assert!(counting.1.load(Ordering::Relaxed) > 0, "nobody has woken the task");
    let event = output.poll_event(&mut context);
    let is_end = matches!(
        event,
        Poll::Ready(Some(Event::Closed { .. } | Event::Error { error: StreamFault::ShutDown, .. }))
    );
    assert!(is_end, "{event:?}");
    let ready = input.poll_ready(&mut context);
    assert!(matches!(ready, Poll::Ready(Err(StreamError::ShutDown))), "{ready:?}");
}
