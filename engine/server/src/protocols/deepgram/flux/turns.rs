//! From a stream's events to turns: a turn is one segment, or several where one was cut for its length.

use crate::protocols::deepgram::dialect::Teller;
use crate::protocols::deepgram::marks::{Mark, Marks};
use crate::protocols::deepgram::said::{Heard, Said};
use serde_json::{Value, json};
use std::sync::Arc;
use voxlane::{EndCause, Event};

/// Seconds of audio between two updates.
const UPDATE_S: f64 = 0.25;

/// See the module.
pub(super) struct Turns {
    request_id: String,
    marks: Arc<Marks>,
    /// Whether anything beside silence says that a turn has ended.
    knows_turns: bool,
    index: u64,
    /// Whether the client knows of the turn: from its first word on.
    has_begun: bool,
    /// The segments of the turn that are final.
    before: Vec<Said>,
    /// The text of the open segment.
    open: Said,
    /// Where the turn begins, and the last place that was told of.
    window: (f64, f64),
    /// Why the segment ends whose final comes next, and the probability that the speaker had finished.
    end: Option<(EndCause, Option<f32>)>,
    /// Whether the present `ForceEndTurn` has had its answer.
    is_answered: bool,
}

impl Turns {
    pub(super) fn new(request_id: String, knows_turns: bool, marks: Arc<Marks>) -> Self {
        marks.want(Some(UPDATE_S));
        Turns {
            request_id,
            marks,
            knows_turns,
            index: 0,
            has_begun: false,
            before: Vec::new(),
            open: Said::default(),
            window: (0.0, 0.0),
            end: None,
            is_answered: false,
        }
    }

    /// The turn as it is now.
    fn info(&mut self, event: &str, confidence: f32, trigger: Option<&str>) -> Value {
        let all = || self.before.iter().chain([&self.open]).filter(|said| !said.text.is_empty());
        let text = all().map(|said| said.text.as_str()).collect::<Vec<_>>().join(" ");
        let word = |word: &Heard| json!({ "word": word.written, "confidence": word.confidence, "start": word.start, "end": word.end });
        let words: Vec<_> = all().flat_map(|said| &said.words).map(word).collect();
        let mut info = json!({
            "type": "TurnInfo",
            "request_id": self.request_id,
            "event": event,
            "turn_index": self.index,
            "audio_window_start": self.window.0,
            "audio_window_end": self.window.1.max(self.window.0),
            "transcript": text,
            "words": words,
            "end_of_turn_confidence": confidence,
        });
        if let Some(trigger) = trigger {
            info["trigger"] = json!(trigger);
        }
        info
    }

    /// Takes the open segment's text so far.
    fn take(&mut self, said: Said, messages: &mut Vec<Value>) {
        self.window.1 = self.window.1.max(said.end);
        self.open = said;
        if !self.has_begun && !self.open.text.is_empty() {
            self.has_begun = true;
            messages.push(self.info("StartOfTurn", 0.0, None));
        }
    }

    fn last(&mut self, said: Said) -> Vec<Value> {
        let (cause, turn) = self.end.take().unwrap_or_default();
        let mut messages = Vec::new();
        self.take(said, &mut messages);
        let said = std::mem::take(&mut self.open);
        if !said.text.is_empty() {
            self.before.push(said);
        }
        if cause == EndCause::LengthLimit {
            if self.has_begun {
                messages.push(self.info("Update", 0.0, None));
            }
            return messages;
        }
        let trigger = match cause {
            EndCause::Client => "manual",
            EndCause::Silence if self.knows_turns => "timeout",
            _ => "model",
        };
        let is_forced = cause == EndCause::Client && self.marks.is_finalizing();
        self.is_answered |= is_forced && self.has_begun;
        self.finish(trigger, turn.unwrap_or(1.0), &mut messages);
        messages
    }

    /// Ends the turn. One without a word is none.
    fn finish(&mut self, trigger: &str, confidence: f32, messages: &mut Vec<Value>) {
        if self.has_begun {
            messages.push(self.info("EndOfTurn", confidence, Some(trigger)));
            self.index += 1;
        }
        self.has_begun = false;
        self.before.clear();
        self.window.0 = self.window.1;
    }
}

impl Teller for Turns {
    fn tell(&mut self, event: &Event) -> Vec<Value> {
        let mut messages = Vec::new();
        match event {
            Event::SpeechStart { start, .. } if self.before.is_empty() => self.window.0 = *start,
            Event::Partial(said) => {
                let had_begun = self.has_begun;
                self.take(said.into(), &mut messages);
                if had_begun {
                    messages.push(self.info("Update", 0.0, None));
                }
            }
            Event::EagerEnd(said) => {
                self.take(said.into(), &mut messages);
                if self.has_begun {
                    messages.push(self.info("EagerEndOfTurn", said.turn.unwrap_or(0.0), None));
                }
            }
            Event::Resumed { .. } if self.has_begun => messages.push(self.info("TurnResumed", 0.0, None)),
            Event::Endpoint { cause, turn, .. } => self.end = Some((*cause, *turn)),
            Event::Final(said) => return self.last(said.into()),
            _ => {}
        }
        messages
    }

