//! From a stream's events to `Results`, `SpeechStarted` and `UtteranceEnd`.

use super::wanted::Wanted;
use crate::protocols::deepgram::dialect::Teller;
use crate::protocols::deepgram::marks::{Mark, Marks};
use crate::protocols::deepgram::said::Said;
use serde_json::{Value, json};
use std::sync::Arc;
use voxlane::{EndCause, Event};

/// The silence behind an end that the client asked for that says that nobody goes on, in milliseconds: who goes on is heard
/// by then.
const SETTLING_MS: f64 = 300.0;

/// What a [`Results`] is about.
#[derive(Clone, Debug)]
pub(super) struct About {
    /// The channel, counted from 0, and how many there are.
    pub(super) channel: [usize; 2],
    /// What each message says of the request.
    pub(super) metadata: Value,
}

impl About {
    /// A message of what was said; `flags` are those that it has beside `is_final`.
    fn results(&self, said: &Said, is_final: bool, speech_final: bool, from_finalize: bool) -> Value {
        json!({
            "type": "Results",
            "channel_index": self.channel,
            "duration": said.end - said.start,
            "start": said.start,
            "is_final": is_final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": { "alternatives": [said.alternative()] },
            "metadata": self.metadata,
        })
    }

    /// The answer to `Finalize` where nothing was said up to `place_s`.
    pub(super) fn nothing_said(&self, place_s: f64) -> Value {
        let said = Said { start: place_s, end: place_s, ..Said::default() };
        self.results(&said, true, false, true)
    }
}

/// See the module.
pub(super) struct Results {
    wanted: Arc<Wanted>,
    about: About,
    marks: Arc<Marks>,
    /// Why the segment ends whose final comes next, and the pause that decided it in milliseconds.
    end: Option<(EndCause, f64)>,
    /// Whether a segment is open.
    is_open: bool,
    /// Whether the present `Finalize` has had its answer.
    is_answered: bool,
    /// The place where speech will have ended: the pause so far was shorter than the client wants.
    speech_due: Option<f64>,
    /// The place where an utterance will have ended, and the end of its last word.
    utterance_due: Option<(f64, f64)>,
}

impl Results {
    pub(super) fn new(wanted: Arc<Wanted>, about: About, marks: Arc<Marks>) -> Self {
        Results {
            wanted,
            about,
            marks,
            end: None,
            is_open: false,
            is_answered: false,
            speech_due: None,
            utterance_due: None,
        }
    }

    fn last(&mut self, said: &Said) -> Vec<Value> {
        self.is_open = false;
        let (cause, pause_ms) = self.end.take().unwrap_or_default();
        let is_pause = matches!(cause, EndCause::Silence | EndCause::EndOfTurn | EndCause::TrailingBlanks);
        let from_finalize = cause == EndCause::Client && self.marks.is_finalizing();
        let wanted_ms = self.wanted.endpointing_ms.map(f64::from);
        let speech_final = is_pause && wanted_ms.is_some_and(|wanted| pause_ms >= wanted);
        self.speech_due = match wanted_ms {
            Some(wanted) if is_pause && !speech_final => Some(said.end + wanted / 1000.0),
            Some(wanted) if from_finalize => Some(said.end + wanted.max(SETTLING_MS) / 1000.0),
            _ => None,
        };
        if let (Some(wanted), Some(word)) = (self.wanted.utterance_end_ms, said.words.last()) {
            self.utterance_due = Some((word.end + f64::from(wanted) / 1000.0, word.end));
        }
        self.is_answered |= from_finalize;
        self.want();
        vec![self.about.results(said, true, speech_final, from_finalize)]
    }

    /// Wants to know when the next thing is due.
    fn want(&self) {
        let dues = [self.speech_due, self.utterance_due.map(|(due, _)| due)];
        self.marks.want(dues.into_iter().flatten().reduce(f64::min));
    }

    /// The audio has come to `place_s` without a segment's beginning.
    fn paused(&mut self, place_s: f64) -> Vec<Value> {
        let mut messages = Vec::new();
        if self.speech_due.is_some_and(|due| due <= place_s) {
            self.speech_due = None;
            let said = Said { start: place_s, end: place_s, ..Said::default() };
            messages.push(self.about.results(&said, true, true, false));
        }
        if let Some((_, word_end)) = self.utterance_due.filter(|(due, _)| *due <= place_s) {
            self.utterance_due = None;
            let channel = self.about.channel;
            messages.push(json!({ "type": "UtteranceEnd", "channel": channel, "last_word_end": word_end }));
        }
        self.want();
        messages
    }
}

impl Teller for Results {
    fn tell(&mut self, event: &Event) -> Vec<Value> {
        match event {
            Event::SpeechStart { start, .. } => {
                // A client that sends fast has its markers late: what was due before is told all the same.
                let mut messages = self.paused(start + self.wanted.onset_s);
                (self.is_open, self.speech_due) = (true, None);
                if self.wanted.vad_events {
                    let channel = self.about.channel;
                    messages.push(json!({ "type": "SpeechStarted", "channel": channel, "timestamp": start }));
                }
                messages
            }
            Event::Partial(said) if self.wanted.interim_results => {
                vec![self.about.results(&said.into(), false, false, false)]
            }
            Event::Endpoint { cause, silence_ms, .. } => {
                self.end = Some((*cause, *silence_ms));
                Vec::new()
            }
            Event::Final(said) => self.last(&said.into()),
            _ => Vec::new(),
        }
    }

