//! The decoder: cross-attention keys and values of all layers once for each segment, then blocks of tokens,
//! then where in the audio each token is.
//!
//! A block is one token when decoding greedily, several when a draft is verified; a row's result is the
//! same bits either way. The order of work is one screen: `Stage` and `AttentionDecoder::unit`.

mod alignment;
mod layer;
mod output;
mod warp;

use self::alignment::Alignment;
use self::layer::{Context, Layer, Operation};
use self::output::{Block, Choice, Output};
use crate::arena::Arena;
use crate::budget::{Budget, Progress};
use crate::buffer::Buffer;
use crate::decode::{DecodeStrategy, Excluded, LogitRule, Next, Prediction, Vocabulary};
use crate::fault::Faults;
use crate::formats::packed::{PackedError, packed_fields};
use crate::hypothesis::Hypothesis;
use crate::layers::check::ensure;
use crate::layers::kv_cache::KvCache;
use crate::layers::linear::{Linear, Precision};
use crate::layers::rotary::Rotary;
use crate::model::{Request, Slot};
use crate::networks::moonshine::config::{Config, END_TOKEN, START_TOKEN};
use crate::networks::moonshine::span::MoonshineSpan;
use crate::networks::moonshine::weights::MoonshineWeights;
use std::sync::Arc;

/// Frames whose cross-attention keys and values are made in one unit: about 100 µs in f32.
const FRAME_ROWS: usize = 48;
/// Tokens that are aligned in one unit: less than 100 µs in the longest segment.
const ALIGNED_ROWS: usize = 32;

/// The prepared weights of the decoder.
pub(crate) struct PreparedDecoder {
    layers: Vec<Layer>,
    output: Output,
    rotary: Arc<Rotary>,
}

packed_fields!(PreparedDecoder { layers, output, rotary });

impl PreparedDecoder {
    pub(crate) fn new(
        weights: &MoonshineWeights,
        config: &Config,
        rotary: Arc<Rotary>,
        precision: Precision,
    ) -> Self {
        PreparedDecoder {
            layers: weights.decoder_layers.iter().map(|layer| Layer::new(layer, config, precision)).collect(),
            output: Output::new(weights, config, precision),
            rotary,
        }
    }
}

impl PreparedDecoder {
    /// Whether it is the decoder of such a network, with angles for `positions` positions.
    pub(crate) fn check(
        &self,
        config: &Config,
        precision: Precision,
        positions: usize,
    ) -> Result<(), PackedError> {
        ensure(self.layers.len() == config.decoder_layers, "the decoder has another number of layers")?;
        ensure(config.has_rotary(&self.rotary, positions), "the decoder's angles are not the network's")?;
        self.layers.iter().try_for_each(|layer| layer.check(config, precision))?;
        self.output.check(config, precision)
    }
}

/// Where a pass stands.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Keys and values of the frames from `row` on, for the cross-attention of `layer`.
    Frames { layer: usize, row: usize },
    /// The embeddings of a new block of tokens.
    Embed,
    /// One sub-block of a layer, over the block's tokens.
    Layer { layer: usize, operation: Operation },
    /// The logits of one part of the vocabulary, after each of the block's tokens.
    Output { part: usize },
    /// The strategy decides what comes next.
    Choose,
    /// The tokens are complete; those from `row` on are yet to be aligned with the frames.
    Align { row: usize },
    /// The hypothesis is complete.
    Done,
}

/// The decoder of Moonshine on the CPU.
pub struct AttentionDecoder<S> {
    decoder: Arc<PreparedDecoder>,
    config: Config,
    strategy: S,
    stage: Stage,
    /// Tokens of this pass whose keys and values are cached.
    position: usize,
    self_caches: Vec<KvCache>,
    cross_caches: Vec<KvCache>,
    alignment: Alignment,
    slot: Slot,
    max_tokens: usize,
    /// The residual stream of the block.
    hidden: Buffer,
    /// After each of the block's tokens.
    logits: Buffer,
    choices: Vec<Choice>,
    predictions: Vec<Prediction>,
    /// Samples in front of each slot's segment, whose text it goes on from.
    earlier_samples: Vec<usize>,
    /// What may not come after each of the block's tokens.
    excluded: Vec<Excluded>,
    rule: Option<Arc<dyn LogitRule>>,
    /// The segment's tokens, as far as rules are asked about them.
    said: Vec<u32>,
    arena: Arena,
}

