//! What ends a segment before its client does: the detector's windows, what is heard and read of a pause, and chunks
//! without text.

use super::{Segmenter, send};
use crate::audio::ENGINE_RATE_HZ;
use crate::endpoint::{Decision, WINDOW_SAMPLES};
use crate::message::{AudioMessage, EndCause, Extent};
use crate::meter::Meter;
use crate::protocol::{AudioControl, Control};
use crate::slot_state::SlotState;
use crate::stage::turns::Question;
use crate::turn::TurnAsker;
use crate::voice::Detector;
use voxlane_models::voice::VOICE_FRAME_SAMPLES;
use voxlane_runtime::clock::Time;
use voxlane_runtime::ring::Sender;

/// What a look for answers has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Heard {
    /// The stream may go on.
    Enough,
    /// It waits for an answer, which marks the slot active.
    Nothing,
    /// The question could not be asked yet and must be a little later.
    AskAgain,
}

impl Segmenter {
    /// Judges the window that is complete.
    pub(super) fn judge(
        &mut self,
        detector: &mut Detector,
        output: &mut Sender<AudioMessage>,
        meter: &mut Meter,
    ) {
        let mut window = [0; VOICE_FRAME_SAMPLES];
        let captured = self.history.read(self.judged, &mut window);
        let probability = detector.step(self.slot, &window);
        let Some(endpointer) = &mut self.endpointer else { return };
        let decision = endpointer.judge(self.judged, probability);
        self.voicing.push(endpointer.is_voiced());
        self.judged += WINDOW_SAMPLES;
        self.decide(decision, captured, output, meter);
        if let Some(notice) = self.monitor.push(&window) {
            send(output, meter, self.header(captured, Control::Notice(notice)), Extent::default());
        }
    }

    /// Does what the endpointer has decided at the end of the latest window, which was captured at `captured`.
    fn decide(
        &mut self,
        decision: Decision,
        captured: Time,
        output: &mut Sender<AudioMessage>,
        meter: &Meter,
    ) {
        match decision {
            Decision::None => {}
            Decision::Start { at } => self.position = at,
            Decision::Speculate { end, asks } => {
                if self.chunks.is_none() {
                    self.speculate(end, output, meter);
                }
                if asks {
                    self.ask_turn(end, captured, output, meter);
                }
            }
            Decision::Wait if self.turns.question().is_some() => self.turns.wait(),
            // A cut has left no segment to ask about.
            Decision::Wait => {
                let decision = self.endpointer.as_mut().map(|endpointer| endpointer.hear(self.judged, false));
                self.decide(decision.unwrap_or(Decision::None), captured, output, meter);
            }
            Decision::Resume => {
                if self.turns.take_back() {
                    send(output, meter, self.header(captured, Control::Resumed), self.extent());
                }
            }
            Decision::End { end, speech_end, cause } => {
                let end = if self.chunks.is_some() { self.judged } else { end };
                self.end_segment((captured, self.judged), (end, speech_end), cause, output, meter);
                self.position = self.judged;
            }
        }
    }

    /// Asks for the final that the open segment will have if it ends at `end`.
    fn speculate(&mut self, end: u64, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let Some(segment) = self.segment else { return };
        let Some(samples) = end.checked_sub(segment.start).filter(|&samples| samples > 0) else { return };
        let voiced = self.voiced(segment, end);
        let extent = Extent { voiced, ..segment.of(samples, self.most_context()) };
        let captured = self.history.capture(end).unwrap_or_default();
        self.has_asked = true;
        send(output, meter, self.header(captured, AudioControl::Speculate), extent);
    }

    /// Asks whether the speaker has finished, should the segment end at `end`: the decoder, behind its speculative pass,
    /// and the stage that hears turns, once [`listen`](Self::listen) finds that it can be asked.
    fn ask_turn(&mut self, end: u64, captured: Time, output: &mut Sender<AudioMessage>, meter: &Meter) {
        let Some(segment) = self.segment else { return };
        let (number, rule) = (self.queries.number(), self.rules.endpoint.turn);
        let voiced = self.voiced(segment, end);
        let extent = Extent { voiced, ..segment.of(end - segment.start, self.most_context()) };
        let turn = self.turns.start(segment.start)..self.judged;
        self.turns.ask(Question::new(number, rule, turn, extent));
        if rule.reads_text() {
            send(output, meter, self.header(captured, Control::Query(number)), Extent::default());
        }
    }

    /// Looks for what has come of the question whether the speaker has finished, if it is open. At most two messages.
    pub(in super::super) fn listen(
        &mut self,
        state: &SlotState,
        asker: Option<&mut TurnAsker>,
        output: &mut Sender<AudioMessage>,
        meter: &Meter,
    ) -> Heard {
        if self.turns.was_taken_back() {
            state.ask_turn(0);
        }
        let Some(question) = self.turns.question() else { return Heard::Enough };
        let captured = self.history.capture(self.judged).unwrap_or_default();
        let number = question.number();
        if let (Some(turn), Some(asker)) = (self.turns.unasked(state, &self.rules.endpoint), asker) {
            let header = self.header(captured, Control::Query(number));
            state.ask_turn(number);
            if !asker.ask(header, number, &self.history, turn) {
                return Heard::AskAgain;
            }
            self.turns.asked();
        }
        let Some(verdict) = self.turns.verdict(state, &self.rules.endpoint) else {
            return if self.turns.is_waiting() { Heard::Nothing } else { Heard::Enough };
        };
        if let Some(extent) = verdict.eager {
            send(output, meter, self.header(captured, Control::EagerEnd), extent);
        }
        let Some(endpointer) = &mut self.endpointer else { return Heard::Enough };
        let decision = endpointer.hear(self.judged, verdict.is_finished);
        self.decide(decision, captured, output, meter);
        Heard::Enough
    }

    /// The network has found nothing in the last `quiet` samples of its chunks, or is still without any text: the
    /// open segment ends here, or goes on.
    pub(in super::super) fn hear(&mut self, quiet: u32, output: &mut Sender<AudioMessage>, meter: &Meter) {
        self.queries.answered();
        let (Some(chunks), Some(segment)) = (self.chunks, self.segment) else { return };
        let blank = u64::from(self.rules.endpoint.blank_ms) * u64::from(ENGINE_RATE_HZ) / 1000;
        if u64::from(quiet) < blank {
            return;
        }
        let end = self.position;
        if let Some(endpointer) = &mut self.endpointer {
            endpointer.close(end);
        }
        let speech_end = end.saturating_sub(u64::from(quiet) + chunks.look_ahead()).max(segment.start);
        let captured = self.history.capture(end).unwrap_or_default();
        self.end_segment((captured, end), (end, speech_end), EndCause::TrailingBlanks, output, meter);
    }
}
