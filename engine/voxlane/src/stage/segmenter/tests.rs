//! What segments are, whatever the audio, the rules and the chunks that it comes in.

use super::*;
use crate::config::EndpointConfig;
use crate::fault_plan::FaultPlan;
use crate::message::MESSAGE_SAMPLES;
use crate::protocol::Control;
use crate::stage_kind::StageKind;
use crate::voice::Voice;
use proptest::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use voxlane_models::voice::{EnergyDetector, VOICE_FRAME_SAMPLES, VoiceDetector};
use voxlane_runtime::clock::Clock;
use voxlane_runtime::eventcount::Waiter;
use voxlane_runtime::ring::ring;
use voxlane_runtime::telemetry::recorder::{STAGE_MEASURES, recorder};

/// Enough for the messages of one step.
const RING_MESSAGES: usize = 8;

/// A segment and the samples that were passed on for it.
type Segment = (Extent, Vec<i16>);

fn segments(audio: &[i16], rules: EndpointConfig, cutter: Cutter, chunks: &[usize]) -> Vec<Segment> {
    let notifier = Waiter::new().notifier();
    let (mut output, mut input) = ring::<AudioMessage>(RING_MESSAGES, Arc::clone(&notifier));
    let (recorder, _reader) = recorder(STAGE_MEASURES, notifier);
    let mut meter = Meter::new(StageKind::Ingest, Clock::new(), recorder, Arc::new(FaultPlan::default()));
    let mut detector = Voice::Energy.detector(1);
    let history = History::new(4 * 16_000);
    let segmentation = Segmentation { chunks: None, cutter, history, has_context: false };
    let mut segmenter = Segmenter::new(0, segmentation);
    segmenter.open(1, StreamRules { endpoint: rules, ..StreamRules::default() });
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let mut collect = |input: &mut voxlane_runtime::ring::Receiver<AudioMessage>| {
        while let Some(message) = input.peek() {
            let (header, payload) = (message.header, message.payload);
            match header.control {
                AudioControl::Control(Control::Start) => {
                    assert!(open.is_empty(), "a segment begins within another");
                }
                AudioControl::Samples { .. } => {
                    open.extend_from_slice(&payload.samples[..usize::from(header.count)]);
                }
                AudioControl::Control(Control::End) => {
                    open.truncate(payload.extent.samples as usize);
                    found.push((payload.extent, std::mem::take(&mut open)));
                }
                AudioControl::Speculate | AudioControl::Control(Control::Notice(_)) => {}
                other => panic!("a segmenter does not say {other:?}"),
            }
            input.release();
        }
    };
    let (mut rest, mut sizes) = (audio, chunks.iter().cycle());
    while let (false, Some(&size)) = (rest.is_empty(), sizes.next()) {
        let (chunk, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        segmenter.take(chunk, Time::default());
        while segmenter.advance(&mut detector, &mut output, &mut meter) {
            collect(&mut input);
        }
        collect(&mut input);
    }
    segmenter.end_by_client(Time::default(), true, &mut output, &meter);
    collect(&mut input);
    found
}

/// Loud noise, faint noise, loud noise …, each for so many windows.
fn audio(windows: &[usize], seed: u64) -> Vec<i16> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 48) as i16
    };
    let parts = windows.iter().enumerate().flat_map(|(part, &count)| {
        let divisor = if part % 2 == 0 { 8 } else { 4000 };
        std::iter::repeat_n(divisor, count * WINDOW_SAMPLES as usize)
    });
    parts.map(|divisor| next() / divisor).collect()
}

/// Rules without a release of their own: which windows are voiced does not depend on what is open.
fn rules(join_s: u8, silence_ms: u16) -> EndpointConfig {
    EndpointConfig {
        detector: DetectorKind::Energy,
        release: EndpointConfig::default().threshold,
        silence_ms,
        join_s,
        join_silence_ms: 4 * silence_ms,
        ..EndpointConfig::default()
    }
}

/// The windows that are voiced under these rules.
fn voiced(audio: &[i16], rules: &EndpointConfig) -> Vec<bool> {
    let mut detector = EnergyDetector::new(1);
    let windows = audio.as_chunks::<VOICE_FRAME_SAMPLES>().0;
    windows.iter().map(|window| detector.step(0, window) >= rules.threshold).collect()
}

