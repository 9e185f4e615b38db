//! The format chunk of Core Audio Format files.
//!
//! Layout after “Apple Core Audio Format Specification 1.0”.

use super::error::{Place, PlacedProblem, Problem, malformed};
use super::format::Format;
use super::sample::{Encoding, Number};
use super::source::Shape;

const IS_FLOAT: u32 = 1;
const IS_LITTLE_ENDIAN: u32 = 2;

/// Parses a desc chunk that begins at byte `at` of the file.
pub(super) fn parse_format(chunk: &[u8], at: u64) -> Result<Format, PlacedProblem> {
    let Some(fields) = chunk.first_chunk::<32>() else {
        return Err(malformed(at, format!("a desc chunk of {} bytes", chunk.len())));
    };
    let u32_at = |i: usize| u32::from_be_bytes([fields[i], fields[i + 1], fields[i + 2], fields[i + 3]]);
    let rate = f64::from_bits(u64::from(u32_at(0)) << 32 | u64::from(u32_at(4)));
    let [flags, packet_bytes, packet_frames, channels, bits] = [12, 16, 20, 24, 28].map(u32_at);
    let channels = usize::try_from(channels).unwrap_or(usize::MAX);
    let shape = Shape { sample_rate: rate.round() as u32, channels }.check(Place::Byte(at))?;
    let kind = &fields[8..12];
    let number = match (kind, flags & IS_FLOAT != 0, bits) {
        (b"lpcm", true, 32) => Some(Number::F32),
        (b"lpcm", true, 64) => Some(Number::F64),
        (b"lpcm", false, bits) => Number::signed(bits),
        (b"alaw", ..) => Some(Number::ALaw),
        (b"ulaw", ..) => Some(Number::MuLaw),
        _ => None,
    };
    let Some(number) = number else {
        let what = format!("CAF with {} of {bits} bits", codec_name(kind));
        return Err((Problem::Unsupported(what), Place::Byte(at)));
    };
    let format =
        Format { shape, encoding: Encoding { number, is_big_endian: flags & IS_LITTLE_ENDIAN == 0 } };
    if packet_frames != 1 || packet_bytes as usize != format.frame_bytes() {
        let what = format!(
            "the header says {packet_frames} frames in {packet_bytes} bytes, but {channels} channels of {bits} bits \
             make {} bytes",
            format.frame_bytes()
        );
        return Err(malformed(at + 16, what));
    }
    Ok(format)
}

fn codec_name(kind: &[u8]) -> String {
    match kind {
        b"lpcm" => "PCM".into(),
        b"aac " | b"aace" | b"aacf" | b"aacg" | b"aach" | b"aacl" | b"aacp" => "AAC".into(),
        b"alac" => "ALAC".into(),
        b"ima4" => "IMA ADPCM".into(),
        b"opus" => "Opus".into(),
        b"flac" => "FLAC".into(),
        b".mp1" | b".mp2" | b".mp3" => "MPEG audio".into(),
        b"ilbc" => "iLBC".into(),
        b"samr" | b"sawb" => "AMR".into(),
        b"ac-3" => "Dolby Digital (AC-3)".into(),
        b"agsm" => "GSM 6.10".into(),
        b"MAC3" | b"MAC6" => "MACE".into(),
        b"QDM2" => "QDesign Music".into(),
        other => format!("the format {:?}", other.escape_ascii().to_string()),
    }
}
