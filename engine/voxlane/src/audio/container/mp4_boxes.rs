//! A walk through the boxes of an MP4 file (ISO/IEC 14496-12): whether it is whole, and what it says about its
//! encoder's delay and padding: the edit list of a track, or the tag `iTunSMPB` of older files.
//!
//! Edits of more than [`MAX_TRIM`] are left alone: they hide speech, and nothing says that this was meant.

use std::io::{Seek, SeekFrom};

use crate::audio::error::{Place, PlacedProblem};
use crate::audio::input::Input;

/// The most sample frames that an encoder adds at either end.
const MAX_TRIM: u64 = 8192;

/// The most bytes of the index that are looked through.
const MAX_INDEX_BYTES: u64 = 1 << 24;

/// The part of a track that is the recording, in units of `timescale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// Units per second; 0: they are sample frames.
    pub timescale: u32,
    pub start: u64,
    pub length: u64,
}

/// What the boxes of a file say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Boxes {
    /// Whether the index (`moov`) was found; of a pipe, in front of the audio.
    pub has_index: bool,
    /// Whether the file ends inside its last box. Never of a pipe.
    pub is_cut: bool,
    /// Whether the index says that more of it follows with the audio.
    pub is_fragmented: bool,
    /// The length of the file that its boxes claim.
    pub claimed: u64,
    /// Whether something else stands behind that: another file, a tag or foreign bytes.
    pub is_followed: bool,
    /// The edits of its tracks.
    pub edits: Vec<(u32, Edit)>,
    /// The tracks that begin later than the recording, and by how many seconds.
    pub pauses: Vec<(u32, f64)>,
    /// The tracks whose samples of PCM have their most significant byte first, where only a box of QuickTime says so.
    pub big_endian: Vec<u32>,
}

/// Walks through a file, or the start of a pipe, without taking anything from `input`.
///
/// # Errors
/// As for [`Input::peek`].
pub(super) fn walk(input: &mut Input) -> Result<Boxes, PlacedProblem> {
    // Counted, like every place here, from where this file begins: a tag may stand in front of it.
    let length = input.length().map(|length| length.saturating_sub(input.at()));
    let mut found = Boxes { claimed: length.unwrap_or(0), ..Boxes::default() };
    let mut has_audio = false;
    let mut at = 0u64;
    loop {
        // A file is sought in; of a pipe, only what may be looked at ahead is.
        let skipped = if length.is_some() { 0 } else { at as usize };
        let head = input.peek(skipped + 16)?.get(skipped..).unwrap_or_default();
        let is_whole = found.has_index && has_audio;
        let header = box_header(head).filter(|&(kind, header, size)| {
            let is_inside = length.is_none_or(|length| size <= length.saturating_sub(at));
            size >= header as u64 && !(is_whole && is_foreign(&kind, is_inside))
        });
        let Some((kind, header, size)) = header else {
            if length.is_some_and(|length| is_whole && at < length) {
                (found.claimed, found.is_followed) = (at, true);
            }
            break;
        };
        has_audio |= matches!(&kind, b"mdat" | b"moof");
        if &kind == b"moov" {
            found.has_index = true;
            if size <= MAX_INDEX_BYTES {
                let bytes = input.peek(skipped + size as usize)?;
                let moov = bytes.get(skipped + header..).unwrap_or_default();
                found.is_fragmented = child(moov, b"mvex").is_some();
                found.edits = track_edits(moov);
                found.pauses = track_pauses(moov);
                found.big_endian = big_endian_tracks(moov);
            }
        }
        let end = at.saturating_add(size);
        let Some(length) = length else {
            if found.has_index || &kind == b"mdat" || end > MAX_INDEX_BYTES {
                break;
            }
            at = end;
            continue;
        };
        if end >= length {
            // A size of 0 means to the end of the file.
            (found.is_cut, found.claimed) = match size {
                u64::MAX => (false, length),
                _ => (end > length, end.min(i64::MAX as u64)),
            };
            break;
        }
        at = end;
        seek(input, at)?;
    }
    if length.is_some() {
        seek(input, 0)?;
    }
    Ok(found)
}

