//! The prepared weights of the heads.

use crate::formats::packed::{Packed, PackedError, Reader, Writer, packed_fields};
use crate::layers::linear::{Linear, Precision};
use crate::layers::norm::Norm;
use crate::networks::emformer::config::Config;
use crate::networks::emformer::weights::{EmformerWeights, LstmWeights, PredictorWeights};

/// The prepared weights.
#[derive(Debug)]
pub(crate) struct HeadWeights {
    pub(super) predictor: PredictorLayers,
    pub(super) joiner: Linear,
    pub(super) ctc: Option<Linear>,
}

packed_fields!(HeadWeights { predictor, joiner, ctc });

#[derive(Debug)]
pub(super) struct PredictorLayers {
    pub(super) embedding: Linear,
    pub(super) input_norm: Norm,
    pub(super) lstm: Vec<Lstm>,
    pub(super) linear: Linear,
    pub(super) output_norm: Norm,
}

packed_fields!(PredictorLayers { embedding, input_norm, lstm, linear, output_norm });

#[derive(Debug)]
pub(super) struct Lstm {
    pub(super) gates: Linear,
    /// Of the gates and of the cell.
    pub(super) norms: Option<(Norm, Norm)>,
}

impl Packed for Lstm {
    fn save(&self, writer: &mut Writer) {
        self.gates.save(writer);
        u8::from(self.norms.is_some()).save(writer);
        if let Some((gates, cell)) = &self.norms {
            gates.save(writer);
            cell.save(writer);
        }
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let gates = Packed::load(reader)?;
        let norms = match u8::load(reader)? {
            0 => None,
            1 => Some((Packed::load(reader)?, Packed::load(reader)?)),
            _ => return Err(PackedError::Fields("an LSTM is neither normed nor not")),
        };
        Ok(Lstm { gates, norms })
    }
}

impl HeadWeights {
    pub(crate) fn new(weights: &EmformerWeights, precision: Precision) -> Self {
        let PredictorWeights { embedding, input_norm, lstm, linear: output, output_norm } =
            &weights.predictor;
        let layer = |weights: &LstmWeights| Lstm {
            gates: weights.gates.pack(precision),
            norms: weights.norms.as_ref().map(|[gates, cell]| (Norm::new(gates), Norm::new(cell))),
        };
        HeadWeights {
            predictor: PredictorLayers {
                embedding: embedding.pack(precision),
                input_norm: Norm::new(input_norm),
                lstm: lstm.iter().map(layer).collect(),
                linear: output.pack(precision),
                output_norm: Norm::new(output_norm),
            },
            joiner: weights.joiner.pack(precision),
            ctc: weights.ctc.as_ref().map(|ctc| ctc.pack(precision)),
        }
    }

    /// Whether there is a CTC head.
    pub(crate) fn has_ctc(&self) -> bool {
        self.ctc.is_some()
    }

    /// Whether its sizes are those of `config`, its weights in `precision`.
    pub(crate) fn fits(&self, config: &Config, precision: Precision) -> bool {
        let (size, hidden, encoding) =
            (config.symbol_embedding_dim, config.lstm_hidden(), config.encoding_dim);
        let predictor = &self.predictor;
        let inputs = if predictor.lstm.is_empty() { config.stateless_context * size } else { hidden };
        let lstm_fits = |(index, layer): (usize, &Lstm)| {
            let inputs = if index == 0 { size } else { hidden };
            layer.gates.fits(4 * hidden, inputs + hidden, precision)
                && layer
                    .norms
                    .as_ref()
                    .is_none_or(|(gates, cell)| gates.is_affine(4 * hidden) && cell.is_affine(hidden))
        };
        predictor.embedding.fits(config.num_symbols, size, precision)
            && predictor.input_norm.is_affine(size)
            && predictor.lstm.len() == config.num_lstm_layers
            && predictor.lstm.iter().enumerate().all(lstm_fits)
            && predictor.linear.fits(encoding, inputs, precision)
            && predictor.output_norm.is_affine(encoding)
            && self.joiner.fits(config.num_symbols, encoding, precision)
            && self.ctc.as_ref().is_none_or(|ctc| ctc.fits(config.num_symbols, encoding, precision))
    }
}
