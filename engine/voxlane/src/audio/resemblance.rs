//! What bytes without a header resemble, if not the samples that they are read as.
//!
//! Neighboring samples of a recording are alike. Read in another format they jump: the bytes are loud noise in the
//! format that was expected, and smooth in the right one. `engine/voxlane/tests/raw_audio.rs` counts on 25 clips,
//! as they are, at full scale, overdriven by 18 dB, at -50 dB, noisy, aliased to 8 kHz, differentiated and cut to 8
//! bits: of 800 streams one resembles something else, an overdriven one in A-law.

use super::block::Block;
use super::pcm::{I16_SCALE, MAX_AMPLITUDE};
use super::sample::{Decoded, Encoding, Number};

/// Samples of one channel that are judged together.
const WINDOW_SAMPLES: usize = 4096;

/// The fewest that can be judged.
const MIN_SAMPLES: usize = 256;

/// How many windows are judged: half a minute of 16 kHz.
const MAX_WINDOWS: usize = 120;

/// How many windows must resemble something else.
const CERTAIN_WINDOWS: usize = 2;

/// The root mean square of the steps between neighbors, in relation to full scale, up to which a signal is no
/// noise. Of recordings at their own level, 99 % are below 0.12, the loudest fricatives reach 0.26.
const MIN_STEP: f64 = 0.06;

/// How much smaller the steps must be in another format, and how much smoother the signal.
const STEP_RATIO: f64 = 3.0;
const SMOOTHNESS_RATIO: f64 = 2.0;

/// The size of a float, in relation to full scale, below which it is no sound.
const INAUDIBLE: f64 = 1e-9;

const F32LE: Encoding = Encoding { number: Number::F32, is_big_endian: false };

/// What bytes resemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resemblance {
    S16Le,
    S16Be,
    /// `S16Le`, but the first byte is the second half of a sample.
    S16LeShifted,
    S24Le,
    S32Le,
    U8,
    S8,
    F32Le,
    F32Be,
    F64Le,
    MuLaw,
    ALaw,
    Text,
    Noise,
}

impl Resemblance {
    /// What a reader of warnings knows it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Resemblance::S16Le => "16-bit samples (s16le)",
            Resemblance::S16Be => "16-bit samples of the other byte order (s16be)",
            Resemblance::S16LeShifted => "16-bit samples that begin in the middle of one",
            Resemblance::S24Le => "24-bit samples (s24le)",
            Resemblance::S32Le => "32-bit integer samples (s32le)",
            Resemblance::U8 => "unsigned 8-bit samples (u8)",
            Resemblance::S8 => "signed 8-bit samples (s8)",
            Resemblance::F32Le => "32-bit float samples (f32le)",
            Resemblance::F32Be => "32-bit float samples of the other byte order (f32be)",
            Resemblance::F64Le => "64-bit float samples (f64le)",
            Resemblance::MuLaw => "µ-law samples (mulaw)",
            Resemblance::ALaw => "A-law samples (alaw)",
            Resemblance::Text => "text",
            Resemblance::Noise => "compressed or encrypted data, or noise",
        }
    }

    /// How to decode it, and from which byte on; nothing if it is no audio.
    fn layout(self) -> Option<(Encoding, usize)> {
        let (number, is_big_endian, skipped) = match self {
            Resemblance::S16Le => (Number::S16, false, 0),
            Resemblance::S16Be => (Number::S16, true, 0),
            Resemblance::S16LeShifted => (Number::S16, false, 1),
            Resemblance::S24Le => (Number::S24, false, 0),
            Resemblance::S32Le => (Number::S32, false, 0),
            Resemblance::U8 => (Number::U8, false, 0),
            Resemblance::S8 => (Number::S8, false, 0),
            Resemblance::F32Le => (Number::F32, false, 0),
            Resemblance::F32Be => (Number::F32, true, 0),
            Resemblance::F64Le => (Number::F64, false, 0),
            Resemblance::MuLaw => (Number::MuLaw, false, 0),
            Resemblance::ALaw => (Number::ALaw, false, 0),
            Resemblance::Text | Resemblance::Noise => return None,
        };
        Some((Encoding { number, is_big_endian }, skipped))
    }
}

