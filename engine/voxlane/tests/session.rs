//! The session API over a whole lane, with a toy model.

mod support;

use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use support::{Hex, Toy, drain, engine, expected, finals, noise, open, open_soon, when_there_is_room};
use voxlane::EndCause;
use voxlane::{Config, Engine, Event, MAX_MARKS, OpenError, StreamError, StreamOptions};

#[test]
fn a_stream_gives_start_endpoint_final_and_closed() {
    let engine = engine(support::config(2));
    let mut stream = open(&engine);
    let audio = noise(20_123, 1);
    stream.push_wait(&audio).unwrap();
    stream.finish().unwrap();
    let events = drain(&mut stream);
    assert!(matches!(events[0], Event::SpeechStart { segment: 0, start: 0.0, .. }), "{events:?}");
    assert!(matches!(events[1], Event::Endpoint { cause: EndCause::Client, .. }), "{events:?}");
    assert!(matches!(events[3], Event::Closed { .. }) && events.len() == 4, "{events:?}");
    assert_eq!(finals(&events), [expected(&audio)]);
}

#[test]
fn nothing_pushed_gives_only_closed() {
    let engine = engine(support::config(1));
    let mut stream = open(&engine);
    stream.finish().unwrap();
    assert_eq!(drain(&mut stream), [Event::Closed { stream: 0 }]);
}

#[test]
fn a_result_longer_than_a_message_arrives_whole() {
    let engine = engine(support::config(1));
    let mut stream = open(&engine);
    let audio = noise(16_000 * 15, 2);
    stream.push_wait(&audio).unwrap();
    stream.finish().unwrap();
    assert_eq!(finals(&drain(&mut stream)), [expected(&audio)]);
}

#[test]
fn long_audio_is_cut_into_ordered_segments_that_cover_it() {
    let engine = engine(support::config(1));
    let mut stream = open(&engine);
    let mut audio = noise(16_000 * 70, 3);
    audio[16_000 * 23..16_000 * 23 + 4000].fill(0);
    stream.push_wait(&audio).unwrap();
    stream.finish().unwrap();
    let events = drain(&mut stream);
    let ends: Vec<(f64, f64)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Final(transcript) => Some((transcript.start, transcript.end)),
            _ => None,
        })
        .collect();
    assert!(ends.len() >= 3 && (23.0..23.25).contains(&ends[0].1), "{ends:?}");
    assert!(ends.windows(2).all(|pair| pair[0].1 == pair[1].0), "{ends:?}");
    assert_eq!(ends.last().unwrap().1, 70.0);
    let at = |seconds: f64| (seconds * 16_000.0).round() as usize;
    let wanted: Vec<_> = ends.iter().map(|&(start, end)| expected(&audio[at(start)..at(end)])).collect();
    assert_eq!(finals(&events), wanted);
}

#[test]
fn markers_are_answered_in_order_and_close_nothing() {
    let engine = engine(support::config(1));
    let mut stream = open(&engine);
    let first = when_there_is_room(|| stream.mark());
    assert!(
        matches!(stream.next_timeout(Duration::from_secs(20)), Some(Event::Marker { marker, .. }) if marker == first)
    );
    let audio = noise(10_000, 4);
    stream.push_wait(&audio[..5000]).unwrap();
    let second = when_there_is_room(|| stream.mark());
    stream.push_wait(&audio[5000..]).unwrap();
    let third = when_there_is_room(|| stream.mark());
    stream.finish().unwrap();
    let events = drain(&mut stream);
    let markers: Vec<u32> = events
        .iter()
        .filter_map(|event| if let Event::Marker { marker, .. } = event { Some(*marker) } else { None })
        .collect();
    assert_eq!(markers, [second, third]);
    assert_eq!(finals(&events), [expected(&audio)]);
    let last_final = events.iter().position(|event| matches!(event, Event::Final(_))).unwrap();
    assert!(events[..last_final].iter().all(|event| !matches!(event, Event::Marker { .. })));
}

#[test]
fn streams_that_are_decoded_together_each_get_their_own_in_order() {
    let toy = Toy { decode: Duration::from_micros(300), batch: 3, ..Toy::default() };
    let engine = Engine::with_model(support::config(5), Arc::new(toy), Arc::new(Hex)).unwrap();
    let mut streams: Vec<_> = (0..5).map(|_| open(&engine)).collect();
    // Segments of very different lengths, so that they join and leave the batch one by one.
    let audio = |stream: usize, segment: usize| {
        noise(2000 + 9000 * ((3 * stream + segment) % 7), (10 * stream + segment) as u32)
    };
    const SEGMENTS: usize = 4;
    for segment in 0..SEGMENTS {
        for (number, stream) in streams.iter_mut().enumerate() {
            stream.push_wait(&audio(number, segment)).unwrap();
            when_there_is_room(|| stream.mark());
            when_there_is_room(|| stream.end_segment());
        }
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.finish().unwrap();
        let events = drain(stream);
        let wanted: Vec<_> = (0..SEGMENTS).map(|segment| expected(&audio(number, segment))).collect();
        assert_eq!(finals(&events), wanted, "stream {number}");
        let kind = |event: &Event| match event {
            Event::SpeechStart { .. } => 's',
            Event::Endpoint { .. } => 'e',
            Event::Final(_) => 'f',
            Event::Marker { .. } => 'm',
            Event::Closed { .. } => 'c',
            _ => '?',
        };
        assert_eq!(events.iter().map(kind).collect::<String>(), "sefm".repeat(SEGMENTS) + "c");
    }
}

