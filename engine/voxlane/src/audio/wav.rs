//! The format chunk of WAV, RF64 and W64 files.
//!
//! Layout after Microsoft's “Multimedia Programming Interface and Data Specifications 1.0” (`WAVEFORMATEX`) and its
//! `WAVEFORMATEXTENSIBLE`.

use super::error::{Place, PlacedProblem, Problem, malformed};
use super::format::Format;
use super::sample::{Encoding, Number};
use super::source::Shape;

/// The tag that says that the format is given by a longer identifier.
const EXTENSIBLE: u16 = 0xFFFE;

/// That identifier behind its first two bytes, which are a tag as in other files.
const SUB_FORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// Parses a format chunk that begins at byte `at` of the file.
pub(super) fn parse_format(chunk: &[u8], at: u64, is_big_endian: bool) -> Result<Format, PlacedProblem> {
    let Some(fields) = chunk.first_chunk::<16>() else {
        return Err(malformed(at, format!("a fmt chunk of {} bytes", chunk.len())));
    };
    let u16_of =
        |bytes: [u8; 2]| if is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
    let u16_at = |i: usize| u16_of([fields[i], fields[i + 1]]);
    let rate = [fields[4], fields[5], fields[6], fields[7]];
    let sample_rate = if is_big_endian { u32::from_be_bytes(rate) } else { u32::from_le_bytes(rate) };
    let shape = Shape { sample_rate, channels: usize::from(u16_at(2)) }.check(Place::Byte(at))?;
    let (mut tag, bits) = (u16_at(0), u16_at(14));
    if tag == EXTENSIBLE {
        let id =
            chunk.get(24..40).ok_or_else(|| malformed(at, "an extensible format without its sub-format"))?;
        if id[2..] != SUB_FORMAT {
            let what = format!(
                "WAV with the sub-format {}",
                id.iter().map(|b| format!("{b:02X}")).collect::<String>()
            );
            return Err((Problem::Unsupported(what), Place::Byte(at)));
        }
        tag = u16_of([id[0], id[1]]);
    }
    let number = match (tag, bits) {
        (1, 8) => Number::U8,
        (1, 16) => Number::S16,
        (1, 24) => Number::S24,
        (1, 32) => Number::S32,
        (3, 32) => Number::F32,
        (3, 64) => Number::F64,
        (6, 8) => Number::ALaw,
        (7, 8) => Number::MuLaw,
        _ => {
            let what = format!("WAV with {} of {bits} bits (format tag {tag:#06x})", codec_name(tag));
            return Err((Problem::Unsupported(what), Place::Byte(at)));
        }
    };
    let format = Format { shape, encoding: Encoding { number, is_big_endian } };
    if usize::from(u16_at(12)) != format.frame_bytes() {
        let what = format!(
            "the header says {} bytes per sample frame, but {} channels of {bits} bits make {}",
            u16_at(12),
            shape.channels,
            format.frame_bytes()
        );
        return Err(malformed(at + 12, what));
    }
    Ok(format)
}

/// The names of format tags (RFC 2361 and Microsoft's `mmreg.h`).
fn codec_name(tag: u16) -> &'static str {
    match tag {
        0x0001 => "PCM",
        0x0002 => "Microsoft ADPCM",
        0x0003 => "floating-point PCM",
        0x0005 => "IBM CVSD",
        0x0006 => "A-law",
        0x0007 => "µ-law",
        0x0010 => "OKI ADPCM",
        0x0011 => "IMA ADPCM",
        0x0016 | 0x0040 | 0x0045 | 0x0064 | 0x0085 => "G.726 ADPCM",
        0x0014 | 0x0042 | 0x0111 => "G.723",
        0x0017 => "Dialogic ADPCM",
        0x0020 => "Yamaha ADPCM",
        0x0022 => "TrueSpeech",
        0x0031 => "GSM 6.10",
        0x0041 | 0x0083 => "G.729",
        0x0050 => "MPEG audio",
        0x0055 => "MP3",
        0x0065 | 0x028F => "G.722 ADPCM",
        0x0092 | 0x2000 => "Dolby Digital (AC-3)",
        0x00FF | 0x1600..=0x1610 | 0xA106 => "AAC",
        0x0130 => "ACELP.net",
        0x0160..=0x0163 => "Windows Media Audio",
        0x2001 => "DTS",
        0x566F | 0x674F..=0x6751 | 0x676F..=0x6771 => "Vorbis",
        0x704F => "Opus",
        0xA109 => "Speex",
        0xF1AC => "FLAC",
        _ => "an unknown codec",
    }
}
