//! The network as a [`Model`].

use crate::decode::{AttentionGreedy, DecodeStrategy, LogitRule};
use crate::encoders::moonshine::{MoonshineEncoder, PreparedEncoder};
use crate::formats::packed::{Packed, PackedError, Reader, Writer};
use crate::frontends::raw_conv::{RawConvFrontEnd, Stem};
use crate::heads::attention::{AttentionDecoder, PreparedDecoder};
use crate::layers::linear::Precision;
use crate::layers::rotary::Rotary;
use crate::model::{Model, ModelInfo, WorkingMemory};
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::span::MoonshineSpan;
use crate::networks::moonshine::weights::MoonshineWeights;
use crate::team::Team;
use std::marker::PhantomData;
use std::sync::Arc;

/// Moonshine on the CPU, decoded by the strategy `S`. Cloning shares the weights.
///
/// What it guarantees:
/// - Features are the same bits for every chunking of the same audio, and within 1e-4 of their largest
///   magnitude of the plain stem over the whole segment.
/// - Results do not depend on budgets, nor on what other slots hold.
/// - After construction its parts allocate nothing.
pub struct Moonshine<S = AttentionGreedy> {
    config: Config,
    precision: Precision,
    stem: Arc<Stem>,
    encoder: Arc<PreparedEncoder>,
    decoder: Arc<PreparedDecoder>,
    rule: Option<Arc<dyn LogitRule>>,
    strategy: PhantomData<fn() -> S>,
}

impl<S: DecodeStrategy> Moonshine<S> {
    /// Packs `weights` for the kernels.
    ///
    /// # Panics
    /// If the matrices do not have the sizes that `weights` states.
    pub fn new(weights: &MoonshineWeights, precision: Precision) -> Self {
        let config = Config::new(weights);
        let positions = Self::positions(&config);
        let rotary = Arc::new(Rotary::new(&weights.rotary_frequencies, config.sizes.head_dim, positions));
        Moonshine {
            stem: Arc::new(Stem::new(&weights.stem, &config, precision)),
            encoder: Arc::new(PreparedEncoder::new(weights, &config, Arc::clone(&rotary), precision)),
            decoder: Arc::new(PreparedDecoder::new(weights, &config, rotary, precision)),
            config,
            precision,
            rule: None,
            strategy: PhantomData,
        }
    }

    /// The same network, of which a rule says what may not come next.
    #[must_use]
    pub fn with_rule(self, rule: Arc<dyn LogitRule>) -> Self {
        Moonshine { rule: Some(rule), ..self }
    }

    /// Positions that a segment can have, in encoder or decoder.
    fn positions(config: &Config) -> usize {
        config.max_frames().max(config.limits().max_segment_tokens + S::MAX_BLOCK)
    }

    /// Whether the parts are those of the sizes, which have been checked.
    fn check(&self) -> Result<(), PackedError> {
        let (config, positions) = (&self.config, Self::positions(&self.config));
        self.stem.check(config, self.precision)?;
        self.encoder.check(config, self.precision, positions)?;
        self.decoder.check(config, self.precision, positions)
    }

    /// The network's sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl<S: DecodeStrategy> Packed for Moonshine<S> {
    fn save(&self, writer: &mut Writer) {
        self.config.save(writer);
        self.precision.save(writer);
        self.stem.save(writer);
        self.encoder.save(writer);
        self.decoder.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let config: Config = Packed::load(reader)?;
        config.check()?;
        let model = Moonshine {
            config,
            precision: Packed::load(reader)?,
            stem: Packed::load(reader)?,
            encoder: Packed::load(reader)?,
            decoder: Packed::load(reader)?,
            rule: None,
            strategy: PhantomData,
        };
        model.check()?;
        Ok(model)
    }
}

impl<S: DecodeStrategy> Model for Moonshine<S> {
    type Span = MoonshineSpan;
    type FrontEnd = RawConvFrontEnd;
    type Encoder = MoonshineEncoder;
    type Decoder = AttentionDecoder<S>;

    fn info(&self) -> ModelInfo {
        ModelInfo { follows: S::FOLLOWS, ..ModelInfo::new(self.config.limits()) }
    }

    fn span(&self) -> MoonshineSpan {
        MoonshineSpan::new(&self.config)
    }

    fn working_memory(&self, slots: usize) -> Option<WorkingMemory> {
        Some(self.config.working_memory(slots, self.stem.channels()))
    }

    fn front_end(&self, slots: usize) -> RawConvFrontEnd {
        RawConvFrontEnd::new(Arc::clone(&self.stem), self.config.clone(), slots)
    }

    fn encoder(&self, _slots: usize, team: Team) -> MoonshineEncoder {
        MoonshineEncoder::new(Arc::clone(&self.encoder), &self.config, self.precision, team)
    }

    fn decoder(&self, slots: usize) -> AttentionDecoder<S> {
        let (decoder, rule) = (Arc::clone(&self.decoder), self.rule.clone());
        AttentionDecoder::new(decoder, self.config.clone(), self.precision, slots, rule)
    }
}