    fn reach(&mut self, mark: Mark) -> Vec<Value> {
        let mut messages = Vec::new();
        match mark {
            Mark::Due(place_s) => {
                if place_s >= self.window.1 + UPDATE_S {
                    self.window.1 = place_s;
                    if !self.has_begun && self.before.is_empty() && self.open.text.is_empty() {
                        // Nothing is going on: the window moves.
                        self.window.0 = self.window.0.max(place_s - UPDATE_S);
                    }
                    messages.push(self.info("Update", 0.0, None));
                }
                self.marks.want(Some(place_s + UPDATE_S));
            }
            Mark::Finalize(_) => {
                let is_answered = std::mem::take(&mut self.is_answered);
                if self.has_begun {
                    // The turn's last segment had ended before.
                    self.finish("manual", 1.0, &mut messages);
                } else if !is_answered {
                    messages.push(no_turn(&self.request_id));
                }
                // The answer to it stands where the next due one was wanted.
                self.marks.want(Some(self.window.1 + UPDATE_S));
            }
        }
        messages
    }
}

/// What is told where there is no turn to end.
pub(super) fn no_turn(request_id: &str) -> Value {
    json!({
        "type": "Warning",
        "request_id": request_id,
        "code": "NO_ACTIVE_TURN",
        "description": "ForceEndTurn: nobody has said anything since the last turn",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxlane::Transcript;

    fn turns() -> (Turns, Arc<Marks>) {
        let marks = Arc::new(Marks::default());
        (Turns::new("r".into(), true, Arc::clone(&marks)), marks)
    }

    fn said(text: &str, start: f64, end: f64) -> Transcript {
        let mut said = Transcript::default();
        (said.text, said.start, said.end) = (text.into(), start, end);
        said
    }

    fn end(cause: EndCause) -> Event {
        Event::Endpoint { stream: 0, segment: 0, end: 2.0, cause, silence_ms: 300.0, turn: Some(0.75) }
    }

    fn told(turns: &mut Turns, events: &[Event]) -> Vec<(String, u64, String)> {
        let messages = events.iter().flat_map(|event| turns.tell(event));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        messages
            .map(|message| {
                (
                    text(&message["event"]),
                    message["turn_index"].as_u64().unwrap(),
                    text(&message["transcript"]),
                )
            })
            .collect()
    }

    fn expected(events: &[(&str, u64, &str)]) -> Vec<(String, u64, String)> {
        events.iter().map(|(event, turn, text)| ((*event).to_owned(), *turn, (*text).to_owned())).collect()
    }

    #[test]
    fn a_turn_has_several_segments_where_one_was_cut() {
        let (mut turns, _) = turns();
        let start = Event::SpeechStart { stream: 0, segment: 0, start: 1.0 };
        let events = [
            start.clone(),
            Event::Partial(said("", 1.0, 1.2)),
            Event::Partial(said("One", 1.0, 1.5)),
            Event::Partial(said("One two", 1.0, 1.8)),
            end(EndCause::LengthLimit),
            Event::Final(said("One two", 1.0, 2.0)),
            start.clone(),
            Event::EagerEnd(said("three", 2.0, 3.0)),
            Event::Resumed { stream: 0, segment: 1 },
            Event::EagerEnd(said("three four", 2.0, 3.5)),
            end(EndCause::EndOfTurn),
            Event::Final(said("three four", 2.0, 3.5)),
            start,
            end(EndCause::Silence),
            Event::Final(said("", 5.0, 6.0)),
        ];
        let wanted = expected(&[
            ("StartOfTurn", 0, "One"),
            ("Update", 0, "One two"),
            ("Update", 0, "One two"),
            ("EagerEndOfTurn", 0, "One two three"),
            ("TurnResumed", 0, "One two three"),
            ("EagerEndOfTurn", 0, "One two three four"),
            ("EndOfTurn", 0, "One two three four"),
        ]);
        assert_eq!(told(&mut turns, &events), wanted);
    }

    #[test]
    fn triggers_say_why_a_turn_ended() {
        for (cause, trigger) in
            [(EndCause::EndOfTurn, "model"), (EndCause::Silence, "timeout"), (EndCause::Client, "manual")]
        {
            let (mut turns, _) = turns();
            turns.tell(&end(cause));
            let messages = turns.tell(&Event::Final(said("Tea.", 1.0, 2.0)));
            assert_eq!(messages[0]["event"], "StartOfTurn");
            assert_eq!(
                (&messages[1]["trigger"], &messages[1]["end_of_turn_confidence"]),
                (&json!(trigger), &json!(0.75))
            );
        }
    }

    #[test]
    fn a_forced_end_is_answered_and_updates_come_in_silence() {
        let (mut turns, marks) = turns();
        assert!(marks.is_due(0.25));
        let update = turns.reach(Mark::Due(0.26)).remove(0);
        assert_eq!((&update["event"], &update["transcript"]), (&json!("Update"), &json!("")));
        assert_eq!(turns.reach(Mark::Finalize(0.3)).remove(0)["code"], "NO_ACTIVE_TURN");
        told(&mut turns, &[Event::Partial(said("One", 1.0, 1.5)), end(EndCause::LengthLimit)]);
        turns.tell(&Event::Final(said("One", 1.0, 2.0)));
        let ended = turns.reach(Mark::Finalize(2.0)).remove(0);
        assert_eq!((&ended["event"], &ended["trigger"]), (&json!("EndOfTurn"), &json!("manual")));
        marks.expect(Mark::Finalize(3.0));
        told(&mut turns, &[end(EndCause::Client), Event::Final(said("Two", 2.0, 3.0))]);
        assert_eq!(turns.reach(marks.answered().unwrap()), [json!(null); 0]);
    }
}
