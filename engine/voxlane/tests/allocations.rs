//! After start-up a lane's threads allocate nothing, from ingest to emit. Alone in its program: it counts in
//! the global allocator.

mod conversations;
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support::{Hex, drain, emformer, engine, expected, finals, noise, open_soon};
use voxlane::config::DetectorKind;
use voxlane::{Engine, Event, Hotword, StreamError};

struct Counting;

static COUNTED: AtomicUsize = AtomicUsize::new(0);
static COUNTING: AtomicBool = AtomicBool::new(false);

/// Whether the calling thread belongs to a lane, by the name that the kernel keeps.
fn is_lane_thread() -> bool {
    let mut name = [0u8; 16];
    // SAFETY: PR_GET_NAME writes at most 16 bytes to the buffer given.
    let status = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    status == 0 && name.starts_with(b"vox0-")
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTING.load(Ordering::Relaxed) && is_lane_thread() {
            COUNTED.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTING.load(Ordering::Relaxed) && is_lane_thread() {
            COUNTED.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Streams in turns, counted from the second round on; all that the last one said. Beside each there is one that is
/// abandoned in the middle.
fn rounds(engine: &Engine, audio: &[i16], hotwords: &[Vec<Hotword>]) -> Vec<Event> {
    let mut events = Vec::new();
    for round in 0..3 {
        COUNTING.store(round > 0, Ordering::SeqCst);
        let (mut stream, mut abandoned) = (open_soon(engine), open_soon(engine));
        for (i, part) in audio.chunks(777).enumerate() {
            stream.push_wait(part).unwrap();
            if i < audio.len() / 777 / 2 {
                abandoned.push_wait(part).unwrap();
            }
            // More and more at once: a slot that grows with what it is asked would be seen.
            for _ in 0..if i % 20 == 0 { 1 + 8 * round } else { 0 } {
                let _ = stream.mark();
            }
            if let (0, Some(phrases)) = (i % 7, hotwords.get(i / 7 % hotwords.len().max(1))) {
                while matches!(stream.set_hotwords(phrases), Err(StreamError::Full)) {}
            }
        }
        stream.finish().unwrap();
        events = drain(&mut stream);
        drop((stream, abandoned));
        engine.report();
    }
    COUNTING.store(false, Ordering::SeqCst);
    events
}

/// How many tokens there are.
fn decoded(events: &[Event]) -> usize {
    finals(events).iter().map(Vec::len).sum()
}

/// The profile for conversations: a detector, the stage that hears turns, and context, with a model that follows and with
/// a network that people use.
#[cfg(all(feature = "fetch", feature = "files"))]
fn conversations() {
    let (mut config, audio) = (conversations::config(2), conversations::audio());
    let engine =
        Engine::with_model(config.clone(), Arc::new(conversations::toy()), Arc::new(support::Marks)).unwrap();
    conversations::assert_all_happened(&rounds(&engine, &audio, &[]));
    assert_eq!(COUNTED.swap(0, Ordering::SeqCst), 0);
    drop(engine);

    // Noise that leaves the network in doubt, so that it listens again behind the segment before; then a final can go on in
    // lower case.
    let noise = noise(audio.len(), 4).into_iter().map(|sample| sample / 60);
    let audio: Vec<i16> =
        audio.iter().zip(noise).map(|(sample, noise)| sample.saturating_add(noise)).collect();
    voxlane_models::manager::fetch("moonshine-tiny").unwrap();
    config.endpoint.turn = voxlane::config::TurnRule::Both;
    let engine = Engine::start(voxlane::Config { model: "moonshine-tiny".into(), ..config }).unwrap();
    let events = rounds(&engine, &audio, &[]);
    let goes_on =
        |event: &Event| matches!(event, Event::Final(said) if said.text.starts_with(char::is_lowercase));
    assert!(events.iter().any(goes_on), "{events:#?}");
    assert_eq!(COUNTED.swap(0, Ordering::SeqCst), 0);
}

/// One test, because all that counts must be alone in the process.
#[test]
fn a_lane_allocates_nothing_after_its_first_stream() {
    let mut config = support::config(2);
    config.warm.enabled = true;
    config.warm.after_ms = 1;
    // Voice activity, endpoints, partials and speculative finals too: the noise counts as speech.
    config.endpoint.detector = DetectorKind::Energy;
    config.partial.every_ms = 100;
    (config.segment.cut_from_s, config.segment.cut_by_s) = (1.0, 2.0);
    COUNTING.store(true, Ordering::SeqCst);
    let engine = engine(config.clone());
    assert!(COUNTED.swap(0, Ordering::SeqCst) > 0, "building the stages allocates, so counting works");
    let mut audio = noise(16_000 * 5, 1);
    for pause in [0..8000, 40_000..42_400, 60_000..70_000] {
        audio[pause].iter_mut().for_each(|sample| *sample /= 2000);
    }
    assert!(decoded(&rounds(&engine, &audio, &[])) > expected(&audio).len() / 2);
    assert_eq!(COUNTED.swap(0, Ordering::SeqCst), 0);
    drop(engine);

    // The same with a network that streams, and listens for ever other phrases.
    let phrases = |ids: &[u32]| ids.iter().map(|id| Hotword::new(format!("{id:08x}"))).collect();
    let hotwords = [phrases(&[3, 4, 5]), Vec::new(), phrases(&[7])];
    let engine = Engine::with_model(config, Arc::new(emformer()), Arc::new(Hex)).unwrap();
    assert!(decoded(&rounds(&engine, &audio, &hotwords)) > 5);
    assert_eq!(COUNTED.swap(0, Ordering::SeqCst), 0);
    drop(engine);

    #[cfg(all(feature = "fetch", feature = "files"))]
    conversations();
}