/// Integers that a signal may be read as by mistake. `S32Le` has a test of its own.
const INTEGERS: [Resemblance; 8] = [
    Resemblance::S16Le,
    Resemblance::S16Be,
    Resemblance::S16LeShifted,
    Resemblance::S24Le,
    Resemblance::MuLaw,
    Resemblance::ALaw,
    Resemblance::U8,
    Resemblance::S8,
];

const FLOATS: [Resemblance; 3] = [Resemblance::F32Le, Resemblance::F32Be, Resemblance::F64Le];

/// Watches the beginning of a stream of bytes.
pub(super) struct Judge {
    expected: Resemblance,
    channels: usize,
    window: Vec<u8>,
    window_bytes: usize,
    judged: usize,
    /// What windows resembled, apart from the expected.
    found: Vec<Resemblance>,
    is_done: bool,
}

impl Judge {
    /// For `channels` of what is `expected`.
    pub(super) fn new(expected: Resemblance, channels: usize) -> Self {
        let bytes = expected.layout().map_or(1, |(encoding, _)| encoding.number.bytes());
        let window_bytes = WINDOW_SAMPLES * bytes * channels;
        Judge {
            expected,
            channels,
            window: Vec::new(),
            window_bytes,
            judged: 0,
            found: Vec::new(),
            is_done: false,
        }
    }

    /// Takes the next bytes. Says once what they resemble, as soon as it is certain that it is not the expected.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Option<Resemblance> {
        while !self.is_done && !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(self.window_bytes - self.window.len()));
            self.window.extend_from_slice(part);
            bytes = rest;
            if self.window.len() == self.window_bytes {
                self.judge();
                let latest = self.found.last().copied();
                if self.found.len() >= CERTAIN_WINDOWS || latest == Some(Resemblance::Text) {
                    self.is_done = true;
                    return latest;
                }
                self.is_done = self.judged >= MAX_WINDOWS;
            }
        }
        None
    }

    /// Nothing follows: a short stream is judged by what there is.
    pub(super) fn finish(&mut self) -> Option<Resemblance> {
        if self.is_done {
            return None;
        }
        self.is_done = true;
        let is_short = self.judged < CERTAIN_WINDOWS;
        self.judge();
        is_short.then(|| self.found.last().copied()).flatten()
    }

    fn judge(&mut self) {
        let found = resemblance(&self.window, self.expected, self.channels);
        self.found.extend(found);
        self.judged += 1;
        self.window.clear();
    }
}

/// What `bytes` resemble, if that is not what is expected.
fn resemblance(bytes: &[u8], expected: Resemblance, channels: usize) -> Option<Resemblance> {
    if is_text(bytes) {
        return Some(Resemblance::Text);
    }
    let is_float = expected == Resemblance::F32Le;
    let is_refused = is_float && !is_bounded(&decode(bytes, F32LE, 1));
    if is_float && !is_refused && !is_tiny(bytes) {
        return None;
    }
    let mut floats = FLOATS.into_iter().filter(|&other| other != expected);
    if let Some(float) = floats.find(|&other| has_float_levels(bytes, other)) {
        return Some(float);
    }
    let signal = match Signal::of(bytes, expected, channels) {
        // Floats of any size at all have no steps to compare with.
        _ if is_float => Signal { roughness: 1.0, level: f64::INFINITY },
        Some(signal) if signal.step() > MIN_STEP => signal,
        _ => return None,
    };
    let others = INTEGERS.into_iter().filter(|&other| other != expected);
    let smoother = others.filter_map(|other| {
        let found = Signal::of(bytes, other, channels)?;
        let is_smoother = found.step() * STEP_RATIO < signal.step()
            && found.roughness * SMOOTHNESS_RATIO < signal.roughness.min(1.0);
        (is_smoother && (2e-4..0.7).contains(&found.level)).then_some((found.step(), other))
    });
    if let Some((_, other)) = smoother.min_by(|(one, _), (two, _)| one.total_cmp(two)) {
        return Some(other);
    }
    let is_noise = match expected {
        Resemblance::S16Le if is_s32(bytes) => return Some(Resemblance::S32Le),
        Resemblance::S16Le => signal.roughness > 0.7 && signal.level > 0.45 && entropy(bytes) > 7.0,
        Resemblance::F32Le => is_refused,
        _ => signal.roughness > 0.7 && entropy(bytes) > 7.8,
    };
    is_noise.then_some(Resemblance::Noise)
}

