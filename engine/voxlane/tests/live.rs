//! Live streams over a whole lane with the toy model: endpoints, partials, speculation, back-pressure.

mod support;

use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use support::{Hex, Toy, drain, engine, expected, finals, in_chunks, noise};
use voxlane::EndCause;
use voxlane::config::{DetectorKind, EndpointConfig, PartialConfig};
use voxlane::{Config, Engine, Event, OpenError, SegmentWarning, StreamFault, StreamOptions, Transcript};

/// Speech for the energy detector: loud noise, with pauses of faint noise between.
fn conversation(seed: u32) -> Vec<i16> {
    let seconds = [0.7, 1.3, 0.15, 0.9, 0.5, 2.4, 0.25, 0.4, 1.0, 3.1, 0.9];
    let parts = seconds.iter().enumerate().map(|(i, seconds)| {
        let loudness = if i % 2 == 1 { 4 } else { 1500 };
        let samples = noise((seconds * 16_000.0) as usize, seed + i as u32);
        samples.into_iter().map(|sample| (i32::from(sample) / loudness) as i16).collect::<Vec<i16>>()
    });
    parts.collect::<Vec<_>>().concat()
}

fn live(slots: usize) -> Config {
    Config {
        endpoint: EndpointConfig { detector: DetectorKind::Energy, ..EndpointConfig::default() },
        partial: PartialConfig { every_ms: 200 },
        ..support::config(slots)
    }
}

fn transcripts(events: &[Event]) -> Vec<&Transcript> {
    let said =
        events.iter().filter_map(|event| if let Event::Final(said) = event { Some(said) } else { None });
    said.collect()
}

#[test]
fn segments_are_found_and_each_final_is_that_of_its_samples() {
    let engine = engine(live(1));
    let audio = conversation(1);
    let events = in_chunks(&engine, &audio, &[320]);
    let said = transcripts(&events);
    assert!(said.len() >= 3, "{events:#?}");
    for segment in &said {
        let samples = (segment.start * 16e3).round() as usize..(segment.end * 16e3).round() as usize;
        let ids: Vec<u32> = segment.tokens.iter().map(|token| token.id).collect();
        assert_eq!(ids, expected(&audio[samples]));
        assert!(!segment.revised);
    }
    assert!(said.windows(2).all(|pair| pair[0].end <= pair[1].start));
    let causes: Vec<(EndCause, f64)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Endpoint { cause, silence_ms, .. } => Some((*cause, *silence_ms)),
            _ => None,
        })
        .collect();
    assert!(causes.iter().all(|(cause, _)| *cause == EndCause::Silence), "{causes:?}");
    assert_eq!(causes.len(), said.len());
}

#[test]
fn events_of_a_segment_come_in_order_and_its_stable_text_only_grows() {
    let engine = engine(live(1));
    let events = support::follow(&engine, &conversation(2));
    let (mut open, mut stable) = (None, String::new());
    for event in &events {
        match event {
            Event::SpeechStart { segment, .. } => {
                assert_eq!(open, None);
                (open, stable) = (Some(*segment), String::new());
            }
            Event::Partial(partial) => {
                assert_eq!(open, Some(partial.segment));
                let now = partial.stable.clone().unwrap();
                assert!(now.starts_with(&stable), "{stable:?} {now:?}");
                assert_eq!(format!("{now}{}", partial.tail.clone().unwrap()), partial.text);
                stable = now;
            }
            Event::Final(said) => assert_eq!(open.take(), Some(said.segment)),
            _ => {}
        }
    }
    assert!(events.iter().any(|event| matches!(event, Event::Partial(_))));
    assert!(matches!(events.last(), Some(Event::Closed { .. })));
}

/// The warnings among the events, each of which its final must follow and repeat; the other finals must have none.
fn warnings(events: &[Event]) -> Vec<SegmentWarning> {
    let mut expected = None;
    let mut warnings = Vec::new();
    for event in events {
        match event {
            Event::Warning { segment, warning, .. } => {
                assert_eq!(expected.replace((*segment, *warning)), None);
                warnings.push(*warning);
            }
            Event::Final(said) => {
                assert_eq!(expected.take(), said.warning.map(|warning| (said.segment, warning)));
            }
            Event::Partial(partial) => assert_eq!((expected, partial.warning), (None, None)),
            event => assert_eq!(expected, None, "{event:?} between a warning and its final"),
        }
    }
    assert_eq!(expected, None);
    warnings
}

