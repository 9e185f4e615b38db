//! From a checkpoint in torchaudio's layout to weights.

use crate::formats::checkpoint::CheckpointError;
use crate::layers::linear::LinearWeights;
use crate::layers::norm::NormWeights;
use crate::networks::emformer::config::Config;
use crate::networks::emformer::weights::{EmformerWeights, LayerWeights, LstmWeights, PredictorWeights};
use crate::weights::{Tensor, Weights};
use std::path::{Path, PathBuf};

/// What PyTorch's layer norms add to the variance by default.
const NORM_EPSILON: f32 = 1e-5;

/// Mean and inverse standard deviation of each feature.
type Statistics = (Vec<f32>, Vec<f32>);

/// The network in `weights`, the state dict of a `torchaudio.models.RNNT`, and, where there is one, of a linear layer
/// `ctc` beside it. Without statistics features stay as they are. `file` is named in errors.
///
/// # Errors
/// [`CheckpointError`] where a tensor is missing, has another shape than `config` asks for or is not finite, or
/// `config` is not sound.
pub fn from_state_dict(
    weights: Weights,
    config: Config,
    statistics: Option<Statistics>,
    file: &Path,
) -> Result<EmformerWeights, CheckpointError> {
    let damaged =
        |problem: &str| CheckpointError::Damaged { file: file.to_path_buf(), problem: problem.to_owned() };
    config.check().map_err(|fault| damaged(&fault.to_string()))?;
    let (mean, inverse_deviation) =
        statistics.unwrap_or_else(|| (vec![0.0; config.input_dim], vec![1.0; config.input_dim]));
    if mean.len() != config.input_dim || inverse_deviation.len() != config.input_dim {
        let (what, expected, found) =
            ("the number of features in the statistics", config.input_dim, mean.len());
        return Err(CheckpointError::Size { file: file.to_path_buf(), what, expected, found });
    }
    if mean.iter().chain(&inverse_deviation).any(|value| !value.is_finite()) {
        return Err(damaged("the statistics hold numbers that are not finite"));
    }
    let mut source = Source { weights, file: file.to_path_buf() };
    let (width, encoding) = (config.width(), config.encoding_dim);
    let layers = (0..config.transformer_num_layers).map(|layer| source.layer(layer, &config));
    let layers = layers.collect::<Result<_, _>>()?;
    let has_ctc = source.weights.get("ctc.weight").is_some();
    Ok(EmformerWeights {
        mean,
        inverse_deviation,
        input: source.matrix(
            "transcriber.input_linear",
            config.time_reduction_input_dim,
            config.input_dim,
        )?,
        layers,
        output: source.linear("transcriber.output_linear", encoding, width)?,
        output_norm: source.norm("transcriber.layer_norm", encoding, NORM_EPSILON)?,
        predictor: source.predictor(&config)?,
        joiner: source.linear("joiner.linear", config.num_symbols, encoding)?,
        ctc: has_ctc.then(|| source.linear("ctc", config.num_symbols, encoding)).transpose()?,
        config,
    })
}

struct Source {
    weights: Weights,
    file: PathBuf,
}

impl Source {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let (file, tensor) = (self.file.clone(), name.to_owned());
        let Some(found) = self.weights.remove(name) else {
            return Err(CheckpointError::Missing { file, tensor });
        };
        if found.shape() != shape {
            let (expected, found) = (shape.to_vec(), found.shape().to_vec());
            return Err(CheckpointError::Shape { file, tensor, expected, found });
        }
        let data = Tensor::into_data(found);
        if data.iter().any(|value| !value.is_finite()) {
            let problem = format!("tensor '{tensor}' holds numbers that are not finite");
            return Err(CheckpointError::Damaged { file, problem });
        }
        Ok(data)
    }

    fn matrix(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<LinearWeights, CheckpointError> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(LinearWeights { weight, bias: None, outputs, inputs })
    }

    fn linear(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<LinearWeights, CheckpointError> {
        let bias = Some(self.tensor(&format!("{name}.bias"), &[outputs])?);
        Ok(LinearWeights { bias, ..self.matrix(name, outputs, inputs)? })
    }

    fn norm(&mut self, name: &str, width: usize, epsilon: f32) -> Result<NormWeights, CheckpointError> {
        let mut part = |part: &str| self.tensor(&format!("{name}.{part}"), &[width]);
        Ok(NormWeights { weight: part("weight")?, bias: part("bias")?, epsilon })
    }

    fn layer(&mut self, layer: usize, config: &Config) -> Result<LayerWeights, CheckpointError> {
        let (width, hidden) = (config.width(), config.transformer_ffn_dim);
        let name = |part: &str| format!("transcriber.transformer.emformer_layers.{layer}.{part}");
        Ok(LayerWeights {
            input_norm: self.norm(&name("layer_norm_input"), width, NORM_EPSILON)?,
            query: self.linear(&name("attention.emb_to_query"), width, width)?,
            key_value: self.linear(&name("attention.emb_to_key_value"), 2 * width, width)?,
            output: self.linear(&name("attention.out_proj"), width, width)?,
            mlp_norm: self.norm(&name("pos_ff.0"), width, NORM_EPSILON)?,
            up: self.linear(&name("pos_ff.1"), hidden, width)?,
            down: self.linear(&name("pos_ff.4"), width, hidden)?,
            output_norm: self.norm(&name("layer_norm_output"), width, NORM_EPSILON)?,
        })
    }

    fn predictor(&mut self, config: &Config) -> Result<PredictorWeights, CheckpointError> {
        let (size, hidden) = (config.symbol_embedding_dim, config.lstm_hidden());
        let lstm = (0..config.num_lstm_layers).map(|layer| self.lstm(layer, config));
        let lstm = lstm.collect::<Result<Vec<_>, _>>()?;
        let inputs = if lstm.is_empty() { config.stateless_context * size } else { hidden };
        Ok(PredictorWeights {
            embedding: self.matrix("predictor.embedding", config.num_symbols, size)?,
            input_norm: self.norm("predictor.input_layer_norm", size, NORM_EPSILON)?,
            lstm,
            linear: self.linear("predictor.linear", config.encoding_dim, inputs)?,
            output_norm: self.norm("predictor.output_layer_norm", config.encoding_dim, NORM_EPSILON)?,
        })
    }

    /// The two products of a layer as one, their matrices side by side.
    fn lstm(&mut self, layer: usize, config: &Config) -> Result<LstmWeights, CheckpointError> {
        let size = config.lstm_hidden();
        let inputs = if layer == 0 { config.symbol_embedding_dim } else { size };
        let name = |part: &str| format!("predictor.lstm_layers.{layer}.{part}");
        let hidden = self.matrix(&name("p2g"), 4 * size, size)?;
        let (input, norms) = if config.lstm_layer_norm {
            let epsilon = config.lstm_layer_norm_epsilon;
            let gates = self.norm(&name("g_norm"), 4 * size, epsilon)?;
            let cell = self.norm(&name("c_norm"), size, epsilon)?;
            (self.matrix(&name("x2g"), 4 * size, inputs)?, Some([gates, cell]))
        } else {
            (self.linear(&name("x2g"), 4 * size, inputs)?, None)
        };
        let rows = input.weight.chunks_exact(inputs).zip(hidden.weight.chunks_exact(size));
        let gates = LinearWeights {
            weight: rows.flat_map(|(input, hidden)| [input, hidden].concat()).collect(),
            bias: input.bias,
            outputs: 4 * size,
            inputs: inputs + size,
        };
        Ok(LstmWeights { gates, norms })
    }
}
