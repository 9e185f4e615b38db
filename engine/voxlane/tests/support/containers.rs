//! Writes WAV and its relatives, with any field made to lie.
#![allow(dead_code, reason = "each test uses some of it")]

/// A kind of file that holds uncompressed samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Wav,
    Rifx,
    Rf64,
    Bw64,
    W64,
    Aiff,
    Aifc,
    Caf,
}

/// All of them.
pub const CONTAINERS: [Container; 8] = [
    Container::Wav,
    Container::Rifx,
    Container::Rf64,
    Container::Bw64,
    Container::W64,
    Container::Aiff,
    Container::Aifc,
    Container::Caf,
];

/// How samples are stored: the kind of number, and whether the most significant byte comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(pub Number, pub bool);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
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
use Number::*;

const RIFF: [Encoding; 8] = [
    Encoding(S16, false),
    Encoding(U8, false),
    Encoding(S24, false),
    Encoding(F32, false),
    Encoding(S32, false),
    Encoding(F64, false),
    Encoding(ALaw, false),
    Encoding(MuLaw, false),
];
const RIFX: [Encoding; 3] = [Encoding(S16, true), Encoding(S24, true), Encoding(F32, true)];
const AIFF: [Encoding; 4] =
    [Encoding(S16, true), Encoding(S8, true), Encoding(S24, true), Encoding(S32, true)];
const AIFC: [Encoding; 12] = [
    Encoding(S16, false),
    Encoding(S16, true),
    Encoding(S8, true),
    Encoding(U8, true),
    Encoding(S24, true),
    Encoding(S24, false),
    Encoding(S32, true),
    Encoding(S32, false),
    Encoding(F32, true),
    Encoding(F64, true),
    Encoding(ALaw, true),
    Encoding(MuLaw, true),
];
const CAF: [Encoding; 13] = [
    Encoding(S16, true),
    Encoding(S16, false),
    Encoding(S8, true),
    Encoding(S24, true),
    Encoding(S24, false),
    Encoding(S32, true),
    Encoding(S32, false),
    Encoding(F32, true),
    Encoding(F32, false),
    Encoding(F64, true),
    Encoding(F64, false),
    Encoding(ALaw, true),
    Encoding(MuLaw, true),
];

impl Container {
    pub fn encodings(self) -> &'static [Encoding] {
        match self {
            Container::Rifx => &RIFX,
            Container::Aiff => &AIFF,
            Container::Aifc => &AIFC,
            Container::Caf => &CAF,
            _ => &RIFF,
        }
    }

    /// Lengths of the file and of its samples that writers leave who do not come back to fill them in.
    pub fn open_lengths(self) -> &'static [(Option<u64>, Option<u64>)] {
        const MAX32: Option<u64> = Some(u32::MAX as u64);
        const MAX31: Option<u64> = Some(i32::MAX as u64);
        match self {
            Container::Wav | Container::Rifx => &[
                (Some(0), Some(0)),
                (Some(36), Some(0)),
                (None, Some(0)),
                (MAX32, MAX32),
                (MAX32, Some(0)),
                (Some(0), MAX32),
                (MAX31, Some(i32::MAX as u64 - 36)),
                (None, Some(0x8000_0000)),
                (MAX32, Some(u32::MAX as u64 - 36)),
                (Some(4), Some(10_000_000)),
            ],
            Container::Rf64 | Container::Bw64 | Container::W64 => &[
                (Some(0), Some(0)),
                (Some(u64::MAX), Some(u64::MAX)),
                (None, Some(0)),
                (Some(24), Some(1 << 40)),
            ],
            Container::Aiff | Container::Aifc => &[
                (Some(0), Some(0)),
                (Some(46), Some(8)),
                (MAX32, MAX32),
                (MAX31, MAX31),
                (Some(4), Some(9_999_999)),
            ],
            Container::Caf => &[(None, Some(u64::MAX)), (None, Some(0)), (None, Some(i64::MAX as u64))],
        }
    }

    /// Some chunk of another kind.
    pub fn filler(self, size: usize) -> Vec<u8> {
        let body = vec![0x5A; size];
        match self {
            Container::W64 => w64_chunk(b"junk", &body, None),
            Container::Caf => caf_chunk(b"free", &body, None),
            Container::Aiff | Container::Aifc | Container::Rifx => big_chunk(b"ANNO", &body, None),
            _ => chunk(b"LIST", &body),
        }
    }

    /// A chunk of samples, whose length may lie.
    pub fn data_chunk(self, samples: &[u8], size: Option<u64>) -> Vec<u8> {
        match self {
            Container::W64 => w64_chunk(b"data", samples, size),
            Container::Caf => caf_chunk(b"data", &[&[0; 4], samples].concat(), size),
            Container::Aiff | Container::Aifc => big_chunk(b"SSND", &[&[0; 8], samples].concat(), size),
            Container::Rifx => big_chunk(b"data", samples, size),
            _ => sized(b"data", samples, size),
        }
    }
}