#[test]
fn speech_without_text_is_not_lost_in_silence() {
    let with = |most_tokens, config| {
        let toy = Toy { most_tokens, ..Toy::default() };
        let engine = Engine::with_model(config, Arc::new(toy), Arc::new(Hex)).unwrap();
        in_chunks(&engine, &conversation(6), &[320])
    };
    assert_eq!(warnings(&with(None, live(1))), []);
    // The speculative final, which becomes the final, has found nothing either.
    let events = with(Some(0), live(1));
    let said = transcripts(&events);
    assert!(said.len() >= 3 && said.iter().all(|said| said.text.is_empty()), "{said:#?}");
    assert_eq!(warnings(&events), vec![SegmentWarning::NoText; said.len()]);
    assert!(warnings(&with(Some(1), live(1))).contains(&SegmentWarning::LittleText));
    // Nobody knows where speech is: then nothing is known to be missing.
    assert_eq!(warnings(&with(Some(0), support::config(1))), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_chunking_gives_the_same_finals(chunks in prop::collection::vec(1usize..80_000, 1..12), small in 1usize..400) {
        let engine = engine(live(1));
        let audio = conversation(3);
        let result = |events: &[Event]| -> Vec<(f64, f64, String)> {
            transcripts(events).iter().map(|said| (said.start, said.end, said.text.clone())).collect()
        };
        let whole = result(&in_chunks(&engine, &audio, &[audio.len()]));
        prop_assert!(whole.len() >= 3);
        prop_assert_eq!(&result(&in_chunks(&engine, &audio, &chunks)), &whole);
        prop_assert_eq!(&result(&in_chunks(&engine, &audio, &[small])), &whole);
    }
}

#[test]
fn a_marker_in_a_segment_is_answered_by_a_partial_that_covers_it() {
    let engine = engine(live(1));
    let mut stream = support::open(&engine);
    let audio = noise(64_000, 9);
    stream.push_wait(&audio[..32_000]).unwrap();
    support::when_there_is_room(|| stream.mark());
    stream.push_wait(&audio[32_000..]).unwrap();
    let mut reached = 0.0;
    loop {
        match stream.next_timeout(Duration::from_secs(20)) {
            Some(Event::Partial(partial)) => reached = partial.end,
            Some(Event::Marker { .. }) => break,
            Some(event) => assert!(matches!(event, Event::SpeechStart { .. }), "{event:?}"),
            None => panic!("the marker is not answered"),
        }
    }
    assert!(reached >= 1.97, "{reached}");
}

#[test]
fn a_slow_reader_loses_partials_and_no_final() {
    let mut config = live(1);
    config.lanes[0].events = 32;
    let engine = engine(config);
    let audio = conversation(4);
    let prompt = finals(&in_chunks(&engine, &audio, &[320]));
    let mut stream = support::open_soon(&engine);
    stream.push_wait(&audio).unwrap();
    stream.finish().unwrap();
    // Not read until all has been decoded.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(finals(&drain(&mut stream)), prompt);
}

#[test]
fn a_slow_reader_gets_long_partials_whole_or_not_at_all() {
    let mut config = Config { partial: PartialConfig { every_ms: 200 }, ..support::config(1) };
    config.lanes[0].events = 32;
    let engine = engine(config);
    // Up to 140 tokens: partials of several frames.
    let audio = noise(16_000 * 14, 8);
    let all = expected(&audio);
    // The reader stops when partials have three frames, each time at another one: where the ring is half full, one is
    // at another of its frames.
    for read_parts in 42..46 {
        let mut stream = support::open_soon(&engine);
        let mut events = Vec::new();
        for (number, part) in audio.chunks(3200).enumerate() {
            stream.push_wait(part).unwrap();
            std::thread::sleep(Duration::from_millis(3));
            if number < read_parts {
                events.extend(std::iter::from_fn(|| stream.try_next()));
            }
        }
        stream.finish().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        events.extend(drain(&mut stream));
        for event in &events {
            if let Event::Partial(partial) = event {
                let ids: Vec<u32> = partial.tokens.iter().map(|token| token.id).collect();
                let samples = (partial.end * 16e3).round() as usize;
                assert_eq!(ids, expected(&audio[..samples]));
            }
        }
        assert_eq!(finals(&events), [&all[..]]);
    }
}

#[test]
fn a_stream_may_have_its_own_rules_but_not_another_detector() {
    let engine = engine(live(2));
    let audio = conversation(5);
    let off = StreamOptions::default().endpoint(EndpointConfig::default()).partial(PartialConfig::default());
    let mut stream = engine.open(off).unwrap();
    stream.push_wait(&audio).unwrap();
    stream.finish().unwrap();
    assert_eq!(finals(&drain(&mut stream)), [expected(&audio)]);
    let with = |endpoint| StreamOptions::default().endpoint(endpoint);
    let silero = EndpointConfig { detector: DetectorKind::Silero, ..EndpointConfig::default() };
    assert!(matches!(engine.open(with(silero)), Err(OpenError::Detector { .. })));
    let wrong = EndpointConfig { release: 0.9, ..EndpointConfig::default() };
    assert!(matches!(engine.open(with(wrong)), Err(OpenError::Rules { field: "endpoint.release", .. })));
    let patient = EndpointConfig { silence_ms: 2000, silence_without_speech_ms: 2000, ..live(1).endpoint };
    let mut stream = engine.open(with(patient)).unwrap();
    stream.push_wait(&audio).unwrap();
    stream.finish().unwrap();
    assert_eq!(finals(&drain(&mut stream)).len(), 1);
}

#[test]
fn a_dead_microphone_is_told_and_gives_no_text() {
    let engine = engine(live(1));
    let events = in_chunks(&engine, &vec![0; 16_000 * 5], &[320]);
    let faults: Vec<StreamFault> = events
        .iter()
        .filter_map(|event| match event {
            Event::Error { error, .. } => Some(*error),
            _ => None,
        })
        .collect();
    assert_eq!(faults, [StreamFault::NoAudio]);
    assert_eq!(events.len(), 2, "{events:?}");
}

#[test]
fn many_streams_at_once_give_what_each_gives_alone() {
    let engine = engine(live(6));
    let alone: Vec<_> =
        (0..6).map(|seed| finals(&in_chunks(&engine, &conversation(10 + seed), &[320]))).collect();
    let mut together: Vec<_> = (0..6).map(|_| support::open_soon(&engine)).collect();
    let audio: Vec<_> = (0..6).map(|seed| conversation(10 + seed)).collect();
    for start in (0..audio[0].len()).step_by(320) {
        for (stream, audio) in together.iter_mut().zip(&audio) {
            stream.push_wait(&audio[start..audio.len().min(start + 320)]).unwrap();
        }
    }
    for (stream, alone) in together.iter_mut().zip(&alone) {
        stream.finish().unwrap();
        assert_eq!(&finals(&drain(stream)), alone);
    }
}

#[test]
fn events_come_as_a_stream_of_futures_to_the_last() {
    use futures_core::Stream as _;
    use std::pin::Pin;
    use std::task::{Context, Poll, Wake, Waker};
    struct Thread(std::thread::Thread);
    impl Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let engine = engine(live(1));
    let audio = conversation(6);
    let expected = finals(&in_chunks(&engine, &audio, &[320]));
    let (mut input, mut stream) = support::open_soon(&engine).into_events();
    let feeder = std::thread::spawn(move || {
        input.push_wait(&audio).unwrap();
        input.finish().unwrap();
    });
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    let mut events = Vec::new();
    loop {
        match Pin::new(&mut stream).poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(event)) => events.push(event),
            Poll::Ready(None) => break,
            Poll::Pending => std::thread::park(),
        }
    }
    feeder.join().unwrap();
    assert_eq!(finals(&events), expected);
    assert!(matches!(events.last(), Some(Event::Closed { .. })));
}

#[test]
fn dropping_the_future_events_of_a_quiet_stream_abandons_it() {
    let engine = engine(live(1));
    let (mut input, events) = support::open(&engine).into_events();
    input.push_wait(&[0i16; 320]).unwrap();
    drop(events);
    let begun = std::time::Instant::now();
    while input.push(&[0i16; 1]).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody notices");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(matches!(input.push(&[0i16; 1]), Err(voxlane::StreamError::Abandoned)));
    drop(input);
    in_chunks(&engine, &[0; 320], &[320]);
}
