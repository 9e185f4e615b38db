//! What travels between the parts of a network: the names of tensors on the device.

use burn_tensor::Tensor;
use burn_tensor::backend::Backend;

/// The hidden frames of one segment, on the device, followed by padding.
#[derive(Clone, Debug)]
pub struct BurnSpan<B: Backend> {
    /// `padded frames × hidden`; None for a segment too short to say anything.
    pub(crate) hidden: Option<Tensor<B, 2>>,
    /// Frames that are not padding.
    pub(crate) frames: usize,
    /// Samples that the frames were made from.
    pub(crate) samples: usize,
    /// The decoder's place of the pass over it.
    pub(crate) place: Option<usize>,
}

impl<B: Backend> BurnSpan<B> {
    /// A span without frames.
    pub(crate) fn empty() -> Self {
        BurnSpan { hidden: None, frames: 0, samples: 0, place: None }
    }

    /// Hidden frames in it; zero for a segment too short to say anything.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Waits until the device has made the frames, by reading one number of them: for measurements.
    pub fn wait(&self) {
        if let Some(hidden) = &self.hidden {
            hidden.clone().slice([0..1, 0..1]).into_data();
        }
    }

    /// The hidden frames, one row of channels each, without padding. Waits for the device: for tests.
    pub fn hidden(&self) -> Vec<f32> {
        let Some(hidden) = &self.hidden else { return Vec::new() };
        let [_, width] = hidden.dims();
        let frames = hidden.clone().slice([0..self.frames, 0..width]);
        frames.into_data().convert::<f32>().into_vec().unwrap_or_default()
    }
}