fn samples(extent: &Extent) -> Range<u64> {
    extent.start..extent.start + u64::from(extent.samples)
}

fn extents(found: &[Segment]) -> String {
    format!("{:?}", found.iter().map(|(extent, _)| extent).collect::<Vec<_>>())
}

fn voiced_within(voiced: &[bool], samples: Range<u64>) -> u64 {
    let is_voiced = |at: &u64| voiced.get((at / WINDOW_SAMPLES) as usize).is_some_and(|&voiced| voiced);
    samples.filter(is_voiced).count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 96 }))]
    #[test]
    fn segments_hold_all_speech_in_order_for_any_chunking(
        windows in prop::collection::vec(1usize..90, 1..14),
        chunks in prop::collection::vec(1usize..=MESSAGE_SAMPLES, 1..6),
        (seed, tail) in (any::<u64>(), 0usize..512),
        (join_s, silence_ms) in (0u8..3, 100u16..400),
        (from, by) in (3_000u64..20_000, 24_000u64..50_000),
    ) {
        let mut audio = audio(&windows, seed);
        audio.truncate(audio.len() - tail);
        let (rules, cutter) = (rules(join_s, silence_ms), Cutter::new(from, by));
        let found = segments(&audio, rules, cutter, &chunks);

        let whole = segments(&audio, rules, cutter, &[MESSAGE_SAMPLES]);
        prop_assert_eq!(extents(&found), extents(&whole));

        let voiced = voiced(&audio, &rules);
        let mut free_from = 0;
        for (extent, its_samples) in &found {
            let range = samples(extent);
            prop_assert!(range.start >= free_from && range.end <= audio.len() as u64, "{:?}", extents(&found));
            prop_assert!(range.end - range.start <= by);
            prop_assert!(its_samples[..] == audio[range.start as usize..range.end as usize]);
            prop_assert_eq!(u64::from(extent.voiced), voiced_within(&voiced, range.clone()));
            free_from = range.end;
        }

        let onset = usize::from(rules.onset_ms).div_ceil(32);
        let mut run = 0;
        for (window, &is_voiced) in voiced.iter().enumerate() {
            run = if is_voiced { run + 1 } else { 0 };
            let ends = run >= onset && !voiced.get(window + 1).is_some_and(|&voiced| voiced);
            if ends {
                let speech = (window + 1 - run) as u64 * WINDOW_SAMPLES..(window + 1) as u64 * WINDOW_SAMPLES;
                let held: u64 = found.iter().map(|(extent, _)| {
                    let segment = samples(extent);
                    segment.end.min(speech.end).saturating_sub(segment.start.max(speech.start))
                }).sum();
                prop_assert_eq!(held, speech.end - speech.start, "{:?} of {:?}", speech, extents(&found));
            }
        }
    }
}

#[test]
fn voiced_time_after_a_length_cut_is_that_of_the_segment() {
    // 9 s of speech with short pauses, cut by 2 s: it was counted on across cuts.
    let audio = audio(&[30, 18].repeat(6), 7);
    let rules = rules(0, 300);
    let found = segments(&audio, rules, Cutter::new(16_000, 32_000), &[320]);
    assert!(found.len() >= 4, "{}", extents(&found));
    for (extent, _) in &found {
        assert!(extent.voiced <= extent.samples, "{extent:?}");
    }
    let total: u64 = found.iter().map(|(extent, _)| u64::from(extent.voiced)).sum();
    assert_eq!(total, voiced_within(&voiced(&audio, &rules), 0..audio.len() as u64));
}

#[test]
fn a_pause_that_would_end_a_long_segment_joins_a_short_one() {
    // Two words with a pause; after a longer pause a sentence, and again the pause between two words.
    let audio = audio(&[15, 40, 15, 90, 80, 40, 15, 90], 9);
    let lengths = |rules: EndpointConfig| -> Vec<f64> {
        let found = segments(&audio, rules, Cutter::new(320_000, 400_000), &[320]);
        found.iter().map(|(extent, _)| f64::from(extent.samples) / 16e3).collect()
    };
    let apart = lengths(rules(0, 300));
    let joined = lengths(rules(2, 300));
    assert_eq!((apart.len(), joined.len()), (4, 3), "{apart:?} {joined:?}");
    assert!(joined[0] > apart[0] + apart[1]);
}
