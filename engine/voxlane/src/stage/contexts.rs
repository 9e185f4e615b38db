//! Segments behind those before them: what each slot's next segment follows, and which of two texts is its final.
//!
//! A segment is decoded by itself. Where that text is in doubt, it is decoded once more, behind the audio and the text of the
//! segment before, and the likelier text is the final. The earlier text goes in without the punctuation at its end: at a cut the
//! network puts a full stop that it would not put where speech goes on.

use crate::message::Extent;
use crate::protocol::PassKind;
use crate::punctuation::Punctuation;
use std::sync::Arc;
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Token;
use voxlane_models::model::Decoder;

/// A text whose tokens are that likely on average is not looked at again: mean of natural logarithms. Chosen on half of the
/// speakers (docs/measurements.md).
const SURE_MEAN_LOG_PROB: f32 = -0.1;

/// See the module.
pub(super) struct Contexts {
    /// None where no segment follows another.
    slots: Vec<Context>,
    punctuation: Arc<Punctuation>,
}

struct Context {
    /// The tokens of the latest final, without the punctuation at its end; none if it was doubtful.
    earlier: Vec<u32>,
    /// The number of the segment that follows it.
    segment: u32,
    /// The text of the present segment behind the one before is likelier than that of the segment alone.
    is_likelier: bool,
}

impl Contexts {
    /// For `slots` slots, whose second states in the decoder lie behind all first ones; or for none.
    pub(super) fn new(slots: usize, max_tokens: usize, punctuation: Arc<Punctuation>) -> Self {
        let context = |_| Context { earlier: Vec::with_capacity(max_tokens), segment: 0, is_likelier: false };
        Contexts { slots: (0..slots).map(context).collect(), punctuation }
    }

    /// The state in which a pass of a slot is decoded.
    pub(super) fn own(&self, slot: usize, kind: PassKind) -> usize {
        if kind == PassKind::Context { self.slots.len() + slot } else { slot }
    }

    /// The same, of a pass that begins: what was likelier before is no more.
    pub(super) fn begin(&mut self, slot: usize, kind: PassKind) -> usize {
        if let Some(context) = self.slots.get_mut(slot) {
            context.is_likelier = false;
        }
        self.own(slot, kind)
    }

    /// Whether a segment, which has been decoded by itself, is to be decoded once more behind the one before.
    pub(super) fn is_doubtful<D: Decoder>(&self, slot: usize, extent: Extent, decoder: &D) -> bool {
        let Some(context) = self.slots.get(slot) else { return false };
        let is_sure = decoder.hypothesis(slot).mean_log_prob() >= SURE_MEAN_LOG_PROB;
        !is_sure && !context.earlier.is_empty() && context.segment == extent.segment
    }

    /// Makes the decoder ready to decode a doubtful segment behind the one before; `false` if it cannot.
    pub(super) fn follow<D: Decoder>(&self, slot: usize, extent: Extent, decoder: &mut D) -> bool {
        let Some(context) = self.slots.get(slot) else { return false };
        let own = self.slots.len() + slot;
        decoder.reset(own);
        decoder.follow(own, &context.earlier, extent.context as usize)
    }

    /// Whether the text behind the segment before, with these faults, is likelier than that of the segment alone.
    pub(super) fn judge<D: Decoder>(&mut self, slot: usize, faults: Faults, decoder: &D) -> bool {
        let alone = decoder.hypothesis(slot).mean_log_prob();
        let behind = self.behind(slot, decoder);
        let mean = behind.iter().map(|token| token.log_prob).sum::<f32>() / behind.len() as f32;
        // Not a number where nothing is said.
        let is_likelier = faults.is_none() && mean > alone;
        self.slots[slot].is_likelier = is_likelier;
        is_likelier
    }

    /// How many tokens a pass has found.
    pub(super) fn count<D: Decoder>(&self, slot: usize, kind: PassKind, decoder: &D) -> usize {
        match kind {
            PassKind::Context => self.behind(slot, decoder).len(),
            _ => decoder.hypothesis(slot).tokens().len(),
        }
    }

    /// What is said behind the segment before: without marks at its beginning, which belong to that segment, whose final has
    /// been handed over.
    fn behind<'a, D: Decoder>(&self, slot: usize, decoder: &'a D) -> &'a [Token] {
        let tokens = decoder.hypothesis(self.slots.len() + slot).tokens();
        let marks = tokens.iter().take_while(|token| self.punctuation.is_mark(token.id)).count();
        &tokens[marks..]
    }

    /// The tokens of a slot's segment: of a whole one, the likelier of two texts.
    pub(super) fn text<'a, D: Decoder>(&self, slot: usize, is_whole: bool, decoder: &'a D) -> &'a [Token] {
        let is_likelier = is_whole && self.slots.get(slot).is_some_and(|context| context.is_likelier);
        if is_likelier { self.behind(slot, decoder) } else { decoder.hypothesis(slot).tokens() }
    }

    /// The final of a segment has been handed over: the next one may follow it.
    pub(super) fn keep<D: Decoder>(&mut self, slot: usize, segment: u32, faults: Faults, decoder: &D) {
        if slot >= self.slots.len() {
            return;
        }
        let tokens = if faults.is_none() { self.text(slot, true, decoder) } else { &[] };
        let is_mark = |token: &&Token| self.punctuation.is_mark(token.id);
        let marks = tokens.iter().rev().take_while(is_mark).count();
        let context = &mut self.slots[slot];
        context.earlier.clear();
        context.earlier.extend(tokens[..tokens.len() - marks].iter().map(|token| token.id));
        (context.segment, context.is_likelier) = (segment.wrapping_add(1), false);
    }

    /// The slot's next segment follows nothing.
    pub(super) fn forget(&mut self, slot: usize) {
        if let Some(context) = self.slots.get_mut(slot) {
            context.earlier.clear();
            context.is_likelier = false;
        }
    }
}