fn seek(input: &mut Input, at: u64) -> Result<(), PlacedProblem> {
    input.seek(SeekFrom::Start(at)).map(|_| ()).map_err(|error| (error.into(), Place::Byte(at)))
}

/// The size of the box of a pipe that begins with `head`, and whether it holds audio; `None` if it is none of the
/// file, which can be reported once audio has come.
pub(super) fn next_box(head: &[u8], has_audio: bool) -> Option<(u64, bool)> {
    match box_header(head) {
        Some((kind, ..)) if has_audio && is_foreign(&kind, true) => None,
        Some((kind, header, size)) if size >= header as u64 => {
            Some((size, matches!(&kind, b"mdat" | b"moof")))
        }
        _ => (!has_audio).then_some((u64::MAX, false)),
    }
}

/// Whether what looks like a box is none of a file whose index and audio were found.
fn is_foreign(kind: &[u8; 4], is_inside: bool) -> bool {
    const KNOWN: [&[u8; 4]; 20] = [
        b"styp", b"moov", b"moof", b"mdat", b"mfra", b"free", b"skip", b"wide", b"pnot", b"PICT", b"udta",
        b"uuid", b"meta", b"meco", b"sidx", b"ssix", b"prft", b"emsg", b"pdin", b"bloc",
    ];
    let is_name = kind.iter().all(|byte| (0x20..0x7F).contains(byte));
    kind == b"ftyp" || !(KNOWN.contains(&kind) || is_name && is_inside)
}

/// The type, the bytes before the content, and the size of the box that `bytes` begin with.
fn box_header(bytes: &[u8]) -> Option<([u8; 4], usize, u64)> {
    let kind = bytes.get(4..8)?.try_into().ok()?;
    match u32_at(bytes, 0)? {
        0 => Some((kind, 8, u64::MAX)),
        1 => Some((kind, 16, u64::from(u32_at(bytes, 8)?) << 32 | u64::from(u32_at(bytes, 12)?))),
        size => Some((kind, 8, size.into())),
    }
}

/// The boxes inside a box.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, header, size) = box_header(bytes)?;
        let end = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
        let content = bytes.get(header..end)?;
        bytes = &bytes[end..];
        Some((kind, content))
    })
}

/// The first box of a kind.
fn child<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(found, _)| found == kind).map(|(_, content)| content)
}

fn track_edits(moov: &[u8]) -> Vec<(u32, Edit)> {
    let movie_scale = child(moov, b"mvhd").and_then(timescale);
    let tracks = boxes(moov).filter(|(kind, _)| kind == b"trak");
    let edit = |trak| {
        let id = track_id(trak)?;
        let list = child(trak, b"edts").and_then(|edts| child(edts, b"elst"));
        let media_scale = child(child(trak, b"mdia")?, b"mdhd").and_then(timescale)?;
        let edit = list.and_then(|list| edit_list(list, movie_scale?, media_scale));
        Some((id, edit.or_else(|| itunes(moov))?))
    };
    tracks.filter_map(|(_, trak)| edit(trak)).collect()
}

/// The number of a track.
fn track_id(trak: &[u8]) -> Option<u32> {
    let header = child(trak, b"tkhd")?;
    u32_at(header, if header.first() == Some(&1) { 20 } else { 12 })
}

/// The empty edits at the start of tracks.
fn track_pauses(moov: &[u8]) -> Vec<(u32, f64)> {
    let Some(scale) = child(moov, b"mvhd").and_then(timescale) else { return Vec::new() };
    let pause = |trak| {
        let list = child(child(trak, b"edts")?, b"elst")?;
        let length = match (list.first()?, list.get(4..8)? == [0; 4]) {
            (1, false) if u64_at(list, 16)? == u64::MAX => u64_at(list, 8)? as f64,
            (0, false) if u32_at(list, 12)? == u32::MAX => f64::from(u32_at(list, 8)?),
            _ => return None,
        };
        Some((track_id(trak)?, length / f64::from(scale)))
    };
    let tracks = boxes(moov).filter(|(kind, _)| kind == b"trak");
    tracks.filter_map(|(_, trak)| pause(trak)).collect()
}