#[test]
fn too_many_unanswered_markers_are_refused() {
    let engine = engine(support::config(1));
    let mut stream = open(&engine);
    stream.push_wait(&[1i16; 320]).unwrap();
    let mut marks = 0;
    let error = loop {
        match stream.mark() {
            Ok(_) => marks += 1,
            Err(StreamError::Full) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StreamError::TooManyMarks));
    assert_eq!(marks, MAX_MARKS);
    stream.finish().unwrap();
    let events = drain(&mut stream);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Marker { .. })).count(), MAX_MARKS);
}

#[test]
fn the_client_can_end_segments() {
    let engine = engine(support::config(1));
    let mut stream = open(&engine);
    let audio = noise(9_000, 5);
    for part in audio.chunks(3000) {
        stream.push_wait(part).unwrap();
        when_there_is_room(|| stream.end_segment());
    }
    stream.finish().unwrap();
    let wanted: Vec<_> = audio.chunks(3000).map(expected).collect();
    assert_eq!(finals(&drain(&mut stream)), wanted);
}

#[test]
fn slots_are_refused_when_full_and_reused_without_leaks() {
    let engine = engine(support::config(2));
    for round in 0..20 {
        let mut a = open_soon(&engine);
        let abandoned = open_soon(&engine);
        assert!(matches!(engine.open(StreamOptions::default()), Err(OpenError::Saturated { slots: 2 })));
        let mut abandoned = abandoned;
        abandoned.push_wait(&noise(4000, 1000 + round)).unwrap();
        drop(abandoned);
        let audio = noise(5000, round);
        a.push_wait(&audio).unwrap();
        a.finish().unwrap();
        assert_eq!(finals(&drain(&mut a)), [expected(&audio)]);
        drop(a);
    }
}

#[test]
fn a_client_that_waits_gets_the_slot_that_is_left() {
    let engine = engine(Config { open_queue: 1, ..support::config(1) });
    let mut first = engine.open_within(StreamOptions::default(), Duration::ZERO).unwrap();
    let late = engine.open_within(StreamOptions::default(), Duration::from_millis(5)).err();
    assert!(matches!(late, Some(OpenError::Saturated { slots: 1 })), "{late:?}");
    std::thread::scope(|scope| {
        let open = || engine.open_within(StreamOptions::default(), Duration::from_secs(60));
        let waiting = scope.spawn(open);
        let full = loop {
            match engine.open_within(StreamOptions::default(), Duration::ZERO).map(drop).unwrap_err() {
                OpenError::Saturated { .. } => std::thread::yield_now(), // the other does not wait yet
                refused => break refused,
            }
        };
        assert!(matches!(full, OpenError::QueueFull { waiting: 1 }), "{full}");
        first.finish().unwrap();
        drain(&mut first);
        drop(first);
        let mut second = waiting.join().unwrap().unwrap();
        let audio = noise(5000, 1);
        second.push_wait(&audio).unwrap();
        second.finish().unwrap();
        assert_eq!(finals(&drain(&mut second)), [expected(&audio)]);
    });
}

#[test]
fn nobody_waits_while_slots_are_free() {
    for open_queue in [0, 1] {
        let engine = engine(Config { open_queue, ..support::config(8) });
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let opened = engine.open_within(StreamOptions::default(), Duration::from_secs(60));
                    std::mem::forget(opened.unwrap());
                });
            }
        });
        let refused = engine.open_within(StreamOptions::default(), Duration::ZERO).map(drop).unwrap_err();
        let is_full = matches!(refused, OpenError::QueueFull { waiting: 0 });
        assert!(is_full == (open_queue == 0), "{refused}");
    }
}

