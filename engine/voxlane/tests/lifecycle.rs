//! Starting, waiting, warming and ending.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Hex, Toy, drain, engine, expected, finals, noise, open, open_soon};
use voxlane::config::{Topology, WaitKind};
use voxlane::telemetry::Measure;
use voxlane::{Engine, Event, StreamFault};

fn transcribes(engine: &Engine, seed: u32) {
    let audio = noise(30_000, seed);
    let mut stream = open_soon(engine);
    stream.push_wait(&audio).unwrap();
    stream.finish().unwrap();
    assert_eq!(finals(&drain(&mut stream)), [expected(&audio)]);
}

#[test]
fn every_wait_strategy_gives_the_same() {
    for wait in [WaitKind::Spin, WaitKind::Park] {
        let mut config = support::config(2);
        config.lanes[0].wait = wait;
        let engine = engine(config);
        transcribes(&engine, 1);
    }
}

#[test]
fn one_thread_or_two_give_the_same_and_run_where_they_were_put() {
    let allowed = Topology::of_host().allowed;
    let (a, b) = (allowed[0], *allowed.last().unwrap());
    for encoder in [a, b] {
        let text = format!(
            "[warm]\nenabled = false\n[[lane]]\ncores = {{ ingest = {a}, features = {a}, encoder = {encoder}, decoder = {encoder}, emit = {a} }}\n"
        );
        let source = voxlane::config::Source::parse(text, None).unwrap();
        let engine = engine(source);
        transcribes(&engine, 2);
        let report = engine.report();
        for stage in &report.stages {
            let is_second = matches!(stage.stage, "encoder" | "decoder");
            let core = if is_second { encoder } else { a };
            assert_eq!(stage.histograms.core, Some(core), "{}", stage.stage);
        }
    }
}

#[test]
fn a_helper_thread_changes_no_result() {
    let allowed = Topology::of_host().allowed;
    let [a, b, ..] = allowed[..] else { return }; // one core: the configuration would be refused
    for wait in ["spin", "park"] {
        let cores = format!("ingest = {a}, features = {a}, encoder = {a}, decoder = {a}, emit = {a}");
        let text = format!("[[lane]]\nwait = \"{wait}\"\nhelper_core = {b}\ncores = {{ {cores} }}\n");
        let engine = engine(voxlane::config::Source::parse(text, None).unwrap());
        for seed in 0..10 {
            transcribes(&engine, seed);
        }
    }
}

#[test]
fn two_lanes_serve_side_by_side() {
    let mut config = support::config(1);
    config.lanes.push(config.lanes[0].clone());
    let engine = engine(config);
    let (mut one, mut two) = (open(&engine), open(&engine));
    for (stream, seed) in [(&mut one, 3), (&mut two, 4)] {
        stream.push_wait(&noise(9000, seed)).unwrap();
        stream.finish().unwrap();
    }
    assert_eq!(finals(&drain(&mut one)), [expected(&noise(9000, 3))]);
    assert_eq!(finals(&drain(&mut two)), [expected(&noise(9000, 4))]);
}

#[test]
fn warming_runs_while_idle_changes_no_result_and_stops() {
    let mut config = support::config(1);
    config.warm.enabled = true;
    config.warm.after_ms = 1;
    config.warm.duty = 1.0;
    config.warm.stop_after_s = 1;
    let engine = engine(config);
    assert!(engine.report().warm_passes >= 1, "the first pass runs before the engine is ready");
    let (mut before, waited) = (0, Instant::now());
    // A busy machine leaves few pauses for it.
    for seed in 0.. {
        transcribes(&engine, seed);
        std::thread::sleep(Duration::from_millis(5));
        before = engine.report().warm_passes;
        if seed >= 20 && before > 5 {
            break;
        }
        assert!(waited.elapsed() < Duration::from_secs(60), "{before} dummies in a minute");
    }
    let waited = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = engine.report().warm_passes;
        if now == before {
            break;
        }
        before = now;
        assert!(waited.elapsed() < Duration::from_secs(60), "warming never stops");
    }
}