/// What a format makes of bytes, apart from their constant part.
#[derive(Clone, Copy, Debug)]
struct Signal {
    /// The power of the steps between neighbors, in relation to that of uncorrelated samples: 0 is smooth, 1 noise.
    roughness: f64,
    /// The root mean square.
    level: f64,
}

impl Signal {
    /// Of the first channel; nothing if it is too short, constant or no audio.
    fn of(bytes: &[u8], format: Resemblance, channels: usize) -> Option<Signal> {
        let (encoding, skipped) = format.layout()?;
        let samples = decode(bytes.get(skipped..)?, encoding, channels);
        is_bounded(&samples).then(|| Signal::measure(&samples)).flatten()
    }

    fn measure(samples: &[f64]) -> Option<Signal> {
        if samples.len() < MIN_SAMPLES {
            return None;
        }
        let count = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / count;
        let power = samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>();
        let steps = samples.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f64>();
        (power > 0.0).then(|| Signal { roughness: steps / (2.0 * power), level: (power / count).sqrt() })
    }

    /// The root mean square of the steps between neighbors.
    fn step(self) -> f64 {
        self.level * (2.0 * self.roughness).sqrt()
    }
}

fn decode(bytes: &[u8], encoding: Encoding, channels: usize) -> Vec<f64> {
    match Decoded::default().decode(bytes, encoding) {
        Block::I16(samples) => {
            samples.iter().step_by(channels).map(|&s| f64::from(s) / f64::from(I16_SCALE)).collect()
        }
        Block::F32(samples) => samples.iter().step_by(channels).map(|&s| f64::from(s)).collect(),
    }
}

/// Whether all samples are such as a reader takes.
fn is_bounded(samples: &[f64]) -> bool {
    samples.iter().all(|sample| sample.abs() <= f64::from(MAX_AMPLITUDE))
}

/// Whether most floats are far below anything audible, but not silent.
fn is_tiny(bytes: &[u8]) -> bool {
    let samples = decode(bytes, F32LE, 1);
    let sounding = samples.iter().filter(|&&sample| sample != 0.0).count();
    let tiny = samples.iter().filter(|&&sample| sample != 0.0 && sample.abs() < INAUDIBLE).count();
    sounding >= MIN_SAMPLES / 2 && tiny * 2 > sounding
}

