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

    /// The turn's samples, if they have yet to be asked about.
    pub(super) fn unasked(&self) -> Option<Range<u64>> {
        self.unasked.clone()
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
        let Question { number, rule, extent, .. } = *self.question.as_ref()?;
        let heard = if rule.hears_audio() { Some(state.turn_answered(number)?) } else { None };
        let read = if rule.reads_text() { Some(f32::from_bits(state.answered(number)?)) } else { None };
        (self.question, self.is_waiting) = (None, false);
        let probability = heard.or(read);
        let is_eager = rules.eager_threshold > 0.0 && probability >= Some(rules.eager_threshold);
        (self.probability, self.eager_samples) = (probability, is_eager.then_some(extent.samples));
        Some(Verdict {
            is_finished: heard.is_none_or(|heard| heard >= rules.turn_threshold)
                && read.is_none_or(|read| read >= rules.text_threshold),
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
