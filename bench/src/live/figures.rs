//! What a run's events say: how soon, how stable, how right. The same rules for us and for rivals.

use super::conversation::Utterance;
use super::feed::Said;
use crate::wer::{Score, edit_distance, words};
use std::collections::BTreeMap;

/// Times in milliseconds, and counts.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// From the endpoint's decision to the final, where the system gives it.
    pub after_endpoint: Vec<f64>,
    /// From the end of an utterance's speech to the final of its last segment.
    pub after_speech: Vec<f64>,
    /// From the start of an utterance's speech to any text of it.
    pub first_text: Vec<f64>,
    /// From there to the first word that stays until the final.
    pub first_word: Vec<f64>,
    /// Words shown that the next look changed or took back.
    pub flips: usize,
    /// Words declared stable that the final contradicts.
    pub revised: usize,
    /// Words of finals.
    pub words: usize,
    /// Word errors of each utterance.
    pub scores: Vec<Score>,
    /// Finals that lie in no utterance and have text.
    pub stray: usize,
}

impl Figures {
    /// The figures of one run. Segments belong to the utterance that holds their middle.
    pub fn of(said: &[Said], utterances: &[Utterance]) -> Self {
        let mut figures = Figures::default();
        let mut segments: BTreeMap<u32, Vec<&Said>> = BTreeMap::new();
        for event in said {
            segments.entry(event.segment).or_default().push(event);
        }
        let spans: Vec<(f64, f64)> = segments.values().filter_map(|segment| span(segment)).collect();
        let utterances = &joined(utterances, &spans);
        let mut of_utterance: Vec<Vec<&Vec<&Said>>> = vec![Vec::new(); utterances.len()];
        for segment in segments.values() {
            let Some(last) = segment.last().filter(|last| last.is_final) else { continue };
            figures.after_endpoint.extend(last.after_endpoint_ms);
            figures.count_changes(segment);
            let middle = (last.start + last.end) / 2.0;
            let place = utterances.iter().position(|u| (u.start - 0.3..u.end + 0.3).contains(&middle));
            match place {
                Some(place) => of_utterance[place].push(segment),
                None => figures.stray += usize::from(!words(&last.text).is_empty()),
            }
        }
        for (utterance, segments) in utterances.iter().zip(&of_utterance) {
            figures.add_utterance(utterance, segments);
        }
        figures
    }

    fn count_changes(&mut self, segment: &[&Said]) {
        for pair in segment.windows(2) {
            let (before, after) = (words(&pair[0].text), words(&pair[1].text));
            let kept = before.iter().zip(&after).filter(|(a, b)| a == b).count();
            self.flips += before.len() - kept;
        }
        let Some(last) = segment.last() else { return };
        let said = words(&last.text);
        self.words += said.len();
        let stable = segment.iter().rev().find(|event| !event.is_final).map(|event| words(&event.stable));
        let stable = stable.unwrap_or_default();
        // The fewest changes that make the stable words a beginning of the final.
        let changes = (0..=said.len()).map(|count| edit_distance(&stable, &said[..count])).min();
        self.revised += changes.unwrap_or(stable.len());
    }

    fn add_utterance(&mut self, utterance: &Utterance, segments: &[&Vec<&Said>]) {
        let finals = || segments.iter().filter_map(|segment| segment.last());
        let text: Vec<&str> = finals().map(|last| last.text.as_str()).collect();
        self.scores.push(Score::of(&utterance.transcript, &text.join(" ")));
        let after = |at: f64, from: f64| (at - from) * 1e3;
        if let Some(last) = finals().next_back() {
            self.after_speech.push(after(last.at, utterance.speech_end));
        }
        let events = || segments.iter().flat_map(|segment| segment.iter());
        if let Some(first) = events().find(|event| !words(&event.text).is_empty()) {
            self.first_text.push(after(first.at, utterance.speech_start));
        }
        if let Some(first) = segments.first().and_then(|segment| surviving(segment)) {
            self.first_word.push(after(first, utterance.speech_start));
        }
    }
}

/// Where a segment lies, if it has come to its final.
fn span(segment: &[&Said]) -> Option<(f64, f64)> {
    segment.last().filter(|last| last.is_final).map(|last| (last.start, last.end))
}

