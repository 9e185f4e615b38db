//! Samples of a file: all of them, or the next.

/// The most channels that are mixed down.
pub const MAX_CHANNELS: usize = 64;

/// Samples in the format that holds their source exactly.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Samples of one channel of at most 16 bits, bit-exact.
    I16(Vec<i16>),
    /// Samples of everything else; full scale is ±1.0.
    F32(Vec<f32>),
}

impl Samples {
    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        match self {
            Samples::I16(samples) => samples.len(),
            Samples::F32(samples) => samples.len(),
        }
    }

    /// Returns whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The next samples of a file: of one format through the whole file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Block<'a> {
    /// Samples as in [`Samples::I16`].
    I16(&'a [i16]),
    /// Samples as in [`Samples::F32`].
    F32(&'a [f32]),
}

impl Block<'_> {
    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        match self {
            Block::I16(samples) => samples.len(),
            Block::F32(samples) => samples.len(),
        }
    }

    /// Returns whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
