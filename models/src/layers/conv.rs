//! Convolutions over time, without padding or dilation.

use super::linear::LinearWeights;
use crate::formats::packed::packed_fields;

/// A convolution's matrix and geometry.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvWeights {
    /// `outputs × (kernel · input channels)`: element `[output][k][channel]`.
    pub linear: LinearWeights,
    /// Frames that one output sees.
    pub kernel: usize,
    /// Frames from one output to the next.
    pub stride: usize,
}

/// A convolution's geometry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Input frames that one output frame sees.
    pub kernel: usize,
    /// Input frames from one output frame to the next.
    pub stride: usize,
}

packed_fields!(Window { kernel, stride });

impl Window {
    /// How many output frames `inputs` input frames give.
    pub fn outputs(self, inputs: usize) -> usize {
        if inputs < self.kernel { 0 } else { (inputs - self.kernel) / self.stride + 1 }
    }

    /// How many input frames `outputs` output frames see. None for none.
    pub fn inputs(self, outputs: usize) -> usize {
        if outputs == 0 { 0 } else { (outputs - 1) * self.stride + self.kernel }
    }
}

impl From<&ConvWeights> for Window {
    fn from(conv: &ConvWeights) -> Self {
        Window { kernel: conv.kernel, stride: conv.stride }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_count_frames_both_ways() {
        let window = Window { kernel: 7, stride: 3 };
        for outputs in 0..20 {
            assert_eq!(window.outputs(window.inputs(outputs)), outputs);
        }
        assert_eq!((window.outputs(6), window.outputs(9), window.outputs(10)), (0, 1, 2));
    }
}