/// The utterances, with those that one segment holds joined to the one before: nobody can say which of its words
/// belong to which. A joined one is left with no words.
fn joined(utterances: &[Utterance], segments: &[(f64, f64)]) -> Vec<Utterance> {
    let mut joined = utterances.to_vec();
    let mut first = 0;
    for place in 1..joined.len() {
        let speech = joined[place].speech_start..joined[place].speech_end;
        let before = joined[first].speech_end;
        let holds_both =
            |&(start, end): &(f64, f64)| start < before && end > (speech.start + speech.end) / 2.0;
        if !segments.iter().any(holds_both) {
            first = place;
            continue;
        }
        let transcript = std::mem::take(&mut joined[place].transcript);
        let end = joined[place].end;
        let before = &mut joined[first];
        before.transcript = format!("{} {transcript}", before.transcript);
        (before.end, before.speech_end) = (end, speech.end);
    }
    joined
}

/// When a segment's first word was shown that all later looks and the final have in its place.
fn surviving(segment: &[&Said]) -> Option<f64> {
    let first = words(&segment.last()?.text).into_iter().next()?;
    let stays = segment.iter().rev().take_while(|event| words(&event.text).first() == Some(&first));
    stays.last().map(|event| event.at)
}

/// A quantile of times, if there are enough of them: a thousand for the 99th percentile.
pub fn quantile(values: &[f64], quantile: f64) -> Option<f64> {
    let needed = (10.0 / (1.0 - quantile)).round() as usize;
    if values.is_empty() || (quantile > 0.9 && values.len() < needed) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(at: f64, is_final: bool, text: &str, stable: &str) -> Said {
        Said {
            at,
            segment: 0,
            is_final,
            start: 1.0,
            end: 3.0,
            text: text.into(),
            stable: stable.into(),
            revised: false,
            after_endpoint_ms: is_final.then_some(2.0),
            is_last: false,
            total_ms: None,
            tokens: Vec::new(),
        }
    }

    #[test]
    fn figures_follow_their_definitions() {
        let utterance = Utterance {
            id: "a".into(),
            start: 0.9,
            end: 3.1,
            speech_start: 1.0,
            speech_end: 3.0,
            transcript: "one two three".into(),
        };
        let events = [
            said(1.5, false, "Won.", ""),
            said(1.8, false, "One too", ""),
            said(2.1, false, "One two", "One"),
            said(3.4, true, "One two three.", ""),
        ];
        let figures = Figures::of(&events, &[utterance]);
        let near = |value: f64, wanted: f64| (value - wanted).abs() < 1e-6;
        assert!(near(figures.first_text[0], 500.0) && near(figures.first_word[0], 800.0));
        assert!(near(figures.after_speech[0], 400.0));
        assert_eq!((figures.flips, figures.revised, figures.words, figures.stray), (2, 0, 3, 0));
        assert_eq!((figures.scores[0].errors, figures.after_endpoint.len()), (0, 1));
    }

    #[test]
    fn utterances_that_share_a_segment_are_one() {
        let utterance = |start: f64, transcript: &str| Utterance {
            id: transcript.into(),
            start,
            end: start + 1.0,
            speech_start: start,
            speech_end: start + 1.0,
            transcript: transcript.into(),
        };
        let utterances = [utterance(0.0, "none"), utterance(1.3, "one"), utterance(2.4, "two")];
        let figures = Figures::of(&[said(4.0, true, "One two", "")], &utterances[1..]);
        assert_eq!(figures.scores.iter().copied().sum::<Score>(), Score { errors: 0, words: 2 });
        assert_eq!(figures.after_speech.len(), 1);
        let texts = joined(&utterances, &[(0.0, 1.0), (1.3, 3.6)]).into_iter().map(|u| u.transcript);
        assert_eq!(texts.collect::<Vec<_>>(), ["none", "one two", ""]);
    }

    #[test]
    fn a_percentile_needs_samples() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(50.0));
        assert_eq!(quantile(&values, 0.9), Some(90.0));
        assert_eq!(quantile(&values, 0.99), None);
    }
}