/// The tracks of QuickTime's PCM of more than 16 bits that is big-endian.
fn big_endian_tracks(moov: &[u8]) -> Vec<u32> {
    let tracks = boxes(moov).filter(|(kind, trak)| kind == b"trak" && is_big_endian(trak) == Some(true));
    tracks.filter_map(|(_, trak)| track_id(trak)).collect()
}

/// Whether the samples of a track are big-endian; `None` if the type of its sample entry says so itself.
fn is_big_endian(trak: &[u8]) -> Option<bool> {
    let table = ["mdia", "minf", "stbl", "stsd"]
        .iter()
        .try_fold(trak, |bytes, kind| child(bytes, kind.as_bytes().first_chunk()?))?;
    // Behind the version, the flags and the count of entries.
    let (kind, entry) = boxes(table.get(8..)?).next()?;
    let fields = match entry.get(8..10)? {
        [0, 0] => 28,
        [0, 1] => 44,
        _ => return None,
    };
    if ![b"in24", b"in32", b"fl32", b"fl64"].contains(&&kind) {
        return None;
    }
    // The box `enda` holds 1 for little-endian samples; without it they are big-endian.
    let enda = child(entry.get(fields..)?, b"wave").and_then(|wave| child(wave, b"enda"));
    Some(enda.is_none_or(|enda| enda.starts_with(&[0, 0])))
}

/// The timescale in `mvhd` and `mdhd`.
fn timescale(header: &[u8]) -> Option<u32> {
    u32_at(header, if header.first() == Some(&1) { 20 } else { 12 }).filter(|&scale| scale > 0)
}

/// The one edit of a list that shows media; `None` if there are several.
fn edit_list(list: &[u8], movie_scale: u32, media_scale: u32) -> Option<Edit> {
    let is_long = list.first() == Some(&1);
    let entry_bytes = if is_long { 20 } else { 12 };
    let count = u32_at(list, 4)? as usize;
    let mut shown = list.get(8..)?.chunks_exact(entry_bytes).take(count).filter_map(|entry| {
        let (length, start) = match is_long {
            true => (u64_at(entry, 0)?, u64_at(entry, 8)? as i64),
            false => (u32_at(entry, 0)?.into(), i64::from(u32_at(entry, 4)? as i32)),
        };
        Some((length, u64::try_from(start).ok()?))
    });
    let (length, start) = shown.next()?;
    if shown.next().is_some() {
        return None;
    }
    // Rounded up: the movie's scale is coarse. Fragmented files state none.
    let length = match length {
        0 => u64::MAX,
        length => {
            u64::try_from((u128::from(length) * u128::from(media_scale)).div_ceil(movie_scale.into())).ok()?
        }
    };
    Some(Edit { timescale: media_scale, start, length })
}

/// The edit in the tag `iTunSMPB`: in hexadecimal, 0, delay, padding, length.
fn itunes(moov: &[u8]) -> Option<Edit> {
    let name = b"iTunSMPB";
    let at = moov.windows(name.len()).position(|bytes| bytes == name)?;
    let text = moov.get(at + name.len()..)?;
    let at = text.windows(4).position(|bytes| bytes == b"data")?;
    let text = text.get(at + 12..)?;
    let end = text.iter().position(|byte| !byte.is_ascii_hexdigit() && *byte != b' ').unwrap_or(text.len());
    let mut fields = std::str::from_utf8(&text[..end]).ok()?.split_ascii_whitespace().skip(1);
    let mut field = || u64::from_str_radix(fields.next()?, 16).ok();
    let (start, _padding, length) = (field()?, field()?, field()?);
    (length > 0).then_some(Edit { timescale: 0, start, length })
}

