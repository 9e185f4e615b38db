//! How uncompressed samples are stored, in files of any kind.

use super::block::Block;
use super::g711;
use super::pcm::I16_SCALE;

/// How one sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub number: Number,
    /// Whether the most significant byte comes first.
    pub is_big_endian: bool,
}

/// What kind of number a sample is. Integers of fewer bits are stored in the upper bits of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    U8,
    S8,
    S16,
    S24,
    S32,
    F32,
    F64,
    ALaw,
    MuLaw,
}

impl Number {
    /// Bytes of one sample.
    pub(super) fn bytes(self) -> usize {
        match self {
            Number::U8 | Number::S8 | Number::ALaw | Number::MuLaw => 1,
            Number::S16 => 2,
            Number::S24 => 3,
            Number::S32 | Number::F32 => 4,
            Number::F64 => 8,
        }
    }

    /// The signed integer of so many bits, 1 … 32.
    pub(super) fn signed(bits: u32) -> Option<Number> {
        match bits {
            1..=8 => Some(Number::S8),
            9..=16 => Some(Number::S16),
            17..=24 => Some(Number::S24),
            25..=32 => Some(Number::S32),
            _ => None,
        }
    }
}

/// Decoded samples, in buffers that are used again.
#[derive(Default)]
pub(super) struct Decoded {
    exact: Vec<i16>,
    float: Vec<f32>,
}

impl Decoded {
    /// Decodes whole samples: bit-exact as 16 bits where they fit, else with full scale ±1.0.
    pub(super) fn decode(&mut self, bytes: &[u8], encoding: Encoding) -> Block<'_> {
        const I32_SCALE: f32 = 2_147_483_648.0;
        let Encoding { number, is_big_endian: is_big } = encoding;
        match number {
            Number::U8 => self.exact(bytes, is_big, |[b]| (i16::from(b) - 128) << 8),
            Number::S8 => self.exact(bytes, is_big, |[b]| i16::from_le_bytes([0, b])),
            Number::S16 => self.exact(bytes, is_big, i16::from_le_bytes),
            Number::ALaw => self.exact(bytes, is_big, |[b]| g711::a_law(b)),
            Number::MuLaw => self.exact(bytes, is_big, |[b]| g711::mu_law(b)),
            Number::S24 => {
                self.float(bytes, is_big, |[a, b, c]| i32::from_le_bytes([0, a, b, c]) as f32 / I32_SCALE)
            }
            Number::S32 => self.float(bytes, is_big, |b| i32::from_le_bytes(b) as f32 / I32_SCALE),
            Number::F32 => self.float(bytes, is_big, f32::from_le_bytes),
            Number::F64 => self.float(bytes, is_big, |b| f64::from_le_bytes(b) as f32),
        }
    }

    fn exact<const N: usize>(&mut self, bytes: &[u8], is_big: bool, value: fn([u8; N]) -> i16) -> Block<'_> {
        self.exact.clear();
        self.exact.extend(little_endian(bytes, is_big).map(value));
        Block::I16(&self.exact)
    }

    fn float<const N: usize>(&mut self, bytes: &[u8], is_big: bool, value: fn([u8; N]) -> f32) -> Block<'_> {
        self.float.clear();
        self.float.extend(little_endian(bytes, is_big).map(value));
        Block::F32(&self.float)
    }
}

/// The bytes of each sample, the least significant first.
fn little_endian<const N: usize>(bytes: &[u8], is_big: bool) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().map(move |&sample| {
        let mut sample = sample;
        if is_big {
            sample.reverse();
        }
        sample
    })
}

/// Whether whole frames behind the end of the audio are more of it, and neither text nor what encrypted, compressed
/// or executable bytes are: neighboring samples of a channel of speech are alike, those of noise at full level are
/// not.
pub(super) fn is_audio(bytes: &[u8], encoding: Encoding, channels: usize) -> bool {
    /// Noise of fewer samples may look like anything.
    const FEWEST: usize = 32;
    /// The power (of full scale 1) from which noise is no audio: -20 dB.
    const NOISE: f64 = 0.01;
    /// Sound beyond full scale was decoded from other bytes.
    const FULL_SCALE: f64 = 1.5;
    let is_text = bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t'));
    let mut decoded = Decoded::default();
    let samples: Vec<f64> = match decoded.decode(bytes, encoding) {
        Block::I16(samples) => samples.iter().map(|&s| f64::from(s) / f64::from(I16_SCALE)).collect(),
        Block::F32(samples) => samples.iter().map(|&s| f64::from(s)).collect(),
    };
    if samples.len() < FEWEST || is_text || !samples.iter().all(|s| s.abs() <= FULL_SCALE) {
        return false;
    }
    let power = samples.iter().map(|s| s * s).sum::<f64>() / samples.len() as f64;
    let next = samples.iter().skip(channels);
    let steps = samples.iter().zip(next).map(|(one, next)| (next - one).powi(2)).sum::<f64>();
    let steps = steps / samples.len().saturating_sub(channels).max(1) as f64;
    // Twice the power in white noise, less in speech.
    power < NOISE || steps < power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], number: Number, is_big_endian: bool) -> Vec<f32> {
        match Decoded::default().decode(bytes, Encoding { number, is_big_endian }) {
            Block::I16(samples) => samples.iter().map(|&s| f32::from(s) / I16_SCALE).collect(),
            Block::F32(samples) => samples.to_vec(),
        }
    }

    #[test]
    fn every_number_has_its_value_in_both_byte_orders() {
        let cases: [(Number, &[u8]); 6] = [
            (Number::S8, &[0x40]),
            (Number::S16, &[0x40, 0]),
            (Number::S24, &[0x40, 0, 0]),
            (Number::S32, &[0x40, 0, 0, 0]),
            (Number::F32, &0.5f32.to_be_bytes()),
            (Number::F64, &0.5f64.to_be_bytes()),
        ];
        for (number, big) in cases {
            let mut little = big.to_vec();
            little.reverse();
            assert_eq!(decoded(big, number, true), [0.5], "{number:?}");
            assert_eq!(decoded(&little, number, false), [0.5], "{number:?}");
        }
        assert_eq!(decoded(&[0, 128, 192], Number::U8, false), [-1.0, 0.0, 0.5]);
    }

    #[test]
    fn speech_is_told_from_other_bytes() {
        let s16 = Encoding { number: Number::S16, is_big_endian: false };
        let tone = |level: f64| -> Vec<u8> {
            let sample = |i: i32| (level * (f64::from(i) * 0.3).sin()) as i16;
            (0..2000).flat_map(|i| sample(i).to_le_bytes()).collect()
        };
        let noise: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert!(is_audio(&tone(20_000.0), s16, 1) && is_audio(&tone(20.0), s16, 1));
        assert!(!is_audio(&noise, s16, 1));
        assert!(!is_audio(&b"<xmp>some text</xmp>\n".repeat(100), s16, 1));
        assert!(!is_audio(&tone(20_000.0)[..20], s16, 1));
    }
}
