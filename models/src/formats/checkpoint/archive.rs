//! The members of a ZIP archive (PKWARE APPNOTE 6.3) that are stored as they are, which is all that PyTorch writes.

use super::content::shown;
use super::error::Problem;
use std::collections::BTreeMap;

const END_RECORD: &[u8; 4] = b"PK\x05\x06";
const ENTRY: &[u8; 4] = b"PK\x01\x02";
const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";
const END_RECORD_BYTES: usize = 22;
const ENTRY_BYTES: usize = 46;
const LOCAL_HEADER_BYTES: usize = 30;
/// The end record may be followed by a comment.
const MAX_COMMENT_BYTES: usize = 65_535;
/// In place of a number that stands elsewhere, in archives of 4 GiB and more.
const ELSEWHERE: usize = u32::MAX as usize;

/// Names and contents.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    members: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> Archive<'a> {
    /// Finds the members in `bytes`, the content of a file.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Problem> {
        let first = bytes.len().saturating_sub(END_RECORD_BYTES + MAX_COMMENT_BYTES);
        let end = bytes[first..].windows(4).rposition(|window| window == END_RECORD).ok_or_else(|| {
            Problem::damaged("not a ZIP archive, as PyTorch writes since version 1.6, or cut off")
        })?;
        let end = &bytes[first + end..];
        let (count, mut at) = (number(end, 10, 2)?, number(end, 16, 4)?);
        let mut members = BTreeMap::new();
        for _ in 0..count {
            let entry = part(bytes, at, ENTRY_BYTES)?;
            if entry[..4] != *ENTRY {
                return Err(Problem::damaged("the archive's list of members is damaged"));
            }
            let (method, size) = (number(entry, 10, 2)?, number(entry, 24, 4)?);
            let [name_len, extra_len, comment_len] = [28, 30, 32].map(|at| number(entry, at, 2).unwrap_or(0));
            let offset = number(entry, 42, 4)?;
            let name = std::str::from_utf8(part(bytes, at + ENTRY_BYTES, name_len)?)
                .map_err(|_| Problem::damaged("a member's name is not UTF-8"))?;
            if method != 0 {
                return Err(Problem::unsupported(format!(
                    "the archive's member {} is compressed",
                    shown(name)
                )));
            }
            if size == ELSEWHERE || offset == ELSEWHERE {
                return Err(Problem::unsupported(format!(
                    "the archive's member {} lies beyond 4 GiB",
                    shown(name)
                )));
            }
            let header = part(bytes, offset, LOCAL_HEADER_BYTES)?;
            if header[..4] != *LOCAL_HEADER {
                let name = shown(name);
                return Err(Problem::damaged(format!(
                    "the archive's member {name} is not where it should be"
                )));
            }
            let start = offset + LOCAL_HEADER_BYTES + number(header, 26, 2)? + number(header, 28, 2)?;
            members.insert(name, part(bytes, start, size)?);
            at += ENTRY_BYTES + name_len + extra_len + comment_len;
        }
        Ok(Archive { members })
    }

    /// The member whose name is `name` behind the archive's own folder, and that folder's name.
    pub(super) fn find(&self, name: &str) -> Option<(&'a str, &'a [u8])> {
        self.members.iter().find_map(|(path, content)| {
            let folder = path.strip_suffix(name)?.strip_suffix('/')?;
            (!folder.contains('/')).then_some((folder, *content))
        })
    }

    /// The member of that whole name.
    pub(super) fn get(&self, path: &str) -> Option<&'a [u8]> {
        self.members.get(path).copied()
    }
}

fn part(bytes: &[u8], start: usize, len: usize) -> Result<&[u8], Problem> {
    start
        .checked_add(len)
        .and_then(|end| bytes.get(start..end))
        .ok_or_else(|| Problem::damaged("the archive ends too early"))
}

/// A little-endian number of up to four bytes.
fn number(bytes: &[u8], at: usize, len: usize) -> Result<usize, Problem> {
    Ok(part(bytes, at, len)?.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte)))
}
