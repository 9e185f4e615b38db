//! What was odd about a file that was read all the same.

use std::fmt;

use super::error::Place;

/// The most warnings that are kept for one file.
const MAX_WARNINGS: usize = 64;

/// Something odd in a file, and where. Only [`Oddity::Missing`] costs audio.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// The oddity, and how it was read.
    pub problem: Oddity,
    /// The place of the oddity.
    pub place: Place,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.problem, self.place)
    }
}

/// A departure from the rules of a format.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Oddity {
    /// The writer never filled in the length of the audio: it wrote to a pipe, or was stopped.
    #[error("the length of the audio was never filled in ({0}); read to the end of the file")]
    NoLength(String),
    /// The header gives a greater length than the file has, although the file is whole.
    #[error(
        "the header gives {claimed} bytes of samples, the file holds {found}; read to the end of the file"
    )]
    WrongLength {
        /// Bytes of samples by the header.
        claimed: u64,
        /// Bytes of samples in the file.
        found: u64,
    },
    /// The header gives a smaller length than the file has, as after a crash.
    #[error(
        "the samples go on behind the {claimed} bytes that the header gives; read to the end of the file"
    )]
    GoesOn {
        /// Bytes of samples by the header.
        claimed: u64,
    },
    /// The audio is spread over several chunks.
    #[error("the audio is in more than one {0:?} chunk; read in order")]
    SeveralChunks(String),
    /// The file ends within a sample frame.
    #[error("the last sample frame has {found} of {expected} bytes; left out")]
    PartialFrame {
        /// Bytes that are there.
        found: u64,
        /// Bytes of a whole frame: one sample of each channel.
        expected: u64,
    },
    /// Something stands in front of the file proper.
    #[error("{0} bytes in front of the file's header; left out")]
    BytesInFront(u64),
    /// Something that is no audio stands behind the audio.
    #[error("what stands behind the audio is none of it; left out")]
    BytesBehind,
    /// Bytes between the parts of a file belong to none of them.
    #[error("{0} bytes that are no audio; skipped")]
    SkippedBytes(u64),
    /// The file ends within a frame of coded audio.
    #[error("the file ends within a frame; the frame is left out")]
    CutFrame,
    /// The stream does not say that it ends where it does. More may have followed.
    #[error("the stream does not end as it should; more of it may have been cut off")]
    NoEnd,
    /// A frame cannot be decoded.
    #[error("a frame cannot be decoded ({0}); silence in its place")]
    Silence(String),
    /// Audio is missing; the error at the end of the file says so too.
    #[error("{0}; read on behind it")]
    Missing(String),
    /// The checksum of all the audio does not hold, though that of every frame does.
    #[error("the checksum of the decoded audio is wrong")]
    Checksum,
    /// A count in a header is wrong.
    #[error("the header gives {claimed} {unit}, the file holds {found}")]
    WrongCount {
        /// The count in the header.
        claimed: u64,
        /// The count in the file.
        found: u64,
        /// The things that are counted.
        unit: &'static str,
    },
    /// A rule of the format is broken in a way that leaves no doubt about the audio.
    #[error("{0}")]
    Irregular(String),
    /// The channels have opposite phase, so that their mean would be next to silent.
    #[error("the channels cancel each other out; took channel {channel}, the louder one")]
    OppositePhase {
        /// The channel that was taken first, counted from 1.
        channel: usize,
    },
    /// Samples without a header do not look like what they are read as.
    #[error("the bytes look like {found}, not like {expected}")]
    Resembles {
        /// The format that they look like.
        found: &'static str,
        /// The format that they are read as.
        expected: &'static str,
    },
    /// There was more that was odd than is listed.
    #[error("more of the same; not listed")]
    More,
}

/// The warnings of one file, at most [`MAX_WARNINGS`] of them.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<Warning>);

impl Warnings {
    /// Adds one, unless it repeats the last or the list is full.
    pub(super) fn push(&mut self, problem: Oddity, place: Place) {
        if self.0.last().is_some_and(|last| last.problem == problem) || self.0.len() >= MAX_WARNINGS {
            return;
        }
        let problem = if self.0.len() + 1 == MAX_WARNINGS { Oddity::More } else { problem };
        self.0.push(Warning { problem, place });
    }

    /// All of them, in the order in which they were found.
    pub(super) fn list(&self) -> &[Warning] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_warnings_stay_few_and_the_list_says_so() {
        let mut warnings = Warnings::default();
        for i in 0..1000 {
            warnings.push(Oddity::BytesInFront(i), Place::Byte(i));
        }
        assert_eq!(warnings.list().len(), MAX_WARNINGS);
        assert_eq!(warnings.list().last().map(|last| &last.problem), Some(&Oddity::More));
    }

    #[test]
    fn the_same_oddity_is_listed_once() {
        let mut warnings = Warnings::default();
        for i in 0..10 {
            warnings.push(Oddity::SeveralChunks("data".into()), Place::Byte(i));
        }
        assert_eq!(warnings.list().len(), 1);
        assert_eq!(warnings.list()[0].place, Place::Byte(0), "the first place counts");
    }
}