impl Encoding {
    /// The distance that a sample may have from what was written.
    pub fn step(self) -> f64 {
        match self.0 {
            U8 | S8 => 1.0 / 128.0,
            S16 => 1.0 / 32_768.0,
            S24 | S32 | F32 | F64 => 1e-6,
            ALaw | MuLaw => 0.02,
        }
    }

    pub fn bytes(self) -> usize {
        match self.0 {
            U8 | S8 | ALaw | MuLaw => 1,
            S16 => 2,
            S24 => 3,
            S32 | F32 => 4,
            F64 => 8,
        }
    }

    fn write(self, value: f64, out: &mut Vec<u8>) {
        let integer = |bits: u32| ((value * 2f64.powi(bits as i32 - 1)).round() as i32).to_le_bytes();
        let mut bytes = match self.0 {
            U8 => vec![(value * 128.0 + 128.0).round() as u8],
            S8 => integer(8)[..1].to_vec(),
            S16 => integer(16)[..2].to_vec(),
            S24 => integer(24)[..3].to_vec(),
            S32 => integer(32).to_vec(),
            F32 => (value as f32).to_le_bytes().to_vec(),
            F64 => value.to_le_bytes().to_vec(),
            ALaw => vec![a_law(value)],
            MuLaw => vec![mu_law(value)],
        };
        if self.1 {
            bytes.reverse();
        }
        out.extend(bytes);
    }
}

/// ITU-T G.711, from the definition of its segments.
fn a_law(value: f64) -> u8 {
    let magnitude = ((value.abs() * 4096.0) as u32).min(4095);
    let exponent = (magnitude >> 5).checked_ilog2().map_or(0, |log| log + 1);
    let mantissa = if exponent == 0 { magnitude >> 1 } else { magnitude >> exponent } & 15;
    let code = (exponent << 4 | mantissa) as u8;
    (if value < 0.0 { code } else { code | 0x80 }) ^ 0x55
}

fn mu_law(value: f64) -> u8 {
    let magnitude = ((value.abs() * 8192.0) as u32).min(8158) + 33;
    let exponent = magnitude.ilog2() - 5;
    let mantissa = (magnitude >> (exponent + 1)) & 15;
    let code = (exponent << 4 | mantissa) as u8;
    !(if value < 0.0 { code | 0x80 } else { code })
}

/// A RIFF chunk with its padding.
pub fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    sized(id, body, None)
}

fn sized(id: &[u8; 4], body: &[u8], size: Option<u64>) -> Vec<u8> {
    let size = size.unwrap_or(body.len() as u64) as u32;
    padded([&id[..], &size.to_le_bytes(), body].concat(), 2)
}

fn big_chunk(id: &[u8; 4], body: &[u8], size: Option<u64>) -> Vec<u8> {
    let size = size.unwrap_or(body.len() as u64) as u32;
    padded([&id[..], &size.to_be_bytes(), body].concat(), 2)
}

fn caf_chunk(id: &[u8; 4], body: &[u8], size: Option<u64>) -> Vec<u8> {
    [&id[..], &size.unwrap_or(body.len() as u64).to_be_bytes(), body].concat()
}

