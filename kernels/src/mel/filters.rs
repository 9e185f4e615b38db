//! Triangular filters on a mel scale.

/// How frequencies become mels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MelScale {
    /// `2595 log10(1 + f / 700)` (O'Shaughnessy 1987): torchaudio's default.
    Htk,
    /// Linear below 1 kHz, logarithmic above (Slaney 1998, Auditory Toolbox): librosa's default; Whisper, NeMo.
    Slaney,
}

impl MelScale {
    /// Where the Slaney scale becomes logarithmic, in Hz, and its slope below, in Hz for a mel.
    const BREAK_HZ: f64 = 1000.0;
    const HZ_PER_MEL: f64 = 200.0 / 3.0;

    /// The mels of a frequency in Hz.
    pub fn from_hz(self, hz: f64) -> f64 {
        match self {
            MelScale::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
            MelScale::Slaney if hz < Self::BREAK_HZ => hz / Self::HZ_PER_MEL,
            MelScale::Slaney => Self::BREAK_HZ / Self::HZ_PER_MEL + (hz / Self::BREAK_HZ).ln() / Self::step(),
        }
    }

    /// The frequency of a mel, in Hz.
    pub fn to_hz(self, mel: f64) -> f64 {
        let break_mel = Self::BREAK_HZ / Self::HZ_PER_MEL;
        match self {
            MelScale::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
            MelScale::Slaney if mel < break_mel => mel * Self::HZ_PER_MEL,
            MelScale::Slaney => Self::BREAK_HZ * ((mel - break_mel) * Self::step()).exp(),
        }
    }

    /// The logarithm of the ratio of neighboring mels above the break: 27 of them span a factor of 6.4.
    fn step() -> f64 {
        6.4f64.ln() / 27.0
    }
}

/// Where one filter lies in a spectrum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triangle {
    /// The first frequency with a weight.
    pub first_bin: usize,
    /// How many frequencies have one.
    pub bins: usize,
}

/// Filters whose corners are evenly spaced in mels, as librosa and torchaudio define them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilterBank {
    /// Samples a second.
    pub sample_rate: f64,
    /// Samples of the transform.
    pub size: usize,
    /// How many filters.
    pub mels: usize,
    /// Lowest corner, in Hz.
    pub min_hz: f64,
    /// Highest corner, in Hz.
    pub max_hz: f64,
    /// The scale.
    pub scale: MelScale,
    /// Whether each filter has the area of one Hz (librosa's and torchaudio's "slaney" norm) or a peak of one.
    pub unit_area: bool,
}

impl FilterBank {
    /// An upper bound of the number of weights: a frequency lies under two triangles at most.
    pub fn weights_len(&self) -> usize {
        2 * (self.size / 2 + 1)
    }

    /// Computes the filters in `f64` and returns how many of `weights` they use. A filter narrower than the
    /// spacing of the frequencies may be empty.
    ///
    /// # Panics
    /// If there are not `mels` triangles or `weights` is shorter than [`FilterBank::weights_len`].
    pub fn fill(&self, triangles: &mut [Triangle], weights: &mut [f32]) -> usize {
        self.each(triangles, weights.len(), |at, weight| weights[at] = weight as f32)
    }

    /// [`fill`](FilterBank::fill) without rounding the weights to `f32`.
    ///
    /// # Panics
    /// As for that.
    pub fn fill_double(&self, triangles: &mut [Triangle], weights: &mut [f64]) -> usize {
        self.each(triangles, weights.len(), |at, weight| weights[at] = weight)
    }

    fn each(&self, triangles: &mut [Triangle], room: usize, mut put: impl FnMut(usize, f64)) -> usize {
        assert_eq!(triangles.len(), self.mels, "one triangle for each filter");
        assert!(room >= self.weights_len(), "room for all weights");
        let (low, high) = (self.scale.from_hz(self.min_hz), self.scale.from_hz(self.max_hz));
        let corner = |i: usize| self.scale.to_hz(low + (high - low) * i as f64 / (self.mels + 1) as f64);
        let mut used = 0;
        for (m, triangle) in triangles.iter_mut().enumerate() {
            let [left, middle, right] = [m, m + 1, m + 2].map(corner);
            let height = if self.unit_area { 2.0 / (right - left) } else { 1.0 };
            *triangle = Triangle::default();
            for bin in 0..=self.size / 2 {
                let hz = bin as f64 * self.sample_rate / self.size as f64;
                let weight = ((hz - left) / (middle - left)).min((right - hz) / (right - middle));
                if weight > 0.0 {
                    if triangle.bins == 0 {
                        triangle.first_bin = bin;
                    }
                    triangle.bins += 1;
                    put(used, weight * height);
                    used += 1;
                }
            }
        }
        used
    }
}