#[test]
fn shutdown_decodes_what_was_pushed() {
    let engine = engine(support::config(2));
    // In pieces that fill no frame, to the last sample.
    let audio = noise(12_345, 5);
    let mut stream = open(&engine);
    audio.chunks(77).for_each(|piece| stream.push_wait(piece).unwrap());
    let mut idle = open(&engine);
    let report = engine.shutdown(Duration::from_secs(20));
    assert_eq!((report.cut_streams, report.abandoned_threads), (0, 0));
    assert_eq!(finals(&drain(&mut stream)), [expected(&audio)]);
    assert!(matches!(drain(&mut idle)[..], [Event::Closed { .. }]));
}

#[test]
fn shutdown_says_what_it_cut() {
    let toy = Toy { decode: Duration::from_millis(100), ..Toy::default() };
    let engine = Engine::with_model(support::config(1), Arc::new(toy), Arc::new(Hex)).unwrap();
    let mut stream = open(&engine);
    stream.push_wait(&noise(16_000, 6)).unwrap();
    stream.finish().unwrap();
    let report = engine.shutdown(Duration::from_millis(50));
    assert_eq!(report.cut_streams, 1);
    let events = drain(&mut stream);
    assert!(
        matches!(events[events.len() - 2], Event::Error { error: StreamFault::ShutDown, .. }),
        "{events:?}"
    );
}

#[test]
fn latencies_are_measured_and_survive_several_readings() {
    let engine = engine(support::config(1));
    for round in 1..=3 {
        transcribes(&engine, round);
        let report = engine.report();
        let emit = report.stages.iter().find(|stage| stage.stage == "emit").unwrap();
        assert_eq!(emit.histograms.get(Measure::Final).len(), u64::from(round));
    }
    let report = engine.report();
    let mut log = Vec::new();
    report.write_hlog(&mut log, Duration::from_secs(1)).unwrap();
    let log = String::from_utf8(log).unwrap();
    assert!(log.contains("Tag=lane0.decoder.service,"), "{log}");
    assert!(report.prometheus().contains("stage=\"emit\",measure=\"final\",le=\"0.001\""));
    assert!(report.to_string().lines().count() == 13, "{report}");
}

#[test]
fn a_shutdown_beside_a_client_that_keeps_pushing_decodes_what_was_pushed_until_then() {
    let engine = engine(support::config(1));
    let (mut input, mut output) = open(&engine).split();
    let (sender, pushed) = std::sync::mpsc::channel();
    let client = std::thread::spawn(move || {
        let mut all = Vec::new();
        for seed in 1.. {
            let audio = noise(1601, seed);
            let mut rest = &audio[..];
            while !rest.is_empty() {
                match input.push(rest) {
                    Ok(taken) => {
                        all.extend_from_slice(&rest[..taken]);
                        rest = &rest[taken..];
                    }
                    Err(error) => {
                        assert!(matches!(error, voxlane::StreamError::ShutDown), "{error}");
                        return all;
                    }
                }
                if all.len() == 16_010 {
                    sender.send(()).unwrap();
                }
            }
        }
        unreachable!("the loop only returns");
    });
    pushed.recv().unwrap();
    let reader = std::thread::spawn(move || {
        let mut events = Vec::new();
        while !output.is_closed() {
            events.extend(output.next_timeout(Duration::from_secs(20)));
        }
        events
    });
    let report = engine.shutdown(Duration::from_secs(60));
    assert_eq!((report.cut_streams, report.abandoned_threads), (0, 0));
    let (all, events) = (client.join().unwrap(), reader.join().unwrap());
    assert!(!events.iter().any(|event| matches!(event, Event::Error { .. })), "{events:?}");
    // On a busy machine it pushes more than the longest segment, which is then cut where the audio is quietest.
    let mut at = 0;
    for event in &events {
        if let Event::Final(said) = event {
            let end = (said.end * 16_000.0).round() as usize;
            assert_eq!(finals(std::slice::from_ref(event)), [expected(&all[at..end])]);
            at = end;
        }
    }
    assert_eq!(at, all.len());
}