impl<S: DecodeStrategy> AttentionDecoder<S> {
    pub(crate) fn new(
        decoder: Arc<PreparedDecoder>,
        config: Config,
        precision: Precision,
        slots: usize,
        rule: Option<Arc<dyn LogitRule>>,
    ) -> Self {
        let (sizes, layers) = (&config.sizes, config.decoder_layers);
        let heads = (sizes.heads, sizes.head_dim);
        let max_tokens = config.limits().max_segment_tokens;
        // A rejected draft may reach past the last token by a block.
        let positions = max_tokens + S::MAX_BLOCK;
        let vocabulary = Vocabulary { start_token: START_TOKEN, end_token: END_TOKEN, max_tokens };
        let unit = [
            Layer::scratch_lengths(&config, S::MAX_BLOCK),
            decoder.output.scratch_lengths(S::MAX_BLOCK),
            vec![FRAME_ROWS * 2 * sizes.hidden],
            Linear::scratch_lengths(sizes.hidden, FRAME_ROWS).to_vec(),
        ];
        AttentionDecoder {
            strategy: S::new(vocabulary, slots),
            stage: Stage::Done,
            position: 0,
            self_caches: (0..layers).map(|_| KvCache::new(heads, positions, precision)).collect(),
            cross_caches: (0..layers).map(|_| KvCache::new(heads, config.max_frames(), precision)).collect(),
            alignment: Alignment::new(&config, positions),
            slot: 0,
            max_tokens: 0,
            hidden: Buffer::zeros(S::MAX_BLOCK * sizes.hidden),
            logits: decoder.output.logits(S::MAX_BLOCK),
            choices: Vec::with_capacity(S::MAX_BLOCK),
            predictions: Vec::with_capacity(S::MAX_BLOCK),
            earlier_samples: vec![0; slots],
            // One more for the strategy's own.
            excluded: (0..S::MAX_BLOCK)
                .map(|_| Excluded::with_capacity(1 + rule.as_ref().map_or(0, |rule| rule.most_ranges())))
                .collect(),
            rule,
            said: Vec::with_capacity(positions),
            arena: Arena::for_lengths(&unit.concat()),
            decoder,
            config,
        }
    }

    /// One unit of work: does what the stage says and moves to the next.
    fn unit(&mut self, span: &MoonshineSpan, faults: &mut Faults) {
        self.stage = match self.stage {
            Stage::Frames { layer, row } => self.frames(span, layer, row),
            Stage::Embed => self.embed(),
            Stage::Layer { layer, operation } => self.layer(span, layer, operation),
            Stage::Output { part } => self.output(part),
            Stage::Choose => self.choose(faults),
            Stage::Align { row } => self.align(span, row),
            Stage::Done => Stage::Done,
        };
        self.arena.reset();
    }

    fn frames(&mut self, span: &MoonshineSpan, layer: usize, row: usize) -> Stage {
        let rows = FRAME_ROWS.min(span.frames() - row);
        let cache = &mut self.cross_caches[layer];
        self.decoder.layers[layer].keys_and_values(span.rows(row, rows), row, cache, &self.arena);
        if row + rows < span.frames() {
            Stage::Frames { layer, row: row + rows }
        } else if layer + 1 < self.decoder.layers.len() {
            Stage::Frames { layer: layer + 1, row: 0 }
        } else {
            Stage::Embed
        }
    }

    fn embed(&mut self) -> Stage {
        let width = self.config.sizes.hidden;
        for (row, &token) in self.hidden.chunks_exact_mut(width).zip(self.strategy.block()) {
            self.decoder.output.embed(token, row);
        }
        Stage::Layer { layer: 0, operation: Operation::FIRST }
    }

    fn layer(&mut self, span: &MoonshineSpan, layer: usize, operation: Operation) -> Stage {
        let width = self.config.sizes.hidden;
        let rows = self.strategy.block().len();
        let context = Context {
            position: self.position,
            frames: span.frames(),
            self_cache: &mut self.self_caches[layer],
            cross_cache: &self.cross_caches[layer],
            alignment: &mut self.alignment,
            layer,
            rotary: &self.decoder.rotary,
            arena: &self.arena,
        };
        let hidden = &mut self.hidden[..rows * width];
        self.decoder.layers[layer].run(operation, hidden, context);
        match operation.next() {
            Some(operation) => Stage::Layer { layer, operation },
            None if layer + 1 < self.decoder.layers.len() => {
                Stage::Layer { layer: layer + 1, operation: Operation::FIRST }
            }
            None => {
                self.choices.clear();
                self.choices.resize(rows, Choice::default());
                Stage::Output { part: 0 }
            }
        }
    }

