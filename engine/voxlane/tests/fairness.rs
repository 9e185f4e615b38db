//! Streams of a lane do not starve each other: what a live stream waits for is counted, not timed.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Hex, Toy, Work, config, drain, expected, finals, noise, when_there_is_room};
use voxlane::config::{ServiceClass, StageCores, Topology};
use voxlane::{Config, Engine, Event, Stream, StreamOptions};

/// Slow enough for a recording's pass to be under way when live streams speak.
const TOKEN_TIME: Duration = Duration::from_millis(2);

type Log = Arc<Mutex<Vec<Work>>>;

fn start(config: Config) -> (Engine, Log) {
    let log = Log::default();
    let toy = Toy { decode: TOKEN_TIME, log: Some(Arc::clone(&log)), ..Toy::default() };
    (Engine::with_model(config, Arc::new(toy), Arc::new(Hex)).unwrap(), log)
}

fn open(engine: &Engine, class: ServiceClass) -> Stream {
    engine.open(StreamOptions::default().class(class)).unwrap()
}

fn next_final(stream: &mut Stream) -> Vec<u32> {
    loop {
        let event = stream.next_timeout(Duration::from_secs(20)).expect("the final comes");
        if let Event::Final(said) = event {
            return said.tokens.iter().map(|token| token.id).collect();
        }
    }
}

/// Steps of the other slot between the beginning of the slot's latest pass and its last token.
fn steps_between(log: &[Work], slot: usize) -> usize {
    let from = log.iter().rposition(|work| *work == Work::Pass(slot)).unwrap();
    let to = log.iter().rposition(|work| *work == Work::Token(slot)).unwrap();
    log[from..to].iter().filter(|work| matches!(work, Work::Token(other) if *other != slot)).count()
}

/// Live finals while a recording is decoded: for how many of its steps each waited.
fn steps_waited(config: Config, rounds: u32) -> Vec<usize> {
    let (engine, log) = start(config);
    let mut recording = open(&engine, ServiceClass::Batch);
    let mut live = open(&engine, ServiceClass::Live);
    let long = noise(320_000, 7);
    recording.push_wait(&long).unwrap();
    recording.finish().unwrap();
    while !log.lock().unwrap().iter().any(|work| matches!(work, Work::Token(_))) {
        std::thread::yield_now();
    }
    let slot_of_recording = log.lock().unwrap().iter().find_map(|work| match work {
        Work::Token(slot) => Some(*slot),
        Work::Pass(_) => None,
    });
    let mut waited = Vec::new();
    for round in 0..rounds {
        let short = noise(3200, 100 + round);
        live.push_wait(&short).unwrap();
        live.end_segment().unwrap();
        assert_eq!(next_final(&mut live), expected(&short));
        let log = log.lock().unwrap();
        let slot = log.iter().rev().find_map(|work| match work {
            Work::Pass(slot) if Some(*slot) != slot_of_recording => Some(*slot),
            _ => None,
        });
        waited.push(steps_between(&log, slot.unwrap()));
    }
    live.finish().unwrap();
    drain(&mut live);
    assert_eq!(finals(&drain(&mut recording)), [expected(&long)], "the recording loses nothing");
    waited
}

#[test]
fn a_live_final_waits_for_one_step_of_a_batch_pass_on_each_thread_at_most() {
    let waited = steps_waited(config(2), 20);
    // Features, encoder and decoder have at most three threads.
    assert!(waited.iter().all(|&steps| steps <= 3), "{waited:?}");
}

#[test]
fn without_a_chain_of_its_own_a_batch_pass_is_waited_for() {
    let waited = steps_waited(Config { preempt_batch: false, ..config(2) }, 1);
    assert!(waited[0] > 3, "{waited:?}");
}

#[test]
fn the_classes_of_a_slot_may_change_from_stream_to_stream() {
    let (engine, _) = start(config(1));
    for round in 0..20 {
        let class = if round % 2 == 0 { ServiceClass::Batch } else { ServiceClass::Live };
        let mut stream = loop {
            match engine.open(StreamOptions::default().class(class)) {
                Ok(stream) => break stream,
                Err(_) => std::thread::yield_now(),
            }
        };
        let audio = noise(4800, round);
        stream.push_wait(&audio).unwrap();
        if round % 3 == 2 {
            continue; // abandoned with work in the lane
        }
        stream.finish().unwrap();
        assert_eq!(finals(&drain(&mut stream)), [expected(&audio)], "round {round}");
    }
}

#[test]
fn batch_streams_without_audio_end_beside_a_recording() {
    // On one thread the stages of batch streams stand still while live ones have work.
    let core = Topology::of_host().allowed[0];
    let mut config = config(8);
    let cores =
        StageCores { ingest: core, features: core, encoder: core, decoder: core, emit: core, turn: None };
    config.lanes[0].cores = Some(cores);
    let (engine, log) = start(config);
    let mut live = open(&engine, ServiceClass::Live);
    live.push_wait(&noise(160_000, 8)).unwrap();
    when_there_is_room(|| live.end_segment());
    while !log.lock().unwrap().iter().any(|work| matches!(work, Work::Token(_))) {
        std::thread::yield_now();
    }
    // So the recording fills the ring to them, and each of the others has one message more for it.
    let mut recording = open(&engine, ServiceClass::Batch);
    let taken = recording.push(&noise(320_000, 7)).unwrap();
    assert!(taken > 0);
    let mut empty: Vec<Stream> = (0..6).map(|_| open(&engine, ServiceClass::Batch)).collect();
    std::thread::sleep(Duration::from_millis(20));
    empty.iter_mut().for_each(|stream| stream.finish().unwrap());
    for (number, stream) in empty.iter_mut().enumerate() {
        let event = stream.next_timeout(Duration::from_secs(20));
        assert!(matches!(event, Some(Event::Closed { .. })), "stream {number}: {event:?}");
    }
}
