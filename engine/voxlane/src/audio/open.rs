//! From the first bytes of a file to the reader of its format.

use super::codec::Codec;
use super::container::Container;
use super::demux::{Adts, Demuxer, Flac, Mpeg, Ogg};
use super::error::{Place, PlacedProblem, Problem};
use super::input::Input;
use super::kind::{Kind, recognize};
use super::source::Source;
use super::uncompressed::Uncompressed;
use super::warning::{Oddity, Warnings};

/// How much of a file is looked at to recognize it.
pub(super) const HEAD_BYTES: usize = 4096;

/// The fixed part of an ID3v2 tag.
const ID3_BYTES: usize = 10;

/// Recognizes a file by its content and reads its header.
pub(super) fn source(mut input: Input, warnings: &mut Warnings) -> Result<Box<dyn Source>, PlacedProblem> {
    while let Some(length) = id3_length(input.peek(ID3_BYTES)?) {
        // A length beyond the end is a lie: what follows may begin anywhere, and the codecs search for it.
        let left = input.length().map(|total| total.saturating_sub(input.at()));
        if left.is_some_and(|left| length >= left) {
            break;
        }
        if input.skip(length)? < length {
            return Err((Problem::Truncated("the file ends in its ID3 tag".into()), Place::Byte(input.at())));
        }
        input.start_here();
    }
    let head = input.peek(HEAD_BYTES)?;
    if let (None, Some(count)) = (recognize(head), find_wav(head)) {
        input.skip(count as u64)?;
        input.start_here();
    }
    let head = input.peek(HEAD_BYTES)?;
    match kind_of(head) {
        _ if head.is_empty() => Err((Problem::Empty, Place::File)),
        Some(Kind::Wav | Kind::Rf64 | Kind::Bw64 | Kind::W64 | Kind::Aiff | Kind::Caf) => {
            if input.at() > 0 {
                warnings.push(Oddity::BytesInFront(input.at()), Place::Byte(0));
            }
            Ok(Box::new(Uncompressed::open(input, warnings)?))
        }
        None if is_text(head) => Err((Problem::NotAudio("text".into()), Place::File)),
        Some(Kind::Flac) => compressed(Flac::new(input), warnings),
        Some(Kind::Ogg) => compressed(Ogg::new(input), warnings),
        Some(Kind::Adts) => compressed(Adts::new(input), warnings),
        Some(Kind::Mp4) => compressed(Container::mp4(input)?, warnings),
        Some(Kind::Ebml) => compressed(Container::matroska(input)?, warnings),
        Some(Kind::Mpeg) => compressed(Mpeg::new(input)?, warnings),
        Some(Kind::Id3) => {
            input.skip(ID3_BYTES as u64)?;
            compressed(Mpeg::new(input)?, warnings)
        }
        None if Mpeg::is_in(&mut input)? => compressed(Mpeg::new(input)?, warnings),
        None if Adts::is_in(&mut input)? => compressed(Adts::new(input), warnings),
        None => Err((Problem::NotAudio("data".into()), Place::File)),
        Some(other) => Err((Problem::Unsupported(other.to_string()), Place::File)),
    }
}

fn compressed(
    demuxer: impl Demuxer + 'static,
    warnings: &mut Warnings,
) -> Result<Box<dyn Source>, PlacedProblem> {
    Ok(Box::new(Codec::open(demuxer, warnings)?))
}

/// What `head` says that a file is, or shows behind bytes that are none of it: a WAV file, or frames from there to its
/// end. No more of the file is looked at, because a pipe may be live.
pub(super) fn kind_of(head: &[u8]) -> Option<Kind> {
    recognize(head).or_else(|| find_wav(head).map(|_| Kind::Wav)).or_else(|| {
        [(Kind::Mpeg, Mpeg::run_to_end as fn(&[u8]) -> bool), (Kind::Adts, Adts::run_to_end)]
            .into_iter()
            .find_map(|(kind, runs)| runs(head).then_some(kind))
    })
}

/// Where a WAV file begins behind bytes that are none of it.
fn find_wav(head: &[u8]) -> Option<usize> {
    head.windows(12).position(|window| window.starts_with(b"RIFF") && window.ends_with(b"WAVE"))
}

/// The length in bytes of the ID3v2 tag that begins with `head`, if one does.
fn id3_length(head: &[u8]) -> Option<u64> {
    let &[b'I', b'D', b'3', version, _, flags, a, b, c, d] = head.first_chunk::<ID3_BYTES>()? else {
        return None;
    };
    let is_tag = version != 0xFF && [a, b, c, d].iter().all(|&byte| byte < 0x80);
    let body = [a, b, c, d].iter().fold(0, |length, &byte| length << 7 | u64::from(byte));
    let footer = if flags & 0x10 != 0 { ID3_BYTES as u64 } else { 0 };
    is_tag.then_some(ID3_BYTES as u64 + body + footer)
}

/// Whether all bytes are printable, in ASCII or UTF-8.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0C'))
}