    fn reach(&mut self, mark: Mark) -> Vec<Value> {
        match mark {
            Mark::Finalize(place_s) => {
                let is_answered = std::mem::take(&mut self.is_answered);
                if is_answered { Vec::new() } else { vec![self.about.nothing_said(place_s)] }
            }
            // It is looked at again behind the final.
            Mark::Due(_) if self.is_open => Vec::new(),
            Mark::Due(place_s) => self.paused(place_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::deepgram::options::{Query, Route};
    use voxlane::{Config, Engine, Transcript, Word};

    fn teller(query: &str) -> (Results, Arc<Marks>) {
        let engine = Engine::start(Config { model: "commands".into(), ..Config::default() }).unwrap();
        let uri = format!("/v1/listen?{query}").parse().unwrap();
        let wanted = Wanted::of(&mut Query::parse(&uri, Route::Live).unwrap(), &engine).unwrap();
        let marks = Arc::new(Marks::default());
        let about = About { channel: [0, 1], metadata: json!({}) };
        (Results::new(Arc::new(wanted), about, Arc::clone(&marks)), marks)
    }

    fn final_of(teller: &mut Results, cause: EndCause, silence_ms: f64) -> Value {
        teller.tell(&Event::SpeechStart { stream: 0, segment: 0, start: 1.0 });
        let (turn, end) = (None, 2.0);
        teller.tell(&Event::Endpoint { stream: 0, segment: 0, end, cause, silence_ms, turn });
        let (mut said, mut word) = (Transcript::default(), Word::default());
        (said.text, said.start, said.end) = ("Tea.".into(), 1.0, 2.0);
        (word.text, word.start, word.end, word.confidence) = ("Tea.".into(), 1.2, 1.8, 0.5);
        said.words = vec![word];
        teller.tell(&Event::Final(said)).remove(0)
    }

    #[test]
    fn a_pause_decides_speech_final_and_nothing_else() {
        let (mut results, marks) = teller("endpointing=500");
        let short = final_of(&mut results, EndCause::Silence, 300.0);
        assert_eq!((&short["is_final"], &short["speech_final"]), (&json!(true), &json!(false)));
        assert!(!marks.is_due(2.4) && marks.is_due(2.5));
        let later = results.reach(Mark::Due(2.5)).remove(0);
        assert_eq!((&later["speech_final"], &later["start"]), (&json!(true), &json!(2.5)));
        let long = final_of(&mut results, EndCause::EndOfTurn, 600.0);
        assert_eq!(long["speech_final"], true);
        assert_eq!(long["channel"]["alternatives"], short["channel"]["alternatives"]);
        for (cause, query) in [(EndCause::LengthLimit, ""), (EndCause::Silence, "endpointing=false")] {
            assert_eq!(final_of(&mut teller(query).0, cause, 900.0)["speech_final"], false);
        }
        assert_eq!(final_of(&mut teller("").0, EndCause::Silence, 300.0)["speech_final"], true);
    }

    #[test]
    fn an_utterance_ends_once_and_not_while_somebody_speaks() {
        let (mut results, marks) = teller("utterance_end_ms=1000&interim_results=true");
        final_of(&mut results, EndCause::Silence, 300.0);
        assert!(!marks.is_due(2.7) && marks.is_due(2.81));
        let started = results.tell(&Event::SpeechStart { stream: 0, segment: 1, start: 2.5 });
        assert_eq!(started, [json!(null); 0]);
        assert_eq!(results.reach(Mark::Due(2.81)), [json!(null); 0]);
        final_of(&mut results, EndCause::Silence, 300.0);
        let end = results.reach(Mark::Due(2.81));
        assert_eq!(
            (end.len(), &end[0]["type"], &end[0]["last_word_end"]),
            (1, &json!("UtteranceEnd"), &json!(1.8))
        );
        assert_eq!(results.reach(Mark::Due(4.0)), [json!(null); 0]);
        final_of(&mut results, EndCause::Silence, 300.0);
        let started = results.tell(&Event::SpeechStart { stream: 0, segment: 2, start: 9.0 });
        assert_eq!(
            (started.len(), &started[0]["type"]),
            (1, &json!("UtteranceEnd")),
            "no marker came in time"
        );
    }

    #[test]
    fn finalize_is_answered_once_whether_or_not_something_was_said() {
        let (mut results, marks) = teller("");
        marks.expect(Mark::Finalize(2.0));
        assert_eq!(final_of(&mut results, EndCause::Client, 0.0)["from_finalize"], true);
        assert_eq!(results.reach(marks.answered().unwrap()), [json!(null); 0]);
        assert!(!marks.is_due(2.2) && marks.is_due(2.31), "silence behind it ends speech");
        assert_eq!(results.reach(Mark::Due(2.31)).remove(0)["speech_final"], true);
        marks.expect(Mark::Finalize(3.0));
        let nothing = results.reach(marks.answered().unwrap()).remove(0);
        assert_eq!((&nothing["from_finalize"], &nothing["start"]), (&json!(true), &json!(3.0)));
        assert_eq!(nothing["channel"]["alternatives"][0]["transcript"], "");
        assert_eq!(final_of(&mut results, EndCause::Client, 0.0)["from_finalize"], false);
    }
}
