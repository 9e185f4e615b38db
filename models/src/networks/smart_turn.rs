//! The numbers of a Smart Turn network (version 3), apart from any file format: a Whisper encoder of tiny width over the
//! last eight seconds of a turn, attention pooling, and a small classifier, everything between its layers rounded to bytes.

use crate::layers::norm::NormWeights;
use crate::layers::static_grid::{Grid, GridError, GridWeights, check_grid};

/// Samples of a look: eight seconds of 16 kHz.
pub const TURN_SAMPLES: usize = 128_000;
/// Frames of the log-mel spectrogram.
pub const FRAMES: usize = 800;
/// Filters of it.
pub const MELS: usize = 80;
/// Frames after the second convolution.
pub const POSITIONS: usize = FRAMES / 2;
/// Values of a frame in the encoder.
pub const WIDTH: usize = 384;
/// Heads of attention.
pub const HEADS: usize = 6;
/// Values of a head.
pub const HEAD_DIM: usize = WIDTH / HEADS;
/// Values between the two products of a layer's last part.
pub const INNER: usize = 1536;
/// Layers of the encoder.
pub const LAYERS: usize = 4;
/// Values that the weight of a frame is computed from.
pub const POOL: usize = 256;
/// Values between the products of the classifier.
pub const CLASSES: [usize; 2] = [256, 64];
/// Frames that an output of a convolution sees.
pub const KERNEL: usize = 3;

/// Log-mel → two convolutions with GELU → + positions → layers → norm → weighted mean over frames → classifier.
///
/// A product's [`from`](GridWeights::from) is what its inputs are rounded to, its [`to`](GridWeights::to) what its results
/// are rounded to before anything else is done with them.
#[derive(Clone, Debug, PartialEq)]
pub struct SmartTurnWeights {
    /// `[WIDTH][k][mel]` over three frames, one frame of zeros on either side, every frame. Then GELU.
    pub first: GridWeights,
    /// `[WIDTH][k][channel]`, likewise, every other frame. Then GELU.
    pub second: GridWeights,
    /// Added to the frames: `POSITIONS × WIDTH`.
    pub positions: Vec<f32>,
    /// One after the other.
    pub layers: Vec<LayerWeights>,
    /// Of the frames that are pooled.
    pub norm: NormWeights,
    /// The weight of a frame, before the softmax over all frames.
    pub pool: PoolWeights,
    /// The classifier over the pooled frame.
    pub classifier: ClassifierWeights,
}

/// A layer: norm, attention, residual; norm, two products with GELU between them, residual.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeights {
    /// Before attention.
    pub attention_norm: NormWeights,
    /// Queries.
    pub query: GridWeights,
    /// Added to them in `f32`.
    pub query_bias: Vec<f32>,
    /// Keys.
    pub key: GridWeights,
    /// What queries and keys are multiplied by.
    pub factors: [f32; 2],
    /// What queries and keys are rounded to then.
    pub multiplied: [Grid; 2],
    /// Values.
    pub value: GridWeights,
    /// Added to them in `f32`.
    pub value_bias: Vec<f32>,
    /// What values are rounded to then.
    pub values: Grid,
    /// Of products of queries and keys.
    pub scores: Grid,
    /// Of their softmax; its zero is the byte 0.
    pub weights: Grid,
    /// From what attention gives.
    pub output: GridWeights,
    /// Added to it in `f32`.
    pub output_bias: Vec<f32>,
    /// Before the last part.
    pub mlp_norm: NormWeights,
    /// Widens; then GELU.
    pub widen: GridWeights,
    /// Added before that in `f32`.
    pub widen_bias: Vec<f32>,
    /// Narrows.
    pub narrow: GridWeights,
    /// Added to it in `f32`.
    pub narrow_bias: Vec<f32>,
}

/// Frame → hyperbolic tangent → one number.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolWeights {
    /// Before the tangent.
    pub hidden: GridWeights,
    /// Added to it in `f32`.
    pub hidden_bias: Vec<f32>,
    /// The number.
    pub output: GridWeights,
    /// Added to it in `f32`.
    pub output_bias: f32,
}

/// Pooled frame → norm and GELU → GELU → one number, through the logistic function.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierWeights {
    /// Its products. Their biases are part of their sums.
    pub products: [GridWeights; 3],
    /// Between the first and its GELU.
    pub norm: NormWeights,
}

impl SmartTurnWeights {
    /// Whether every array has the length that the sizes of this module give, and every scale can be used.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self) -> Result<(), GridError> {
        self.first.check(WIDTH, KERNEL * MELS)?;
        self.second.check(WIDTH, KERNEL * WIDTH)?;
        expect("positions", POSITIONS * WIDTH, self.positions.len())?;
        expect("layers", LAYERS, self.layers.len())?;
        self.layers.iter().try_for_each(LayerWeights::check)?;
        check_norm(&self.norm, WIDTH)?;
        let PoolWeights { hidden, hidden_bias, output, output_bias: _ } = &self.pool;
        hidden.check(POOL, WIDTH)?;
        expect("bias", POOL, hidden_bias.len())?;
        output.check(1, POOL)?;
        let [first, second, third] = &self.classifier.products;
        first.check(CLASSES[0], WIDTH)?;
        check_norm(&self.classifier.norm, CLASSES[0])?;
        second.check(CLASSES[1], CLASSES[0])?;
        third.check(1, CLASSES[1])
    }
}

impl LayerWeights {
    fn check(&self) -> Result<(), GridError> {
        check_norm(&self.attention_norm, WIDTH)?;
        check_norm(&self.mlp_norm, WIDTH)?;
        let square = [
            (&self.query, &self.query_bias),
            (&self.value, &self.value_bias),
            (&self.output, &self.output_bias),
        ];
        for (product, bias) in square {
            product.check(WIDTH, WIDTH)?;
            expect("bias", WIDTH, bias.len())?;
        }
        self.key.check(WIDTH, WIDTH)?;
        self.widen.check(INNER, WIDTH)?;
        expect("bias", INNER, self.widen_bias.len())?;
        self.narrow.check(WIDTH, INNER)?;
        expect("bias", WIDTH, self.narrow_bias.len())?;
        for grid in [self.multiplied[0], self.multiplied[1], self.values, self.scores, self.weights] {
            check_grid(grid)?;
        }
        expect("the byte of a weight of zero", 0, self.weights.zero_point.into())
    }
}

fn check_norm(norm: &NormWeights, width: usize) -> Result<(), GridError> {
    expect("norm", width, norm.weight.len())?;
    expect("norm", width, norm.bias.len())?;
    if norm.epsilon.is_normal() && norm.epsilon > 0.0 { Ok(()) } else { Err(GridError::Scale(norm.epsilon)) }
}

fn expect(what: &'static str, expected: usize, found: usize) -> Result<(), GridError> {
    if expected == found { Ok(()) } else { Err(GridError::Length { what, expected, found }) }
}