fn w64_chunk(id: &[u8; 4], body: &[u8], size: Option<u64>) -> Vec<u8> {
    let size = size.unwrap_or(body.len() as u64 + 24);
    padded([&id[..], W64_CHUNK, &size.to_le_bytes(), body].concat(), 8)
}

const W64_CHUNK: &[u8] = b"\xF3\xAC\xD3\x11\x8C\xD1\0\xC0\x4F\x8E\xDB\x8A";

fn padded(mut bytes: Vec<u8>, to: usize) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
    bytes
}

/// A file to be.
#[derive(Clone, Debug)]
pub struct Layout {
    pub container: Container,
    pub encoding: Encoding,
    pub channels: usize,
    pub rate: u32,
    /// The bytes of the samples.
    pub samples: Vec<u8>,
    /// The length of the whole as it is to be written; right unless given. Of RF64, the one in ds64.
    pub outer: Option<u64>,
    /// The length of the chunk of samples, likewise.
    pub data: Option<u64>,
    /// Chunks between the format and the samples, and bytes behind them.
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    /// Bytes of a WAV's format chunk: 16, 18 or 40.
    pub format_bytes: usize,
    /// A WAV's format tag, if it is to be another.
    pub tag: Option<u16>,
    /// Whether the format comes behind the samples.
    pub format_last: bool,
}

impl Layout {
    /// A flawless file with `values` on each of its channels.
    pub fn new(container: Container, encoding: Encoding, channels: usize, values: &[f64]) -> Layout {
        let mut samples = Vec::new();
        for &value in values {
            for _ in 0..channels {
                encoding.write(value, &mut samples);
            }
        }
        Layout {
            container,
            encoding,
            channels,
            rate: 16_000,
            samples,
            outer: None,
            data: None,
            before: Vec::new(),
            after: Vec::new(),
            format_bytes: 16,
            tag: None,
            format_last: false,
        }
    }

    /// A flawless file with channels of their own.
    pub fn of_channels(container: Container, encoding: Encoding, channels: &[&[f64]]) -> Layout {
        let mut layout = Layout::new(container, encoding, channels.len(), &[]);
        for i in 0..channels[0].len() {
            for channel in channels {
                encoding.write(channel[i], &mut layout.samples);
            }
        }
        layout
    }