    fn output(&mut self, part: usize) -> Stage {
        let output = &self.decoder.output;
        let hidden = &mut self.hidden[..self.choices.len() * self.config.sizes.hidden];
        if part == 0 {
            output.norm(hidden, &self.arena);
            self.excluded.iter_mut().for_each(Excluded::clear);
            if let Some(token) = self.strategy.excluded() {
                self.excluded[0].exclude(token..token + 1);
            }
            if let Some(rule) = &self.rule {
                self.said.clear();
                self.said.extend(self.strategy.hypothesis(self.slot).tokens().iter().map(|token| token.id));
                // The block begins with the newest token; after it comes a draft. What the pass goes on from is
                // not said in the segment.
                let followed = self.strategy.followed();
                for (row, &token) in self.strategy.block().iter().enumerate() {
                    if row > 0 && self.position + row > followed {
                        self.said.push(token);
                    }
                    rule.exclude(&self.said, &mut self.excluded[row]);
                }
            }
        }
        let (choices, logits, excluded) = (&mut self.choices[..], &mut self.logits[..], &self.excluded[..]);
        output.part(part, hidden, Block { choices, logits, excluded }, &self.arena);
        if part + 1 < output.parts() { Stage::Output { part: part + 1 } } else { Stage::Choose }
    }

    fn choose(&mut self, faults: &mut Faults) -> Stage {
        self.position += self.choices.len();
        self.predictions.clear();
        self.predictions.extend(self.choices.iter().map(Choice::prediction));
        match self.strategy.accept(&self.predictions, faults) {
            Next::Block { keep } => {
                self.position = keep;
                Stage::Embed
            }
            Next::Done => Stage::Align { row: 0 },
        }
    }

    fn align(&mut self, span: &MoonshineSpan, row: usize) -> Stage {
        let followed = self.strategy.followed();
        let hypothesis = self.strategy.hypothesis_mut(self.slot);
        let tokens = followed + hypothesis.tokens().len();
        // What comes after the last token is the end token, which was looked for unless the limit cut it off:
        // the frames after the last word are its.
        let rows = (tokens + usize::from(tokens < self.max_tokens)).min(self.position);
        let end = rows.min(row + ALIGNED_ROWS);
        self.alignment.align(row..end);
        if end < rows {
            return Stage::Align { row: end };
        }
        self.alignment.cut(rows);
        let before = self.earlier_samples[self.slot] as u32;
        for token in followed..tokens.min(rows) {
            let times = self.alignment.times(token, span.samples());
            let [start, end] = times.map(|time| time.saturating_sub(before));
            hypothesis.set_times(token - followed, start, end);
        }
        Stage::Done
    }
}

impl<S: DecodeStrategy> crate::model::Decoder for AttentionDecoder<S> {
    type Span = MoonshineSpan;

    fn begin(&mut self, slot: Slot, span: &mut MoonshineSpan, request: Request) {
        let own_samples = span.samples().saturating_sub(self.earlier_samples[slot]);
        let own_tokens = self.config.max_tokens(own_samples);
        self.strategy.begin(slot, request, own_tokens);
        (self.slot, self.max_tokens) = (slot, self.strategy.followed() + own_tokens);
        self.alignment.restart(span.frames());
        self.position = 0;
        self.cross_caches.iter_mut().for_each(|cache| cache.restart(span.frames()));
        self.stage = if span.frames() == 0 { Stage::Done } else { Stage::Frames { layer: 0, row: 0 } };
    }

    fn step(&mut self, span: &mut MoonshineSpan, budget: &Budget, faults: &mut Faults) -> Progress {
        while !matches!(self.stage, Stage::Done) {
            self.unit(span, faults);
            if !matches!(self.stage, Stage::Done) && budget.is_spent() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn follow(&mut self, slot: Slot, tokens: &[u32], samples: usize) -> bool {
        let limits = self.config.limits();
        // The longest span that begins so has to find room for its own tokens too.
        let has_room = limits.max_segment_samples.checked_sub(samples).is_some_and(|own_samples| {
            tokens.len() + self.config.max_tokens(own_samples) <= limits.max_segment_tokens
        });
        let is_known = tokens.iter().all(|&token| (token as usize) < self.config.sizes.vocabulary);
        let follows = has_room && is_known && self.strategy.follow(slot, tokens);
        if follows {
            self.earlier_samples[slot] = samples;
        }
        follows
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        self.strategy.hypothesis(slot)
    }

    fn reset(&mut self, slot: Slot) {
        self.strategy.reset(slot);
        self.earlier_samples[slot] = 0;
    }
}
