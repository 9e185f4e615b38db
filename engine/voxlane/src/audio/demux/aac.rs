//! What an AAC stream says about itself: the AudioSpecificConfig of MPEG-4 (ISO/IEC 14496-3).
//!
//! The decoder knows AAC-LC of one and two channels. HE-AAC is AAC-LC of half the rate with hints for the upper
//! half of the spectrum: its core is decoded, which keeps what speech needs.

use crate::audio::error::Problem;

/// Sample rates in Hz by index; index 15 is followed by the rate itself.
pub(crate) const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Object type of AAC-LC.
const LOW_COMPLEXITY: u8 = 2;

/// Object types of HE-AAC: spectral band replication, and parametric stereo on top.
const HIGH_EFFICIENCY: [u8; 2] = [5, 29];

/// The stream that the decoder gets: for HE-AAC its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// MPEG-4 audio object type.
    pub object: u8,
    /// In Hz.
    pub sample_rate: u32,
    /// 1 … 7; 0: stated inside the frames.
    pub channel_configuration: u8,
    /// Whether frames have 960 samples in place of 1,024.
    pub is_short: bool,
}

impl Config {
    /// Parses an AudioSpecificConfig.
    ///
    /// # Errors
    /// [`Problem::Malformed`] if it ends early.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        Self::fields(&mut Bits::new(bytes))
            .ok_or_else(|| Problem::Malformed("AAC: configuration too short".into()))
    }

    fn fields(bits: &mut Bits<'_>) -> Option<Self> {
        let mut object = object_type(bits)?;
        let sample_rate = rate(bits)?;
        let channel_configuration = bits.take(4)? as u8;
        if HIGH_EFFICIENCY.contains(&object) {
            rate(bits)?;
            object = object_type(bits)?;
        }
        let is_short = bits.take(1)? == 1;
        Some(Config { object, sample_rate, channel_configuration, is_short })
    }

    /// Channels, if they are stated.
    pub fn channels(&self) -> Option<usize> {
        match self.channel_configuration {
            0 => None,
            7 => Some(8),
            count => Some(usize::from(count)),
        }
    }

    /// The AudioSpecificConfig of an AAC-LC stream.
    ///
    /// # Errors
    /// [`Problem::Unsupported`] for what the decoder does not know, by its name.
    pub fn low_complexity(&self) -> Result<Box<[u8]>, Problem> {
        let name = match (self.object, self.channels()) {
            (LOW_COMPLEXITY, Some(1 | 2)) if !self.is_short => {
                let fields = u64::from(LOW_COMPLEXITY) << 59
                    | 15 << 55
                    | u64::from(self.sample_rate) << 31
                    | u64::from(self.channel_configuration) << 27;
                return Ok(Box::from(&fields.to_be_bytes()[..5]));
            }
            (LOW_COMPLEXITY, None) => "AAC with an unusual channel layout".into(),
            (LOW_COMPLEXITY, Some(1 | 2)) => "AAC with 960 samples a frame".into(),
            (LOW_COMPLEXITY, Some(channels)) => format!("AAC with {channels} channels"),
            (1, _) => "AAC Main".into(),
            (3, _) => "AAC SSR".into(),
            (4, _) => "AAC LTP".into(),
            (23, _) => "AAC-LD".into(),
            (39, _) => "AAC-ELD".into(),
            (42, _) => "xHE-AAC".into(),
            (object, _) => format!("MPEG-4 audio of object type {object}"),
        };
        Err(Problem::Unsupported(name))
    }
}

fn object_type(bits: &mut Bits<'_>) -> Option<u8> {
    Some(match bits.take(5)? as u8 {
        31 => 32 + bits.take(6)? as u8,
        object => object,
    })
}

fn rate(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.take(4)? {
        15 => bits.take(24),
        index => RATES.get(index as usize).copied(),
    }
}

/// Bits of a byte string, the highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0 }
    }

    /// The next `count` bits, at most 32.
    fn take(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |value, _| {
            let byte = self.bytes.get(self.at / 8)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(value << 1 | u32::from(bit))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_read_and_he_aac_becomes_its_core() {
        let lc = Config { object: 2, sample_rate: 44_100, channel_configuration: 2, is_short: false };
        assert_eq!(Config::parse(&[0x12, 0x10]).unwrap(), lc);
        // HE-AAC and HE-AAC v2, 24 kHz → 48 kHz, as common encoders write them.
        let core = Config { sample_rate: 24_000, ..lc };
        assert_eq!(Config::parse(&[0x2B, 0x11, 0x88, 0x00]).unwrap(), core);
        let core = Config { channel_configuration: 1, ..core };
        assert_eq!(Config::parse(&[0xEB, 0x09, 0x88, 0x00]).unwrap(), core);
        for config in [lc, core, Config { sample_rate: 12_345, ..lc }] {
            assert_eq!(Config::parse(&config.low_complexity().unwrap()).unwrap(), config);
        }
        assert!(Config::parse(&[0x12]).is_err());
    }

    #[test]
    fn what_the_decoder_does_not_know_is_refused_by_name() {
        let lc = Config { object: 2, sample_rate: 48_000, channel_configuration: 2, is_short: false };
        for (config, name) in [
            (Config { channel_configuration: 6, ..lc }, "AAC with 6 channels"),
            (Config { channel_configuration: 7, ..lc }, "AAC with 8 channels"),
            (Config { object: 42, ..lc }, "xHE-AAC"),
            (Config { object: 39, ..lc }, "AAC-ELD"),
            (Config { is_short: true, ..lc }, "AAC with 960 samples a frame"),
        ] {
            assert!(matches!(config.low_complexity(), Err(Problem::Unsupported(said)) if said == name));
        }
    }
}
