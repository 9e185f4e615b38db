//! Opus by `opus-pure`, with what RFC 7845 puts around it: channel mapping and output gain.

use opus_pure::{ChannelLayout, OpusMSDecoder};

use super::error::Problem;

/// The rate that Opus is decoded at, in Hz.
pub(super) const RATE_HZ: u32 = 48_000;

/// The most sample frames in a packet: 120 ms.
const MAX_FRAMES: usize = 5760;

/// What OpusHead says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head<'a> {
    channels: usize,
    pre_skip: u64,
    /// In units of 1/256 dB.
    gain: i16,
    family: u8,
    /// Counts of streams, and which of their channels go where; empty for family 0.
    table: &'a [u8],
}

impl<'a> Head<'a> {
    /// Parses OpusHead as it stands in Ogg and Matroska (version 1) or in MP4 (version 0, big-endian).
    fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let fields = bytes.strip_prefix(b"OpusHead").and_then(|fields| fields.split_first_chunk::<11>());
        let Some((fields, table)) = fields else {
            return Err(Problem::Malformed("Opus: header too short".into()));
        };
        let &[version, channels, skip0, skip1, _, _, _, _, gain0, gain1, family] = fields;
        if version >> 4 != 0 {
            return Err(Problem::Unsupported(format!("Opus of version {version}")));
        }
        let (pre_skip, gain) = match version {
            0 => (u16::from_be_bytes([skip0, skip1]), i16::from_be_bytes([gain0, gain1])),
            _ => (u16::from_le_bytes([skip0, skip1]), i16::from_le_bytes([gain0, gain1])),
        };
        let table = if family == 0 { &[] } else { table };
        Ok(Head { channels: channels.into(), pre_skip: pre_skip.into(), gain, family, table })
    }

    /// Whether channels lie in the streams as they do in every file of this family.
    fn is_usual(&self, layout: &ChannelLayout) -> bool {
        let counts = [layout.nb_streams, layout.nb_coupled_streams];
        match self.table {
            [] => self.family == 0,
            [streams, coupled, mapping @ ..] => {
                counts == [usize::from(*streams), usize::from(*coupled)]
                    && mapping.get(..layout.mapping.len()) == Some(&layout.mapping)
            }
            _ => false,
        }
    }
}

/// A decoder of one Opus stream.
pub(super) struct Opus {
    decoder: OpusMSDecoder,
    pre_skip: u64,
    gain: f32,
}

impl Opus {
    /// A decoder for the stream with this OpusHead.
    ///
    /// # Errors
    /// [`Problem`] for a header that is damaged or not known.
    pub fn new(head: &[u8]) -> Result<Self, Problem> {
        let head = Head::parse(head)?;
        let Head { channels, pre_skip, gain, family, .. } = head;
        let unsupported =
            || Problem::Unsupported(format!("Opus with {channels} channels in mapping family {family}"));
        let decoder = OpusMSDecoder::new(RATE_HZ as i32, channels, family).map_err(|_| unsupported())?;
        if !head.is_usual(decoder.layout()) {
            return Err(Problem::Unsupported("Opus with an unusual order of channels".into()));
        }
        Ok(Opus { decoder, pre_skip, gain: 10f32.powf(f32::from(gain) / (20.0 * 256.0)) })
    }

    /// Channels of the stream.
    pub fn channels(&self) -> usize {
        self.decoder.channels()
    }

    /// Sample frames at the start that are no part of the recording.
    pub fn pre_skip(&self) -> u64 {
        self.pre_skip
    }

    /// Decodes a packet into interleaved samples.
    ///
    /// # Errors
    /// What is wrong with the packet.
    pub fn decode(&mut self, packet: &[u8], samples: &mut Vec<f32>) -> Result<(), String> {
        samples.clear();
        if packet.is_empty() {
            return Err("an empty packet".into());
        }
        let channels = self.channels();
        samples.resize(MAX_FRAMES * channels, 0.0);
        let decoded = self.decoder.decode(packet, MAX_FRAMES, samples);
        samples.truncate(decoded.as_ref().map_or(0, |frames| frames * channels));
        if self.gain != 1.0 {
            samples.iter_mut().for_each(|sample| *sample *= self.gain);
        }
        decoded.map(|_| ()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: u8, channels: u8, skip: [u8; 2], gain: [u8; 2], rest: &[u8]) -> Vec<u8> {
        [&b"OpusHead"[..], &[version, channels], &skip, &[0x80, 0xBB, 0, 0], &gain, rest].concat()
    }

    #[test]
    fn headers_of_ogg_and_mp4_say_the_same() {
        let ogg = head(1, 2, [0x38, 1], [0, 0xFF], &[0]);
        let mp4 = head(0, 2, [1, 0x38], [0xFF, 0], &[0]);
        let (ogg, mp4) = (Head::parse(&ogg).unwrap(), Head::parse(&mp4).unwrap());
        assert_eq!(ogg, mp4);
        assert_eq!((ogg.channels, ogg.pre_skip, ogg.gain, ogg.family), (2, 312, -256, 0));
        let surround = Opus::new(&head(1, 6, [0; 2], [0; 2], &[1, 4, 2, 0, 4, 1, 2, 3, 5])).unwrap();
        assert_eq!(surround.channels(), 6);
    }

    #[test]
    fn damaged_headers_are_refused() {
        for bytes in [
            head(1, 0, [0; 2], [0; 2], &[0]),
            head(1, 3, [0; 2], [0; 2], &[0]),
            head(1, 2, [0; 2], [0; 2], &[]),
            head(1, 6, [0; 2], [0; 2], &[1, 4, 2, 0, 4, 1]),
            head(1, 6, [0; 2], [0; 2], &[1, 6, 0, 0, 1, 2, 3, 4, 5]),
            head(1, 2, [0; 2], [0; 2], &[3]),
            head(16, 2, [0; 2], [0; 2], &[0]),
            b"OpusHead".to_vec(),
        ] {
            assert!(Opus::new(&bytes).is_err(), "{bytes:?}");
        }
    }
}
