//! One stream's turns within ingest: where the present one began, and what is asked about its pauses.

use crate::audio::ENGINE_RATE_HZ;
use crate::config::{EndpointConfig, TurnRule};
use crate::message::{EndCause, Extent};
use crate::slot_state::SlotState;
use std::ops::Range;

/// A turn goes on over a segment that silence ended if the next begins within this time: 2 s.
const TURN_GAP_SAMPLES: u64 = 2 * ENGINE_RATE_HZ as u64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The turn that an earlier segment began and did not end: its start, and where that segment ended.
    earlier: Option<(u64, u64)>,
    /// What is asked about the open pause.
    question: Option<Question>,
    /// Nothing goes on before the answer.
    is_waiting: bool,
    /// The latest answer about the open pause.
    probability: Option<f32>,
    /// The samples of the segment for which the client got an eager end, if it got one.
    eager_samples: Option<u32>,
    /// A question has been taken back, and the stage that hears turns does not know yet.
    is_taken_back: bool,
}

/// Whether the speaker who pauses has finished.
#[derive(Clone, Debug)]
pub(super) struct Question {
    number: u32,
    rule: TurnRule,
    /// The turn's samples, if the stage that hears them has yet to be asked.
    unasked: Option<Range<u64>>,
    /// The segment, should it end.
    extent: Extent,
}

impl Question {
    pub(super) fn new(number: u32, rule: TurnRule, turn: Range<u64>, extent: Extent) -> Self {
        Question { number, rule, unasked: rule.hears_audio().then_some(turn), extent }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// What the decoder says, where that is asked: how likely the text ends a sentence.
    fn read(&self, state: &SlotState) -> Option<f32> {
        state.answered(self.number).map(f32::from_bits)
    }
}

/// What the answers say.
pub(super) struct Verdict {
    pub(super) is_finished: bool,
    /// The segment for an eager end, if the probability is high enough.
    pub(super) eager: Option<Extent>,
}

impl Turns {
    /// A new stream.
    pub(super) fn restart(&mut self) {
        *self = Turns { is_taken_back: true, ..Turns::default() };
    }

    /// Whether a question has been taken back since the last call.
    pub(super) fn was_taken_back(&mut self) -> bool {
        std::mem::take(&mut self.is_taken_back)
    }

    /// Where the turn began that a segment from `start` on belongs to.
    pub(super) fn start(&self, start: u64) -> u64 {
        let goes_on = |&(_, end): &(u64, u64)| start.saturating_sub(end) < TURN_GAP_SAMPLES;
        self.earlier.filter(goes_on).map_or(start, |(start, _)| start)
    }

    pub(super) fn ask(&mut self, question: Question) {
        self.question = Some(question);
    }

    /// The stage that hears turns has been asked.
    pub(super) fn asked(&mut self) {
        if let Some(question) = &mut self.question {
            question.unasked = None;
        }
    }

    /// The turn's samples, if they are to be heard and were not asked about: where the text is asked, too, only if
    /// it says that the speaker may have finished. The network for sound is the dearer of the two.
    pub(super) fn unasked(&self, state: &SlotState, rules: &EndpointConfig) -> Option<Range<u64>> {
        let question = self.question.as_ref()?;
        let is_due = !question.rule.reads_text() || question.read(state)? >= rules.text_threshold;
        question.unasked.clone().filter(|_| is_due)
    }

    /// What is asked and not answered.
    pub(super) fn question(&self) -> Option<&Question> {
        self.question.as_ref()
    }

    /// Nothing goes on before the answer.
    pub(super) fn wait(&mut self) {
        self.is_waiting = true;
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// What the answers say by `rules`, once all are there.
    pub(super) fn verdict(&mut self, state: &SlotState, rules: &EndpointConfig) -> Option<Verdict> {
        let question = self.question.as_ref()?;
        let (rule, extent) = (question.rule, question.extent);
        let read = if rule.reads_text() { Some(question.read(state)?) } else { None };
        let is_denied = read.is_some_and(|read| read < rules.text_threshold);
        let is_heard = rule.hears_audio() && !is_denied;
        let heard = if is_heard { Some(state.turn_answered(question.number)?) } else { None };
        (self.question, self.is_waiting) = (None, false);
        let probability = heard.or(read);
        let decisive = if rule.hears_audio() { heard } else { read };
        let is_eager = rules.eager_threshold > 0.0 && decisive >= Some(rules.eager_threshold);
        (self.probability, self.eager_samples) = (probability, is_eager.then_some(extent.samples));
        Some(Verdict {
            is_finished: !is_denied && heard.is_none_or(|heard| heard >= rules.turn_threshold),
            eager: is_eager.then_some(Extent { turn: probability, ..extent }),
        })
    }

    /// The speaker goes on: whether the client got an eager end.
    pub(super) fn take_back(&mut self) -> bool {
        self.is_taken_back |= self.question.is_some();
        (self.question, self.is_waiting, self.probability) = (None, false, None);
        self.eager_samples.take().is_some()
    }

    /// A segment from `start` to `end` is over: the probability that the turn is, too, where the decision depended on it;
    /// and whether the client got an eager end at another place.
    pub(super) fn end(&mut self, start: u64, end: u64, cause: EndCause) -> (Option<f32>, bool) {
        let goes_on = matches!(cause, EndCause::Silence | EndCause::LengthLimit | EndCause::TrailingBlanks);
        self.earlier = goes_on.then_some((self.start(start), end));
        let is_asked = matches!(cause, EndCause::Silence | EndCause::EndOfTurn);
        let probability = self.probability.filter(|_| is_asked);
        let is_other = self.eager_samples.is_some_and(|samples| u64::from(samples) != end - start);
        self.take_back();
        (probability, is_other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> EndpointConfig {
        EndpointConfig { eager_threshold: 0.3, ..EndpointConfig::default() }
    }

    fn asked(rule: TurnRule) -> Turns {
        let mut turns = Turns::default();
        turns.ask(Question::new(1, rule, 0..16_000, Extent { samples: 16_000, ..Extent::default() }));
        turns
    }

    fn verdict(turns: &mut Turns, state: &SlotState) -> Option<(bool, bool, Option<f32>)> {
        let verdict = turns.verdict(state, &rules())?;
        Some((verdict.is_finished, verdict.eager.is_some(), turns.probability))
    }

    #[test]
    fn the_sound_is_asked_only_where_the_text_may_be_finished() {
        let (mut turns, state) = (asked(TurnRule::Both), SlotState::default());
        assert_eq!((turns.unasked(&state, &rules()), verdict(&mut turns, &state)), (None, None));
        state.answer(1, 0.4_f32.to_bits());
        assert_eq!(turns.unasked(&state, &rules()), None);
        assert_eq!(verdict(&mut turns, &state), Some((false, false, Some(0.4))));

        let (mut turns, state) = (asked(TurnRule::Both), SlotState::default());
        state.answer(1, 0.6_f32.to_bits());
        assert_eq!(turns.unasked(&state, &rules()), Some(0..16_000));
        turns.asked();
        assert_eq!((turns.unasked(&state, &rules()), verdict(&mut turns, &state)), (None, None));
        state.answer_turn(1, 0.95);
        assert_eq!(verdict(&mut turns, &state), Some((true, true, Some(0.95))));
    }

    #[test]
    fn the_sound_alone_is_asked_at_once() {
        let (mut turns, state) = (asked(TurnRule::Audio), SlotState::default());
        assert_eq!(turns.unasked(&state, &rules()), Some(0..16_000));
        state.answer_turn(1, 0.2);
        assert_eq!(verdict(&mut turns, &state), Some((false, false, Some(0.2))));
    }
}
