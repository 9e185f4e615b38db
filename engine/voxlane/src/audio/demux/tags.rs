//! Text tags that lie before, between and behind audio: ID3 (versions 1 and 2), APE and Lyrics3.
//!
//! Their lengths are hints like any other: a tag that claims more than the file holds ends with the file.

use crate::audio::error::PlacedProblem;
use crate::audio::input::Input;

/// The bytes that [`length`] needs.
pub(super) const HEAD_BYTES: usize = 32;

/// The most bytes of a Lyrics3 block, whose end must be searched.
const LYRICS_BYTES: usize = 1 << 20;

/// Takes all tags that lie at the start of `input`; returns whether there were any.
///
/// # Errors
/// As for [`Input::peek`].
pub(crate) fn skip(input: &mut Input) -> Result<bool, PlacedProblem> {
    let mut any = false;
    loop {
        let head = input.peek(HEAD_BYTES)?;
        let length = match length(head) {
            Some(length) => length,
            None if head.starts_with(b"LYRICSBEGIN") => lyrics(input)?,
            None => return Ok(any),
        };
        input.skip(length)?;
        any = true;
    }
}

/// Whether a tag begins here.
pub(super) fn is_tag(head: &[u8]) -> bool {
    length(head).is_some() || head.starts_with(b"LYRICSBEGIN")
}

/// The bytes of the tag that begins with `head`, if it states them.
fn length(head: &[u8]) -> Option<u64> {
    if head.starts_with(b"TAG+") {
        return Some(227);
    }
    if head.starts_with(b"TAG") {
        return Some(128);
    }
    if head.starts_with(b"APETAGEX") {
        // The size counts a footer but no header. An item count and flags follow it.
        let size = u32::from_le_bytes(head.get(12..16)?.try_into().ok()?);
        let flags = u32::from_le_bytes(head.get(20..24)?.try_into().ok()?);
        let is_header = flags & 1 << 29 != 0;
        return Some(if is_header { 32 + u64::from(size) } else { 32 });
    }
    if head.starts_with(b"ID3") || head.starts_with(b"3DI") {
        let sizes = head.get(6..10)?;
        if head[3] == 0xFF || head[4] == 0xFF || sizes.iter().any(|&byte| byte >= 0x80) {
            return None;
        }
        if head.starts_with(b"3DI") {
            return Some(10);
        }
        let size = sizes.iter().fold(0, |size, &byte| size << 7 | u64::from(byte));
        let has_footer = head[5] & 0x10 != 0;
        return Some(size + if has_footer { 20 } else { 10 });
    }
    None
}

/// The bytes of the Lyrics3 block at the start of `input`.
fn lyrics(input: &mut Input) -> Result<u64, PlacedProblem> {
    let block = input.peek(LYRICS_BYTES)?;
    let end = block.windows(9).position(|bytes| bytes == b"LYRICS200" || bytes == b"LYRICSEND");
    Ok(end.map_or(11, |end| end as u64 + 9))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn ape(is_header: bool, items: &[u8]) -> Vec<u8> {
        let flags = if is_header { 1u32 << 31 | 1 << 29 } else { 1 << 31 };
        let size = items.len() as u32 + 32;
        let numbers = [2000, size, 1, flags].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        [&b"APETAGEX"[..], &numbers, &[0; 8]].concat()
    }

    #[test]
    fn tags_are_taken_whole_and_nothing_else_is() {
        let items = [b'x'; 40];
        let tags: [Vec<u8>; 6] = [
            [&b"TAG"[..], &[b'a'; 125]].concat(),
            [&b"ID3\x04\0\0\0\0\x01\x02"[..], &[0xFF; 130]].concat(),
            [&b"ID3\x04\0\x10\0\0\0\x04"[..], &[1; 14]].concat(),
            [ape(true, &items), items.to_vec(), ape(false, &items)].concat(),
            [&b"LYRICSBEGIN"[..], b"IND00002", b"000019LYRICS200"].concat(),
            [&b"TAG+"[..], &[b'a'; 223]].concat(),
        ];
        for tag in tags.iter().chain([&tags.concat()]) {
            let file = [&tag[..], b"audio"].concat();
            let mut input = Input::pipe(Box::new(io::Cursor::new(file)));
            assert!(skip(&mut input).unwrap());
            assert_eq!((input.at(), input.peek(9).unwrap()), (tag.len() as u64, &b"audio"[..]));
        }
        for other in [&b"TA"[..], b"ID3", b"ID3\xFF\xFF\xFF\xFF\xFF\xFF\xFF", b"\xFF\xFB\x90\x00", b""] {
            let mut input = Input::pipe(Box::new(io::Cursor::new(other)));
            assert!(!skip(&mut input).unwrap());
        }
    }
}
