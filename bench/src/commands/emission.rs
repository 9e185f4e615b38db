//! How soon text comes after a speaker has finished, in real time.

use crate::live::conversation::{Conversation, Utterance};
use crate::live::feed::{self, Said};
use crate::live::figures::Figures;
use crate::recordings::Clip;
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use voxlane::Engine;

/// Times in milliseconds from the end of an utterance's speech, found by loudness (as `voxlane-bench live` does).
#[derive(Clone, Debug, Default)]
pub struct Emission {
    /// To the first event that has all the words of the final.
    pub whole_text: Vec<f64>,
    /// To the final.
    pub finals: Vec<f64>,
    /// Word errors, and finals with text outside of utterances.
    pub figures: Figures,
}

/// Feeds conversations of the clips, with pauses between them, at most as many at once as the engine has slots.
///
/// # Errors
/// If a stream fails.
pub fn measure(engine: &Engine, clips: &[Clip]) -> Result<Emission> {
    let shares = clips.chunks(clips.len().div_ceil(engine.slots()).max(1)).enumerate();
    let conversations =
        shares.map(|(seed, clips)| Conversation::of(clips, seed as u64)).collect::<Result<Vec<_>>>()?;
    let views: Vec<&[i16]> = conversations.iter().map(|whole| whole.samples.as_slice()).collect();
    let mut emission = Emission::default();
    for (run, whole) in feed::run(engine, &views)?.iter().zip(&conversations) {
        ensure!(run.disorder == 0, "{} events are out of order or missing", run.disorder);
        emission.whole_text.extend(whole_text(&run.said, &whole.utterances));
        let figures = Figures::of(&run.said, &whole.utterances);
        emission.finals.extend(&figures.after_speech);
        emission.figures.scores.extend(figures.scores);
        emission.figures.stray += figures.stray;
    }
    Ok(emission)
}

/// For each utterance that has a segment with text: from the end of its speech to the first event of the segment
/// with the text of the final, in milliseconds; of its last such segment where it has several. Below zero where
/// the text was whole before the loudness fell.
fn whole_text(said: &[Said], utterances: &[Utterance]) -> Vec<f64> {
    let mut segments: BTreeMap<u32, Vec<&Said>> = BTreeMap::new();
    for event in said {
        segments.entry(event.segment).or_default().push(event);
    }
    let mut times: BTreeMap<usize, f64> = BTreeMap::new();
    for events in segments.values() {
        let Some(last) = events.last().filter(|last| last.is_final && !last.text.is_empty()) else {
            continue;
        };
        let middle = (last.start + last.end) / 2.0;
        let place = utterances.iter().position(|u| (u.start - 0.3..u.end + 0.3).contains(&middle));
        let first = events.iter().rev().take_while(|event| event.text == last.text).last();
        if let (Some(place), Some(first)) = (place, first) {
            times.insert(place, (first.at - utterances[place].speech_end) * 1e3);
        }
    }
    times.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_whole_when_it_first_is_that_of_the_final() {
        let said = |at: f64, is_final: bool, text: &str| Said {
            at,
            segment: 0,
            is_final,
            start: 1.0,
            end: 3.0,
            text: text.into(),
            stable: String::new(),
            revised: false,
            after_endpoint_ms: None,
            is_last: false,
            total_ms: None,
            tokens: Vec::new(),
        };
        let utterance = Utterance {
            id: "a".into(),
            start: 0.9,
            end: 3.1,
            speech_start: 1.0,
            speech_end: 2.5,
            transcript: "a small coffee".into(),
        };
        let events = [
            said(2.0, false, "a small"),
            said(2.7, false, "a small coffee"),
            said(3.3, true, "a small coffee"),
        ];
        let times = whole_text(&events, std::slice::from_ref(&utterance));
        assert!(times.len() == 1 && (times[0] - 200.0).abs() < 1e-6, "{times:?}");
        assert!(whole_text(&events[..2], &[utterance]).is_empty());
    }
}