#[test]
fn bad_samples_are_named_and_nothing_is_taken() {
    let engine = engine(support::config(1));
    let mut stream = open(&engine);
    let mut samples = vec![0.25f32; 3000];
    samples[2500] = f32::NAN;
    assert!(matches!(stream.push(&samples), Err(StreamError::NotFinite { index: 2500, .. })));
    samples[2500] = 30_000.0;
    assert!(matches!(stream.push(&samples), Err(StreamError::Amplitude { index: 2500, .. })));
    samples[2500] = 0.25;
    assert_eq!(stream.push(&samples).unwrap(), 3000);
    stream.finish().unwrap();
    assert_eq!(finals(&drain(&mut stream)), [expected(&[8192; 3000])]);
    assert!(matches!(stream.push(&samples), Err(StreamError::Finished)));
}

#[test]
fn a_rate_that_cannot_be_resampled_is_refused_and_costs_no_slot() {
    let engine = engine(support::config(1));
    for _ in 0..3 {
        assert!(matches!(engine.open(StreamOptions::new(100)), Err(OpenError::Options(_))));
    }
    let mut stream = engine.open(StreamOptions::new(48_000)).unwrap();
    stream.push_wait(&noise(48_000, 6)).unwrap();
    stream.finish().unwrap();
    assert_eq!(finals(&drain(&mut stream))[0].len(), 10);
}

#[test]
fn a_client_that_does_not_read_is_closed_and_blocks_nobody() {
    let mut config = support::config(2);
    config.lanes[0].events = 32;
    let engine = engine(config);
    let mut slow = open(&engine);
    let refused = loop {
        let pushed = slow.push_wait(&[7i16; 400]).and_then(|()| match slow.end_segment() {
            Err(StreamError::Full) => Ok(()),
            ended => ended,
        });
        if let Err(error) = pushed {
            break error;
        }
    };
    assert!(matches!(refused, StreamError::SlowClient), "{refused}");
    assert!(matches!(slow.finish(), Err(StreamError::SlowClient)));
    let mut other = open(&engine);
    let audio = noise(4000, 7);
    other.push_wait(&audio).unwrap();
    other.finish().unwrap();
    assert_eq!(finals(&drain(&mut other)), [expected(&audio)]);
    let events = drain(&mut slow);
    assert!(
        matches!(events[events.len() - 2], Event::Error { error: voxlane::StreamFault::SlowClient, .. }),
        "{events:?}"
    );
    assert!(matches!(events[events.len() - 1], Event::Closed { .. }));
}

#[test]
fn events_come_by_callback() {
    let engine = engine(support::config(1));
    let (sender, receiver) = std::sync::mpsc::channel();
    let (mut input, dispatcher) = open(&engine).on_event(move |event| sender.send(event).unwrap()).unwrap();
    let audio = noise(8000, 8);
    input.push_wait(&audio).unwrap();
    input.finish().unwrap();
    dispatcher.join().unwrap();
    let events: Vec<_> = receiver.iter().collect();
    assert_eq!(finals(&events), [expected(&audio)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn finals_do_not_depend_on_chunking(
        chunks in prop::collection::vec(1usize..3000, 1..60),
        marks in prop::collection::vec(any::<bool>(), 60),
        length in 1usize..120_000,
    ) {
        let mut config = support::config(1);
        (config.segment.cut_from_s, config.segment.cut_by_s) = (1.0, 2.0);
        let engine = engine(config);
        let audio = noise(length, length as u32);
        let transcribe = |chunks: &[usize], marks: &[bool]| {
            let mut stream = open_soon(&engine);
            let mut rest = &audio[..];
            for (chunk, &mark) in chunks.iter().cycle().zip(marks.iter().cycle()) {
                let (now, later) = rest.split_at((*chunk).min(rest.len()));
                stream.push_wait(now).unwrap();
                if mark {
                    let _ = stream.mark();
                }
                rest = later;
                if rest.is_empty() { break; }
            }
            stream.finish().unwrap();
            let events = drain(&mut stream);
            events.iter().filter_map(|event| match event {
                Event::Final(t) => Some((t.start.to_bits(), t.end.to_bits(), t.text.clone())),
                _ => None,
            }).collect::<Vec<_>>()
        };
        let whole = transcribe(&[length], &[false]);
        prop_assert_eq!(transcribe(&chunks, &marks), whole);
    }
}

#[test]
fn as_many_markers_as_there_may_be_come_at_once_without_closing_the_stream() {
    let mut config = support::config(1);
    config.lanes[0].events = 32;
    let engine = engine(config);
    let mut stream = open(&engine);
    let audio = noise(16_000 * 20, 4);
    stream.push_wait(&audio).unwrap();
    for _ in 0..MAX_MARKS {
        when_there_is_room(|| stream.mark());
    }
    stream.finish().unwrap();
    // Nobody reads while the final frees all of them.
    std::thread::sleep(Duration::from_millis(300));
    let events = drain(&mut stream);
    let markers = events.iter().filter(|event| matches!(event, Event::Marker { .. })).count();
    assert_eq!((finals(&events), markers), (vec![expected(&audio)], MAX_MARKS));
}