    /// The true length of the whole, as the header would give it.
    pub fn whole_outer(&self) -> Option<u64> {
        let length = Layout { outer: None, ..self.clone() }.bytes().len() as u64;
        match self.container {
            Container::Caf => None,
            Container::W64 => Some(length),
            _ => Some(length - 8),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (format, mut data) = (self.format(), self.container.data_chunk(&self.samples, self.data));
        if !self.after.is_empty() {
            // Whatever stands behind the samples stands right there.
            data.truncate(self.container.data_chunk(&[], None).len() + self.samples.len());
        }
        let body = match self.format_last {
            true => [&self.before[..], &data, &self.after, &format],
            false => [&format[..], &self.before, &data, &self.after],
        }
        .concat();
        let outer = |head: usize| self.outer.unwrap_or((head + body.len()) as u64);
        let riff =
            |magic: &[u8; 4]| [&magic[..], &(outer(4) as u32).to_le_bytes(), b"WAVE", &body[..]].concat();
        let big = |magic: &[u8; 4], form: &[u8; 4]| {
            [&magic[..], &(outer(4) as u32).to_be_bytes(), form, &body[..]].concat()
        };
        match self.container {
            Container::Wav => riff(b"RIFF"),
            Container::Rifx => big(b"RIFX", b"WAVE"),
            Container::Aiff => big(b"FORM", b"AIFF"),
            Container::Aifc => big(b"FORM", b"AIFC"),
            Container::Caf => [b"caff\0\x01\0\0", &body[..]].concat(),
            Container::W64 => [
                b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\0\0",
                &outer(40).to_le_bytes()[..],
                b"wave",
                W64_CHUNK,
                &body,
            ]
            .concat(),
            Container::Rf64 | Container::Bw64 => {
                let magic: &[u8] = if self.container == Container::Rf64 { b"RF64" } else { b"BW64" };
                let size = self.data.unwrap_or(self.samples.len() as u64);
                let sizes = [outer(40), size, 0].map(u64::to_le_bytes).concat();
                let sizes = chunk(b"ds64", &[&sizes[..], &[0; 4]].concat());
                // The length in the data chunk itself only says that there is another.
                let (head, tail) = body.split_at(format.len() + self.before.len());
                let max = u32::MAX.to_le_bytes();
                [magic, &max, b"WAVE", &sizes, head, b"data", &max, &tail[8..]].concat()
            }
        }
    }

    fn format(&self) -> Vec<u8> {
        let (Encoding(number, is_big), bytes) = (self.encoding, self.encoding.bytes());
        let (channels, align, bits) =
            (self.channels as u16, (self.channels * bytes) as u16, (8 * bytes) as u16);
        match self.container {
            Container::Aiff | Container::Aifc => {
                let frames = (self.samples.len() / usize::from(align.max(1))) as u32;
                let mut body = channels.to_be_bytes().to_vec();
                body.extend(frames.to_be_bytes());
                body.extend(bits.to_be_bytes());
                // 80 bits: the rate shifted up to the first bit of a 64-bit fraction.
                let shift = (u64::from(self.rate)).leading_zeros();
                body.extend((16_383 + 63 - shift as u16).to_be_bytes());
                body.extend((u64::from(self.rate) << shift).to_be_bytes());
                if self.container == Container::Aifc {
                    let kind = match (number, is_big) {
                        (S16, false) => b"sowt",
                        (U8, _) => b"raw ",
                        (S24, false) => b"42ni",
                        (S32, false) => b"23ni",
                        (F32, _) => b"fl32",
                        (F64, _) => b"fl64",
                        (ALaw, _) => b"alaw",
                        (MuLaw, _) => b"ulaw",
                        _ => b"NONE",
                    };
                    body.extend(kind);
                    body.extend(b"\x04name\0");
                }
                big_chunk(b"COMM", &body, None)
            }
            Container::Caf => {
                let kind = match number {
                    ALaw => b"alaw",
                    MuLaw => b"ulaw",
                    _ => b"lpcm",
                };
                let flags = u32::from(matches!(number, F32 | F64)) | u32::from(!is_big) << 1;
                let mut body = f64::from(self.rate).to_be_bytes().to_vec();
                body.extend(kind);
                for field in [flags, u32::from(align), 1, u32::from(channels), u32::from(bits)] {
                    body.extend(field.to_be_bytes());
                }
                caf_chunk(b"desc", &body, None)
            }
            _ => self.wave_format(channels, align, bits),
        }
    }

    fn wave_format(&self, channels: u16, align: u16, bits: u16) -> Vec<u8> {
        let tag = self.tag.unwrap_or(match self.encoding.0 {
            F32 | F64 => 3,
            ALaw => 6,
            MuLaw => 7,
            _ => 1,
        });
        let is_extensible = self.format_bytes >= 40;
        let is_big = self.container == Container::Rifx;
        let mut body = Vec::new();
        let mut put = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            if is_big {
                bytes.reverse();
            }
            body.extend(bytes);
        };
        put(&(if is_extensible { 0xFFFE } else { tag }).to_le_bytes());
        put(&channels.to_le_bytes());
        put(&self.rate.to_le_bytes());
        put(&(self.rate * u32::from(align)).to_le_bytes());
        put(&align.to_le_bytes());
        put(&bits.to_le_bytes());
        if self.format_bytes >= 18 {
            put(&(self.format_bytes as u16 - 18).to_le_bytes());
        }
        if is_extensible {
            put(&bits.to_le_bytes());
            put(&4u32.to_le_bytes());
            put(&tag.to_le_bytes());
            body.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        }
        match self.container {
            Container::W64 => w64_chunk(b"fmt ", &body, None),
            Container::Rifx => big_chunk(b"fmt ", &body, None),
            _ => chunk(b"fmt ", &body),
        }
    }
}