/// Whether nearly all bytes are those of a text in ASCII, of which it uses a good part.
fn is_text(bytes: &[u8]) -> bool {
    let counts = counts(bytes);
    let printable: usize = (0..=255u8)
        .filter(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'))
        .map(|byte| counts[usize::from(byte)])
        .sum();
    let used = counts.iter().filter(|&&count| count > 0).count();
    bytes.len() >= MIN_SAMPLES && used >= 16 && printable * 100 > bytes.len() * 98
}

/// Whether bytes make floats of the size that samples have, which other bytes do by no accident.
fn has_float_levels(bytes: &[u8], format: Resemblance) -> bool {
    let Some((encoding, _)) = format.layout() else { return false };
    let samples = decode(bytes, encoding, 1);
    let sounding = samples.iter().filter(|&&sample| sample != 0.0).count();
    let plausible = samples.iter().filter(|sample| (INAUDIBLE..2.0).contains(&sample.abs())).count();
    let power = samples.iter().map(|sample| sample * sample).sum::<f64>();
    let is_audible = power > samples.len() as f64 * 1e-8;
    sounding >= MIN_SAMPLES / 2 && plausible * 1000 >= sounding * 999 && is_audible
}

/// Whether every other 16-bit sample is nothing, or nothing but noise at full level, and the others are not: lower
/// halves of longer integers.
fn is_s32(bytes: &[u8]) -> bool {
    let encoding = Encoding { number: Number::S16, is_big_endian: false };
    let samples = decode(bytes, encoding, 1);
    let half = |first: usize| samples.iter().copied().skip(first).step_by(2).collect::<Vec<_>>();
    let (lower, upper) = (half(0), half(1));
    let Some(upper) = Signal::measure(&upper).filter(|signal| (1e-4..0.4).contains(&signal.level)) else {
        return false;
    };
    let is_noise = |lower: Signal| lower.roughness > 0.85 && lower.level > 0.5;
    upper.roughness < 0.85
        && (lower.iter().all(|&sample| sample == 0.0) || Signal::measure(&lower).is_some_and(is_noise))
}

/// Bits of information in a byte: 8 if all are equally likely.
fn entropy(bytes: &[u8]) -> f64 {
    let shares = counts(bytes).map(|count| count as f64 / bytes.len() as f64);
    shares.iter().filter(|&&share| share > 0.0).map(|share| -share * share.log2()).sum()
}

fn counts(bytes: &[u8]) -> [usize; 256] {
    let mut counts = [0; 256];
    bytes.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voice-like tone with some noise.
    fn tone(samples: usize) -> Vec<f32> {
        let mut noise = 1u32;
        let sample = |i: usize| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let rest = (noise >> 16) as f32 / 65_536.0 - 0.5;
            0.2 * (i as f32 * 0.05).sin() + 0.1 * (i as f32 * 0.13).sin() + rest * 0.01
        };
        (0..samples).map(sample).collect()
    }

    fn bytes<const N: usize>(samples: &[f32], store: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
        samples.iter().flat_map(|&sample| store(sample)).collect()
    }

    fn judged(bytes: &[u8], expected: Resemblance) -> Option<Resemblance> {
        let mut judge = Judge::new(expected, 1);
        let found = bytes.chunks(777).find_map(|part| judge.push(part));
        found.or_else(|| judge.finish())
    }

    #[test]
    fn samples_in_another_format_are_named() {
        let tone = tone(40_000);
        let s16 = bytes(&tone, |s| ((s * 32_768.0) as i16).to_le_bytes());
        let cases = [
            (bytes(&tone, f32::to_le_bytes), Resemblance::F32Le),
            (bytes(&tone, f32::to_be_bytes), Resemblance::F32Be),
            (bytes(&tone, |s| f64::from(s).to_le_bytes()), Resemblance::F64Le),
            (bytes(&tone, |s| ((s * 32_768.0) as i16).to_be_bytes()), Resemblance::S16Be),
            (s16[1..].to_vec(), Resemblance::S16LeShifted),
            (bytes(&tone, |s| ((f64::from(s) * 2_147_483_648.0) as i32).to_le_bytes()), Resemblance::S32Le),
            (bytes(&tone, |s| [(s * 128.0 + 128.0) as u8]), Resemblance::U8),
        ];
        for (bytes, found) in cases {
            assert_eq!(judged(&bytes, Resemblance::S16Le), Some(found));
        }
        assert_eq!(judged(&s16, Resemblance::S16Le), None);
        assert_eq!(judged(&s16, Resemblance::MuLaw), Some(Resemblance::S16Le));
        assert_eq!(judged(&s16, Resemblance::ALaw), Some(Resemblance::S16Le));
        assert_eq!(judged(&s16, Resemblance::F32Le), Some(Resemblance::S16Le));
        assert_eq!(judged(&bytes(&tone, f32::to_le_bytes), Resemblance::F32Le), None);
    }

    #[test]
    fn text_and_compressed_data_are_named() {
        let text = "It was the best of times, it was the worst of times.\n".repeat(20);
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let random: Vec<u8> = (0..40_000).map(|_| random()).collect();
        for expected in [Resemblance::S16Le, Resemblance::F32Le, Resemblance::MuLaw, Resemblance::ALaw] {
            assert_eq!(judged(text.as_bytes(), expected), Some(Resemblance::Text), "{expected:?}");
            assert_eq!(judged(&random, expected), Some(Resemblance::Noise), "{expected:?}");
        }
    }

    #[test]
    fn silence_resembles_nothing() {
        for (byte, expected) in [
            (0, Resemblance::S16Le),
            (0, Resemblance::F32Le),
            (0xFF, Resemblance::MuLaw),
            (0x55, Resemblance::ALaw),
        ] {
            assert_eq!(judged(&[byte; 40_000], expected), None, "{expected:?}");
        }
    }
}
