//! Lengths of frames in formats that have no header of the file: frames follow each other from the first byte on.

use super::demux::{AdtsHeader, FrameHeader as _, MpegHeader};

/// The length in bytes of an MPEG audio frame (ISO 11172-3, 13818-3) by its header.
pub(super) fn mpeg_frame(head: &[u8]) -> Option<usize> {
    MpegHeader::parse(head).map(|header| header.length())
}

/// The length in bytes of an ADTS frame (ISO 13818-7) by its header.
pub(super) fn adts_frame(head: &[u8]) -> Option<usize> {
    AdtsHeader::parse(head).map(|header| header.length())
}

/// The length in bytes of an AC-3 frame (ATSC A/52) by its header.
pub(super) fn ac3_frame(head: &[u8]) -> Option<usize> {
    const KBITS: [usize; 19] =
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let header = head.first_chunk::<6>()?;
    let (rate, size, version) = (header[4] >> 6, usize::from(header[4] & 63), header[5] >> 3);
    if header[..2] != [0x0B, 0x77] || version > 10 {
        return None;
    }
    let kbits = *KBITS.get(size / 2)?;
    match rate {
        0 => Some(kbits * 4),
        1 => Some((kbits * 320 / 147 + size % 2) * 2),
        2 => Some(kbits * 6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_length_of_the_standards() {
        // MPEG 1 layer III, 128 kbit/s at 44.1 kHz, without and with padding; MPEG 2, 64 kbit/s at 22.05 kHz.
        assert_eq!(mpeg_frame(b"\xFF\xFB\x90\x00"), Some(417));
        assert_eq!(mpeg_frame(b"\xFF\xFB\x92\x00"), Some(418));
        assert_eq!(mpeg_frame(b"\xFF\xF3\x80\x00"), Some(208));
        // MPEG 2.5 layer III, 8 kbit/s at 8 kHz; MPEG 1 layer II, 192 kbit/s at 48 kHz; layer I, 384 kbit/s.
        assert_eq!(mpeg_frame(b"\xFF\xE3\x18\x00"), Some(72));
        assert_eq!(mpeg_frame(b"\xFF\xFD\xA4\x00"), Some(576));
        assert_eq!(mpeg_frame(b"\xFF\xFF\xC4\x00"), Some(384));
        // Reserved version, layer, bit rate and sample rate.
        for header in [b"\xFF\xEB\x90\0", b"\xFF\xF9\x90\0", b"\xFF\xFB\xF0\0", b"\xFF\xFB\x9C\0"] {
            assert_eq!(mpeg_frame(header), None);
        }
        assert_eq!(adts_frame(b"\xFF\xF1\x50\x80\x2E\x7F\xFC"), Some(371));
        assert_eq!(ac3_frame(b"\x0B\x77\0\0\x1C\x40"), Some(1536));
        assert_eq!(ac3_frame(b"\x0B\x77\0\0\xDC\x40"), None);
    }
}