#[test]
fn a_model_of_another_sample_rate_is_refused() {
    let model = Toy { sample_rate: 8_000, ..Toy::default() };
    let error = Engine::with_model(support::config(1), Arc::new(model), Arc::new(Hex)).err().unwrap();
    assert!(matches!(error, voxlane::EngineError::SampleRate { rate: 8_000 }), "{error}");
}

#[test]
fn warming_that_stops_early_still_makes_the_lane_ready() {
    let mut config = support::config(1);
    (config.warm.enabled, config.warm.stop_after_s) = (true, 1);
    let model = Toy { decode: Duration::from_millis(100), ..Toy::default() };
    let engine = Engine::with_model(config, Arc::new(model), Arc::new(Hex)).unwrap();
    assert!(engine.report().warm_passes > 0);
}

/// Encoder and decoder on a core of their own, so that ingest has nothing to do while they work: it then sends dummies.
fn warmed_on_two_cores(decode: Duration) -> Engine {
    let allowed = Topology::of_host().allowed;
    let (a, b) = (allowed[0], *allowed.last().unwrap());
    let text = format!(
        "[warm]\nafter_ms = 1\nduty = 1.0\nstop_after_s = 0\n[partial]\nevery_ms = 1000\n[[lane]]\ncores = {{ ingest = {a}, features = {a}, encoder = {b}, decoder = {b}, emit = {a} }}\n"
    );
    let source = voxlane::config::Source::parse(text, None).unwrap();
    Engine::with_model(source, Arc::new(Toy { decode, ..Toy::default() }), Arc::new(Hex)).unwrap()
}

#[test]
fn a_dummy_drops_no_partial() {
    let engine = warmed_on_two_cores(Duration::from_millis(20));
    let mut stream = open(&engine);
    // The partial takes ten tokens' time, in which a dummy comes behind it.
    for seed in 0..5 {
        stream.push_wait(&noise(16_000, seed)).unwrap();
        let partial = std::iter::from_fn(|| stream.next_timeout(Duration::from_secs(20)))
            .find(|event| matches!(event, Event::Partial(_)));
        assert!(partial.is_some(), "a dummy was in the way");
        stream.end_segment().unwrap();
    }
}

#[test]
fn warming_goes_on_beside_audio_that_asks_for_nothing() {
    let engine = warmed_on_two_cores(Duration::from_micros(100));
    let mut stream = open(&engine);
    let (mut passes, begun) = (engine.report().warm_passes, Instant::now());
    let goal = passes + 20;
    // Audio of an open segment comes all the time and drops dummies.
    while passes < goal {
        stream.push_wait(&noise(16, 1)).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        while stream.try_next().is_some() {}
        passes = engine.report().warm_passes;
        assert!(begun.elapsed() < Duration::from_secs(60), "warming has stopped after {passes} passes");
    }
}

/// What a forked child finds: no threads of the engine, and nothing that waits for them.
#[test]
#[cfg(target_os = "linux")]
fn a_forked_child_is_told_so_and_waits_for_nothing() {
    let engine = engine(support::config(2));
    let mut stream = open(&engine);
    // SAFETY: the child only reads what it has inherited, and ends without running anything else of the test.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let is_told = matches!(stream.push(&[0i16; 100]), Err(voxlane::StreamError::Forked))
            && engine.open(voxlane::StreamOptions::default()).is_err()
            && engine.report().stages.is_empty()
            && matches!(stream.try_next(), Some(Event::Error { error: StreamFault::Forked, .. }));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(if is_told { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child, whose status is written where we say.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    transcribes(&engine, 5);
}