impl Edit {
    /// Sample frames to leave out at the start of a track at `sample_rate` Hz, and where in it the recording ends,
    /// of `total` units of the timescale that there are.
    pub fn trims(&self, sample_rate: u32, total: Option<u64>) -> (u64, Option<u64>) {
        let frames = |units: u64| match self.timescale {
            0 => units,
            scale => (u128::from(units) * u128::from(sample_rate) / u128::from(scale)) as u64,
        };
        let end = self.start.saturating_add(self.length);
        let is_padding = |&total: &u64| frames(total.saturating_sub(end)) <= MAX_TRIM;
        let delay = Some(frames(self.start)).filter(|&delay| delay <= MAX_TRIM);
        (delay.unwrap_or(0), total.filter(is_padding).map(|_| frames(end)))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    /// An index with one track, 48 kHz in a movie of 1 kHz.
    fn movie(entries: &[(u32, i32)], tag: &[u8]) -> Vec<u8> {
        let scale = |scale: u32| [&[0; 12][..], &scale.to_be_bytes()].concat();
        let entry = |&(length, start): &(u32, i32)| {
            [&length.to_be_bytes()[..], &start.to_be_bytes(), &[0, 1, 0, 0]].concat()
        };
        let count = (entries.len() as u32).to_be_bytes();
        let list = [&[0; 4][..], &count, &entries.iter().flat_map(entry).collect::<Vec<_>>()].concat();
        let edts = make_box(b"edts", &make_box(b"elst", &list));
        let track = [
            make_box(b"tkhd", &[&[0; 12][..], &[0, 0, 0, 7]].concat()),
            if entries.is_empty() { Vec::new() } else { edts },
            make_box(b"mdia", &make_box(b"mdhd", &scale(48_000))),
        ]
        .concat();
        make_box(
            b"moov",
            &[make_box(b"mvhd", &scale(1000)), make_box(b"trak", &track), tag.to_vec()].concat(),
        )
    }

    fn read(moov: &[u8]) -> Vec<(u32, Edit)> {
        let file = [make_box(b"ftyp", b"M4A "), moov.to_vec()].concat();
        walk(&mut Input::pipe(Box::new(std::io::Cursor::new(file)))).unwrap().edits
    }

    #[test]
    fn the_delay_and_the_end_of_a_recording_are_found() {
        let edit = read(&movie(&[(500, 1024)], b""));
        assert_eq!(edit, [(7, Edit { timescale: 48_000, start: 1024, length: 24_000 })]);
        assert_eq!(edit[0].1.trims(48_000, Some(25_600)), (1024, Some(25_024)));
        // HE-AAC, decoded at half the rate.
        assert_eq!(edit[0].1.trims(24_000, Some(25_600)), (512, Some(12_512)));
        // An empty edit in front is a pause, no delay.
        assert_eq!(read(&movie(&[(40, -1), (500, 1024)], b"")), edit);
        let tag = b"meanmean name iTunSMPB dataXXXXYYYY 00000000 00000840 000001CA 0000000000005DC0 00000000";
        assert_eq!(read(&movie(&[], tag)), [(7, Edit { timescale: 0, start: 2112, length: 24_000 })]);
    }

    #[test]
    fn edits_that_hide_more_than_an_encoder_adds_are_left_alone() {
        assert_eq!(read(&movie(&[(500, 0), (500, 48_000)], b"")), []);
        let (_, edit) = read(&movie(&[(500, 48_000)], b""))[0];
        assert_eq!(edit.trims(48_000, Some(480_000)), (0, None));
    }

    #[test]
    fn damaged_indexes_give_nothing() {
        let moov = movie(&[(500, 1024)], b"");
        for keep in 0..moov.len() {
            read(&moov[..keep]);
        }
    }
}
