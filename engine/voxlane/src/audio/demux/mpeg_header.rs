//! The header of an MPEG audio frame (ISO/IEC 11172-3 and 13818-3, and MPEG 2.5).

use super::frames::FrameHeader;

/// Bytes of a header.
const HEADER_BYTES: usize = 4;

/// Layers of MPEG audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    One,
    Two,
    Three,
}

/// What a frame's first four bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MpegHeader {
    /// Whether it is MPEG 1, not 2 or 2.5.
    pub is_mpeg1: bool,
    pub layer: Layer,
    /// In Hz.
    pub sample_rate: u32,
    pub channels: usize,
    /// Of the whole frame, in bytes.
    pub length: usize,
}

/// Bit rates in kbit/s by the index in the header; index 0 is free format.
const RATES_1_L1: [u16; 15] = [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
const RATES_1_L2: [u16; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const RATES_1_L3: [u16; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const RATES_2_L1: [u16; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
const RATES_2_L23: [u16; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

impl MpegHeader {
    /// Sample frames in the frame.
    pub fn samples(&self) -> u64 {
        match (self.layer, self.is_mpeg1) {
            (Layer::One, _) => 384,
            (Layer::Three, false) => 576,
            _ => 1152,
        }
    }

    /// Where in a layer 3 frame its main data begins, which is where a Xing header lies.
    pub fn main_data(&self) -> usize {
        HEADER_BYTES
            + match (self.is_mpeg1, self.channels) {
                (true, 2) => 32,
                (false, 1) => 9,
                _ => 17,
            }
    }
}

impl FrameHeader for MpegHeader {
    const BYTES: usize = HEADER_BYTES;

    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[0xFF, b1, b2, b3] = bytes.get(..HEADER_BYTES)? else { return None };
        let is_mpeg1 = b1 >> 3 & 3 == 3;
        let rate_divisor = match (b1 >> 5, b1 >> 3 & 3) {
            (7, 3) => 1,
            (7, 2) => 2,
            (7, 0) => 4,
            _ => return None,
        };
        let (layer, rates) = match (b1 >> 1 & 3, is_mpeg1) {
            (3, true) => (Layer::One, RATES_1_L1),
            (3, false) => (Layer::One, RATES_2_L1),
            (2, true) => (Layer::Two, RATES_1_L2),
            (1, true) => (Layer::Three, RATES_1_L3),
            (2, false) => (Layer::Two, RATES_2_L23),
            (1, false) => (Layer::Three, RATES_2_L23),
            _ => return None,
        };
        let bit_rate = match *rates.get(usize::from(b2 >> 4))? {
            0 => return None,
            rate => usize::from(rate) * 1000,
        };
        let sample_rate = [44_100, 48_000, 32_000].get(usize::from(b2 >> 2 & 3))? / rate_divisor;
        let channels = if b3 >> 6 == 3 { 1 } else { 2 };
        // Layer 2 allows the low rates for one channel alone, and the high ones for two (MPEG 1).
        if layer == Layer::Two && is_mpeg1 {
            let allowed = match channels {
                1 => bit_rate <= 192_000,
                _ => bit_rate >= 64_000 && bit_rate != 80_000,
            };
            if !allowed {
                return None;
            }
        }
        let padding = usize::from(b2 >> 1 & 1);
        let length = match (layer, is_mpeg1) {
            (Layer::One, _) => (12 * bit_rate / sample_rate as usize + padding) * 4,
            (Layer::Three, false) => 72 * bit_rate / sample_rate as usize + padding,
            _ => 144 * bit_rate / sample_rate as usize + padding,
        };
        (length > HEADER_BYTES).then_some(MpegHeader { is_mpeg1, layer, sample_rate, channels, length })
    }

    fn length(&self) -> usize {
        self.length
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.is_mpeg1, self.layer, self.sample_rate) == (other.is_mpeg1, other.layer, other.sample_rate)
    }
}

/// Whether a header in free format begins here: a bit rate that the header does not state.
pub(super) fn is_free_format(bytes: &[u8]) -> bool {
    matches!(*bytes, [0xFF, b1, b2, _, ..]
        if b1 >> 5 == 7 && b1 >> 3 & 3 != 1 && b1 >> 1 & 3 != 0 && b2 >> 4 == 0 && b2 >> 2 & 3 != 3)
}
