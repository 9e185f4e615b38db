//! The network as a [`Model`].

use crate::decode::{StreamStrategy, TransducerGreedy};
use crate::encoders::emformer::{EmformerEncoder, PreparedEncoder, batch};
use crate::formats::packed::{Packed, PackedError, Reader, Writer};
use crate::frontends::fbank::{FbankFrontEnd, Mel};
use crate::heads::transducer::decoder::TransducerDecoder;
use crate::heads::transducer::{HeadWeights, Heads};
use crate::layers::linear::Precision;
use crate::model::{Model, ModelInfo, WorkingMemory};
use crate::networks::emformer::config::Config;
use crate::networks::emformer::span::EmformerSpan;
use crate::networks::emformer::weights::EmformerWeights;
use crate::team::Team;
use std::marker::PhantomData;
use std::sync::Arc;

/// An Emformer RNN-T on the CPU, decoded by the strategy `S`. Cloning shares the weights.
///
/// What it guarantees:
/// - Frames are the same bits for every chunking of the same audio, for every budget, and whatever other slots do.
/// - Frames are within 1e-4 of torchaudio's, in f32.
/// - After construction its parts allocate nothing.
pub struct Emformer<S = TransducerGreedy> {
    config: Config,
    precision: Precision,
    mel: Arc<Mel>,
    encoder: Arc<PreparedEncoder>,
    heads: Arc<HeadWeights>,
    strategy: PhantomData<fn() -> S>,
}

impl<S> Clone for Emformer<S> {
    fn clone(&self) -> Self {
        self.decoded_by()
    }
}

impl<S> Emformer<S> {
    /// Packs `weights` for the kernels.
    ///
    /// # Panics
    /// If the matrices do not have the sizes that `weights.config` states, which those of
    /// [`super::from_state_dict`] have.
    pub fn new(weights: &EmformerWeights, precision: Precision) -> Self {
        let (mean, inverse_deviation) = (weights.mean[..].into(), weights.inverse_deviation[..].into());
        Emformer {
            mel: Arc::new(Mel::new(mean, inverse_deviation)),
            encoder: Arc::new(PreparedEncoder::new(weights, precision)),
            heads: Arc::new(HeadWeights::new(weights, precision)),
            config: weights.config.clone(),
            precision,
            strategy: PhantomData,
        }
    }

    /// The network's sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The number format of the weights.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Whether it can be decoded by strategies of the CTC head.
    pub fn has_ctc(&self) -> bool {
        self.heads.has_ctc()
    }

    /// The same network, decoded by `T`; the weights are shared.
    pub fn decoded_by<T>(&self) -> Emformer<T> {
        Emformer {
            config: self.config.clone(),
            precision: self.precision,
            mel: Arc::clone(&self.mel),
            encoder: Arc::clone(&self.encoder),
            heads: Arc::clone(&self.heads),
            strategy: PhantomData,
        }
    }
}

impl<S> Packed for Emformer<S> {
    fn save(&self, writer: &mut Writer) {
        self.config.save(writer);
        self.precision.save(writer);
        self.mel.save(writer);
        self.encoder.save(writer);
        self.heads.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let config = Config::load(reader)?;
        config.check()?;
        let precision = Packed::load(reader)?;
        let (mel, encoder, heads): (Arc<Mel>, Arc<PreparedEncoder>, Arc<HeadWeights>) =
            (Packed::load(reader)?, Packed::load(reader)?, Packed::load(reader)?);
        if mel.features() != config.input_dim
            || !encoder.fits(&config, precision)
            || !heads.fits(&config, precision)
        {
            return Err(PackedError::Fields(
                "a layer has not the size or the precision that the configuration states",
            ));
        }
        Ok(Emformer { config, precision, mel, encoder, heads, strategy: PhantomData })
    }
}

impl<S: StreamStrategy<Heads>> Model for Emformer<S> {
    type Span = EmformerSpan;
    type FrontEnd = FbankFrontEnd;
    type Encoder = EmformerEncoder;
    type Decoder = TransducerDecoder<S>;

    fn info(&self) -> ModelInfo {
        ModelInfo {
            chunks: Some(self.config.chunks()),
            takes_hotwords: true,
            encoder_batch: batch(&self.config),
            ..ModelInfo::new(self.config.limits())
        }
    }

    fn working_memory(&self, slots: usize) -> Option<WorkingMemory> {
        let stream = usize::try_from(self.config.stream_bytes()).unwrap_or(usize::MAX);
        // The encoder's scratch is for all slots that it works on at the same time.
        Some(WorkingMemory { parts: stream.saturating_mul(slots.max(batch(&self.config))), span: stream })
    }

    fn span(&self) -> EmformerSpan {
        EmformerSpan::new(&self.config)
    }

    fn front_end(&self, slots: usize) -> FbankFrontEnd {
        FbankFrontEnd::new(Arc::clone(&self.mel), self.config.clone(), slots)
    }

    fn encoder(&self, slots: usize, _team: Team) -> EmformerEncoder {
        EmformerEncoder::new(Arc::clone(&self.encoder), self.config.clone(), slots)
    }

    /// # Panics
    /// If the strategy wants a CTC head and the network has none: see [`Emformer::has_ctc`].
    fn decoder(&self, slots: usize) -> TransducerDecoder<S> {
        assert!(!S::NEEDS_CTC || self.has_ctc(), "a network with a CTC head");
        TransducerDecoder::new(Arc::clone(&self.heads), self.config.clone(), slots)
    }
}
