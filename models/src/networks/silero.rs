//! The numbers of a Silero network, apart from any file format.

use crate::layers::conv::ConvWeights;
use crate::layers::linear::LinearWeights;

/// Samples → spectrum → four convolutions over time → one recurrent layer → probability.
///
/// The convolutions see one frame of zeros before their input and one after it.
#[derive(Clone, Debug, PartialEq)]
pub struct SileroWeights {
    /// The short-time Fourier transform as a convolution over samples: cosines of all frequencies, then sines,
    /// each times the window. Without bias.
    pub spectrum: ConvWeights,
    /// Magnitudes → features; each is followed by ReLU.
    pub convs: [ConvWeights; 4],
    /// The four gates (input, forget, cell, output) of the recurrent layer: `4·size × 2·size`, from the features
    /// followed by the last hidden state.
    pub gates: LinearWeights,
    /// Hidden state, through ReLU → one output, followed by the logistic function.
    pub output: LinearWeights,
}
