//! A conversation that goes on for minutes takes no more memory than its first minute. Alone in its program: it
//! counts in the global allocator.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use support::{drain, engine, noise};
use voxlane::config::{DetectorKind, EndpointConfig, PartialConfig};
use voxlane::{Config, Event, Stream};

struct Counting;

static ALIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Rounds of the conversation: 6 minutes in all.
const ROUNDS: usize = 60;
/// What a client's own buffers may differ by from one moment to another.
const SLACK_BYTES: isize = 64 * 1024;

/// 6 s: three utterances of noise, for the energy detector speech, with near silence between.
fn round(seed: u32) -> Vec<i16> {
    let parts = [(0.9, 1), (0.7, 1500), (2.1, 1), (0.6, 1500), (0.8, 1), (0.9, 1500)];
    let part = |(seconds, divisor)| {
        let samples = noise((seconds * 16_000.0) as usize, seed);
        samples.into_iter().map(move |sample| (i32::from(sample) / divisor) as i16)
    };
    parts.into_iter().flat_map(part).collect()
}

/// Resident kilobytes, where the system says.
fn resident_kib() -> Option<isize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn count_finals(events: impl Iterator<Item = Event>) -> usize {
    events.filter(|event| matches!(event, Event::Final(_))).count()
}

fn speak(stream: &mut Stream, seed: u32) -> usize {
    let mut finals = 0;
    for chunk in round(seed).chunks(320) {
        stream.push_wait(chunk).unwrap();
        finals += count_finals(std::iter::from_fn(|| stream.try_next()));
    }
    finals
}

#[test]
fn a_long_conversation_takes_no_more_memory_than_a_short_one() {
    let engine = engine(Config {
        endpoint: EndpointConfig { detector: DetectorKind::Energy, ..EndpointConfig::default() },
        partial: PartialConfig { every_ms: 200 },
        ..support::config(1)
    });
    let mut stream = support::open_soon(&engine);
    let mut finals = 0;
    let mut after_a_minute = (0, None);
    for number in 0..ROUNDS {
        finals += speak(&mut stream, number as u32);
        if number == 9 {
            after_a_minute = (ALIVE.load(Ordering::SeqCst), resident_kib());
        }
    }
    let grown = ALIVE.load(Ordering::SeqCst) - after_a_minute.0;
    let resident = resident_kib().zip(after_a_minute.1).map(|(now, then)| now - then);
    stream.finish().unwrap();
    finals += count_finals(drain(&mut stream).into_iter());
    assert!(finals >= ROUNDS, "{finals} finals");
    assert!(grown.abs() < SLACK_BYTES, "{grown} bytes more after six minutes");
    if let Some(resident) = resident {
        assert!(resident < 1024, "{resident} KiB more resident after six minutes");
    }
}
