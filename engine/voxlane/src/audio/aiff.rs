//! The format chunk of AIFF and AIFF-C files.
//!
//! Layout after Apple's “Audio Interchange File Format 1.3” and “AIFF-C draft 08/26/91”; the compression types
//! besides those of the draft are the ones that QuickTime and libsndfile write.

use super::error::{Place, PlacedProblem, Problem, malformed};
use super::format::Format;
use super::sample::{Encoding, Number};
use super::source::Shape;

/// Parses a COMM chunk that begins at byte `at` of the file.
pub(super) fn parse_format(chunk: &[u8], at: u64) -> Result<Format, PlacedProblem> {
    let Some(&[c0, c1, _, _, _, _, b0, b1, ref rate @ ..]) = chunk.first_chunk::<18>() else {
        return Err(malformed(at, format!("a COMM chunk of {} bytes", chunk.len())));
    };
    let channels = usize::from(u16::from_be_bytes([c0, c1]));
    let shape = Shape { sample_rate: extended(*rate), channels }.check(Place::Byte(at))?;
    let bits = u32::from(u16::from_be_bytes([b0, b1]));
    // Only AIFF-C says how samples are stored.
    let kind = chunk.get(18..22).unwrap_or(b"NONE");
    let number = match kind {
        b"NONE" | b"none" | b"twos" | b"sowt" => Number::signed(bits),
        b"in24" | b"IN24" | b"42ni" => Some(Number::S24),
        b"in32" | b"IN32" | b"23ni" => Some(Number::S32),
        b"raw " => (bits <= 8).then_some(Number::U8),
        b"fl32" | b"FL32" => Some(Number::F32),
        b"fl64" | b"FL64" => Some(Number::F64),
        b"alaw" | b"ALAW" => Some(Number::ALaw),
        b"ulaw" | b"ULAW" => Some(Number::MuLaw),
        _ => None,
    };
    let Some(number) = number else {
        let what = format!("AIFF with {} of {bits} bits", codec_name(kind));
        return Err((Problem::Unsupported(what), Place::Byte(at)));
    };
    let is_big_endian = !matches!(kind, b"sowt" | b"42ni" | b"23ni");
    Ok(Format { shape, encoding: Encoding { number, is_big_endian } })
}

fn codec_name(kind: &[u8]) -> String {
    match kind {
        b"NONE" | b"none" | b"twos" | b"sowt" | b"raw " => "PCM".into(),
        b"ima4" => "IMA ADPCM".into(),
        b"MAC3" | b"MAC6" => "MACE".into(),
        b"GSM " | b"agsm" => "GSM 6.10".into(),
        b"QDMC" | b"QDM2" => "QDesign Music".into(),
        b"Qclp" => "QCELP".into(),
        b".mp3" => "MP3".into(),
        other => format!("the compression {:?}", other.escape_ascii().to_string()),
    }
}

/// A sample rate as an 80-bit number (IEEE 754 extended), rounded to Hz; 0 for what is no rate.
fn extended([s0, s1, mantissa @ ..]: [u8; 10]) -> u32 {
    const BIAS: i32 = 16_383;
    const FRACTION_BITS: i32 = 63;
    let exponent = i32::from(u16::from_be_bytes([s0, s1])) - BIAS - FRACTION_BITS;
    let value = u64::from_be_bytes(mantissa) as f64 * f64::from(exponent).exp2();
    value.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_80_bits_have_their_value() {
        assert_eq!(extended([0x40, 0x0E, 0xAC, 0x44, 0, 0, 0, 0, 0, 0]), 44_100);
        assert_eq!(extended([0x40, 0x0C, 0xFA, 0, 0, 0, 0, 0, 0, 0]), 16_000);
        // The first Macintosh: 22,254.5454… Hz.
        assert_eq!(extended([0x40, 0x0D, 0xAD, 0xDD, 0x17, 0x45, 0xD1, 0x74, 0x5D, 0x17]), 22_255);
        // A negative number, infinity.
        assert_eq!(extended([0xC0, 0x0E, 0xAC, 0x44, 0, 0, 0, 0, 0, 0]), u32::MAX);
        assert_eq!(extended([0x7F, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0]), u32::MAX);
        assert_eq!(extended([0; 10]), 0);
    }
}
