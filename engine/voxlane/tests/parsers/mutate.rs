//! Reproducible damage to a file.

/// Values that lengths, sizes and counts go wrong with.
const EXTREME: [u64; 16] = [
    0,
    1,
    2,
    255,
    256,
    0x7FFF,
    0xFFFF,
    1 << 24,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    1 << 40,
    1 << 60,
    (1 << 61) + 36,
    i64::MAX as u64,
    u64::MAX,
];

/// What stands in the place of a number in a text.
const EXTREME_TEXT: [&str; 8] =
    ["0", "-1", "1e999", "nan", "4294967295", "9223372036854775807", "18446744073709551616", "[[[[0]]]]"];

/// Half of the changes fall into so many bytes at the start, where headers are.
const HEAD_BYTES: usize = 512;

/// Reproducible noise (a 64-bit linear congruential generator, upper bits).
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as usize % end.max(1)
    }

    fn place(&mut self, len: usize) -> usize {
        let end = if self.below(2) == 0 { len.min(HEAD_BYTES) } else { len };
        self.below(end)
    }
}

/// `seed` after one to four changes, some with pieces of `other`.
pub fn mutated(seed: &[u8], other: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=noise.below(4) {
        change(&mut bytes, other, noise);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], noise: &mut Noise) {
    let at = noise.place(bytes.len());
    let end = bytes.len().min(at + 1 + noise.below(64));
    match noise.below(9) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << noise.below(8),
        1 if !bytes.is_empty() => bytes[at] = noise.below(256) as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let added: Vec<u8> = (0..1 + noise.below(16)).map(|_| noise.below(256) as u8).collect();
            bytes.splice(at..at, added);
        }
        5 => {
            let piece = bytes[at..end].to_vec();
            let to = noise.place(bytes.len());
            bytes.splice(to..to, piece);
        }
        6 => {
            let from = noise.place(other.len());
            let to = other.len().min(from + 1 + noise.below(256));
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        7 => number(bytes, at, noise),
        _ => text(bytes, at, noise),
    }
}

/// Overwrites a number of 4 or 8 bytes, of either byte order.
fn number(bytes: &mut [u8], at: usize, noise: &mut Noise) {
    let value = EXTREME[noise.below(EXTREME.len())];
    let written = match noise.below(4) {
        0 => (value as u32).to_le_bytes().to_vec(),
        1 => (value as u32).to_be_bytes().to_vec(),
        2 => value.to_be_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    if let Some(place) = bytes.get_mut(at..at + written.len()) {
        place.copy_from_slice(&written);
    }
}

/// Puts another number in the place of the next one that is written in digits.
fn text(bytes: &mut Vec<u8>, at: usize, noise: &mut Noise) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else {
        return;
    };
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = EXTREME_TEXT[noise.below(EXTREME_TEXT.len())];
    bytes.splice(start..start + digits, value.bytes());
}
