//! Where an Ogg file says that it ends: a damaged last page is left out by the container's reader, and nothing
//! behind it would show that it was there.
//!
//! Page layout after RFC 3533.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// How every page begins.
pub(super) const MAGIC: &[u8; 4] = b"OggS";

/// Longer than any page.
const TAIL_BYTES: u64 = 1 << 16;

/// What the header of a file's last page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastPage {
    /// The stream that it belongs to.
    pub serial: u32,
    /// Where that stream's audio ends, in sample frames.
    pub end: i64,
}

/// Finds the last page of a file by its header alone, whether or not the page is whole. `None` if there is none,
/// or no packet ends in it.
pub(super) fn last_page(file: &mut File, length: u64) -> io::Result<Option<LastPage>> {
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    Ok(tail.windows(18).rev().find(|page| page.starts_with(MAGIC)).and_then(parse))
}

/// Parses the first 18 bytes of a page.
fn parse(page: &[u8]) -> Option<LastPage> {
    let end = i64::from_le_bytes(page.get(6..14)?.try_into().ok()?);
    let serial = u32::from_le_bytes(page.get(14..18)?.try_into().ok()?);
    (end >= 0).then_some(LastPage { serial, end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn page(serial: u32, end: i64) -> Vec<u8> {
        [&b"OggS\0\x04"[..], &end.to_le_bytes(), &serial.to_le_bytes(), &[0; 50]].concat()
    }

    #[test]
    fn the_last_header_counts_even_if_its_page_is_cut() {
        let cases = [
            (page(7, 1000), Some(LastPage { serial: 7, end: 1000 })),
            ([page(7, 1000), page(7, 2000)].concat(), Some(LastPage { serial: 7, end: 2000 })),
            ([vec![0; 200_000], page(9, 3)].concat(), Some(LastPage { serial: 9, end: 3 })),
            (page(7, -1), None),
            (page(7, 5)[..17].to_vec(), None),
            (Vec::new(), None),
        ];
        for (bytes, expected) in cases {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            assert_eq!(last_page(&mut file, bytes.len() as u64).unwrap(), expected);
        }
    }
}
