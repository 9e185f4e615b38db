//! A stage that fails costs its lane's streams, never the process: the next stream works.

mod support;

use std::time::Duration;
use support::{drain, engine, expected, finals, noise, open, open_soon};
use voxlane::StageKind;
use voxlane::config::{DetectorKind, EndpointConfig, FaultConfig, FaultKind, TurnRule};
use voxlane::{Config, Event, OpenError, StreamError, StreamFault, StreamOptions};
use voxlane_models::manager;

fn config_with(stage: StageKind, kind: FaultKind, hang_ms: u64) -> Config {
    let mut config = support::config(2);
    config.supervise.watchdog_ms = 300;
    config.fault = Some(FaultConfig { stage, kind, at_message: 1, hang_ms, times: 1 });
    config
}

/// Streams audio into a lane that is about to fail; both its streams hear of it.
fn provoke(config: Config) -> voxlane::Engine {
    provoke_with(config, &noise(16_000, 1))
}

fn provoke_with(config: Config, audio: &[i16]) -> voxlane::Engine {
    let engine = engine(config);
    let mut bystander = open(&engine);
    let mut stream = open(&engine);
    for part in audio.chunks(320) {
        // Once the lane has failed, pushing is refused.
        if stream.push_wait(part).is_err() {
            break;
        }
    }
    let _ = stream.end_segment();
    for stream in [&mut stream, &mut bystander] {
        let events = drain(stream);
        let last = &events[events.len() - 2..];
        assert!(matches!(last[0], Event::Error { error: StreamFault::LaneFailed, .. }), "{events:?}");
        assert!(matches!(last[1], Event::Closed { .. }), "{events:?}");
    }
    assert!(matches!(stream.push(&[0i16; 10]), Err(StreamError::LaneFailed)));
    engine
}

fn next_stream_works(engine: &voxlane::Engine) {
    let audio = noise(7000, 2);
    let mut stream = open_soon(engine);
    stream.push_wait(&audio).unwrap();
    stream.finish().unwrap();
    assert_eq!(finals(&drain(&mut stream)), [expected(&audio)]);
}

#[test]
fn a_panic_in_any_stage_restarts_the_lane() {
    for stage in StageKind::CHAIN {
        let engine = provoke(config_with(stage, FaultKind::Panic, 0));
        next_stream_works(&engine);
        let report = engine.report();
        assert_eq!((report.restarts, report.lanes_down), (1, 0), "{stage:?}");
    }
}

#[test]
fn a_panic_of_the_stage_that_hears_turns_restarts_the_lane() {
    manager::fetch(TurnRule::SMART_TURN_MODEL).unwrap();
    let mut config = config_with(StageKind::Turn, FaultKind::Panic, 0);
    // There is one question.
    if let Some(fault) = &mut config.fault {
        fault.at_message = 0;
    }
    let (detector, turn) = (DetectorKind::Energy, TurnRule::Audio);
    config.endpoint = EndpointConfig { detector, turn, ..EndpointConfig::default() };
    // What is at rest behind the speech is asked about.
    let rest = noise(16_000, 2).into_iter().map(|sample| sample / 1500);
    let audio: Vec<i16> = noise(16_000, 1).into_iter().chain(rest).collect();
    let engine = provoke_with(config, &audio);
    assert!(open_soon(&engine).finish().is_ok());
    assert_eq!((engine.report().restarts, engine.report().lanes_down), (1, 0));
}

#[test]
fn a_stage_that_computes_without_end_is_given_up() {
    let engine = provoke(config_with(StageKind::Decoder, FaultKind::Spin, 5000));
    next_stream_works(&engine);
    let report = engine.report();
    assert_eq!((report.restarts, report.abandoned_threads, report.lanes_down), (1, 1, 0));
}

#[test]
fn a_stage_that_hangs_is_given_up_and_its_thread_ends_when_it_wakes() {
    let engine = provoke(config_with(StageKind::Encoder, FaultKind::Hang, 1500));
    next_stream_works(&engine);
    assert_eq!(engine.report().abandoned_threads, 1);
    let waited = std::time::Instant::now();
    while lane_threads_with_encoder() > 1 {
        assert!(waited.elapsed() < Duration::from_secs(60), "the abandoned thread did not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many threads of this process run an encoder, by their names.
fn lane_threads_with_encoder() -> usize {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with("vox0-encoder"))
        .count()
}

#[test]
fn a_lane_that_fails_too_often_is_down_and_the_engine_says_so() {
    let mut config = config_with(StageKind::Decoder, FaultKind::Panic, 0);
    config.supervise.max_restarts = 0;
    let engine = provoke(config);
    let refused = engine.open(StreamOptions::default()).err();
    assert!(matches!(refused, Some(OpenError::Down { lanes: 1 })), "{refused:?}");
    assert_eq!(engine.report().lanes_down, 1);
}

#[test]
fn restarts_that_are_long_ago_do_not_count() {
    let mut config = config_with(StageKind::Decoder, FaultKind::Panic, 0);
    (config.supervise.max_restarts, config.supervise.restart_window_s) = (1, 1);
    config.fault.as_mut().unwrap().times = 3;
    let engine = provoke(config);
    let mut failures = 1;
    while failures < 3 {
        // Open as soon as the lane is up: at once, or when its last restart is a second ago.
        let mut stream = open_soon(&engine);
        let _ = stream.push(&noise(1600, 1));
        let _ = stream.finish();
        let lost = drain(&mut stream).iter().any(|event| matches!(event, Event::Error { .. }));
        failures += usize::from(lost);
    }
    next_stream_works(&engine);
    assert_eq!((engine.report().restarts, engine.report().lanes_down), (3, 0));
}
