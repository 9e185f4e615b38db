//! What kind of file it is, by its first bytes.

use std::fmt;

use super::framing::{ac3_frame, adts_frame, mpeg_frame};

/// A kind of file that is recognized by its first bytes, whether or not it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// RIFF or RIFX of form `WAVE`.
    Wav,
    /// The 64-bit WAV of the European Broadcasting Union.
    Rf64,
    /// The 64-bit WAV of ITU-R BS.2088.
    Bw64,
    /// Sony's 64-bit WAV.
    W64,
    /// AIFF and AIFF-C.
    Aiff,
    /// Apple's Core Audio Format.
    Caf,
    /// FLAC without a container.
    Flac,
    /// Ogg, whatever is in it.
    Ogg,
    /// An ID3v2 tag; mostly MP3 follows.
    Id3,
    /// MPEG audio of layers 1 to 3.
    Mpeg,
    /// AAC in ADTS frames.
    Adts,
    /// Matroska and WebM.
    Ebml,
    /// MP4, M4A and QuickTime.
    Mp4,
    /// AMR narrow-band and wide-band.
    Amr,
    /// Microsoft's ASF: WMA and WMV.
    Asf,
    /// Dolby Digital.
    Ac3,
    /// DTS.
    Dts,
    /// DSF and DSDIFF.
    Dsd,
    /// MIDI: notes, no audio.
    Midi,
    /// NIST SPHERE.
    Sphere,
    /// Sun's AU.
    Au,
    /// AVI.
    Avi,
    /// RIFF or IFF of a form that is no audio known here.
    Iff,
    /// AAC in an ADIF file.
    Adif,
    /// WavPack.
    WavPack,
    /// Monkey's Audio.
    Ape,
    /// True Audio.
    Tta,
    /// Musepack.
    Musepack,
    /// Shorten.
    Shorten,
    /// Creative Voice.
    Voc,
    /// RealAudio and RealMedia.
    Real,
    /// Flash Video.
    Flv,
    /// MPEG transport and program streams.
    MpegStream,
    /// ZIP.
    Zip,
    /// gzip.
    Gzip,
    /// PDF.
    Pdf,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Wav => "WAV",
            Kind::Rf64 => "RF64",
            Kind::Bw64 => "BW64",
            Kind::W64 => "Wave64 (W64)",
            Kind::Aiff => "AIFF",
            Kind::Caf => "CAF",
            Kind::Flac => "FLAC",
            Kind::Ogg => "Ogg",
            Kind::Id3 | Kind::Mpeg => "MPEG audio (MP3)",
            Kind::Adts => "AAC (ADTS)",
            Kind::Ebml => "Matroska or WebM",
            Kind::Mp4 => "MP4 or M4A",
            Kind::Amr => "AMR",
            Kind::Asf => "Windows Media (WMA, ASF)",
            Kind::Ac3 => "Dolby Digital (AC-3)",
            Kind::Dts => "DTS",
            Kind::Dsd => "DSD (DSF, DSDIFF)",
            Kind::Midi => "MIDI",
            Kind::Sphere => "NIST SPHERE",
            Kind::Au => "AU (.snd)",
            Kind::Avi => "AVI",
            Kind::Iff => "a RIFF or IFF file without WAVE or AIFF audio",
            Kind::Adif => "AAC (ADIF)",
            Kind::WavPack => "WavPack",
            Kind::Ape => "Monkey's Audio",
            Kind::Tta => "True Audio (TTA)",
            Kind::Musepack => "Musepack",
            Kind::Shorten => "Shorten",
            Kind::Voc => "Creative Voice (VOC)",
            Kind::Real => "RealAudio",
            Kind::Flv => "Flash Video",
            Kind::MpegStream => "an MPEG transport or program stream",
            Kind::Zip => "a ZIP archive",
            Kind::Gzip => "a gzip file",
            Kind::Pdf => "PDF",
        })
    }
}

/// Fixed bytes at fixed places.
const SIGNATURES: [(usize, &[u8], Kind); 42] = [
    (0, b"RF64", Kind::Rf64),
    (0, b"BW64", Kind::Bw64),
    (0, b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\0\0", Kind::W64),
    (0, b"caff", Kind::Caf),
    (0, b"fLaC", Kind::Flac),
    (0, b"OggS", Kind::Ogg),
    (0, b"ID3", Kind::Id3),
    (0, b"\x1A\x45\xDF\xA3", Kind::Ebml),
    (4, b"ftyp", Kind::Mp4),
    (4, b"styp", Kind::Mp4),
    (4, b"moov", Kind::Mp4),
    (4, b"mdat", Kind::Mp4),
    (4, b"wide", Kind::Mp4),
    (4, b"free", Kind::Mp4),
    (4, b"skip", Kind::Mp4),
    (4, b"pnot", Kind::Mp4),
    (0, b"#!AMR", Kind::Amr),
    (0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", Kind::Asf),
    (0, b"\x7F\xFE\x80\x01", Kind::Dts),
    (0, b"DSD \x1C\0\0\0\0\0\0\0", Kind::Dsd),
    (0, b"FRM8", Kind::Dsd),
    (0, b"MThd", Kind::Midi),
    (0, b"NIST_1A\n", Kind::Sphere),
    (0, b".snd", Kind::Au),
    (0, b"dns.", Kind::Au),
    (0, b"ADIF", Kind::Adif),
    (0, b"wvpk", Kind::WavPack),
    (0, b"MAC ", Kind::Ape),
    (0, b"TTA1", Kind::Tta),
    (0, b"TTA2", Kind::Tta),
    (0, b"MP+", Kind::Musepack),
    (0, b"MPCK", Kind::Musepack),
    (0, b"ajkg", Kind::Shorten),
    (0, b"Creative Voice File\x1A", Kind::Voc),
    (0, b".RMF", Kind::Real),
    (0, b".ra\xFD", Kind::Real),
    (0, b"FLV\x01", Kind::Flv),
    (0, b"\0\0\x01\xBA", Kind::MpegStream),
    (0, b"PK\x03\x04", Kind::Zip),
    (0, b"PK\x05\x06", Kind::Zip),
    (0, b"\x1F\x8B\x08", Kind::Gzip),
    (0, b"%PDF-", Kind::Pdf),
];

/// Names the kind of file that begins with `head`; a few kilobytes are plenty, 16 bytes suffice for most kinds.
/// `None` if it is none of [`Kind`]: perhaps raw samples, perhaps text.
///
/// ```
/// use voxlane::audio::file::{Kind, recognize};
///
/// assert_eq!(recognize(b"RIFF\xFF\xFF\xFF\xFFWAVEfmt "), Some(Kind::Wav));
/// assert_eq!(recognize(b"#!AMR-WB\n").map(|kind| kind.to_string()), Some("AMR".into()));
/// assert_eq!(recognize(&[0; 64]), None);
/// ```
pub fn recognize(head: &[u8]) -> Option<Kind> {
    form(head).or_else(|| signature(head)).or_else(|| framed(head))
}

/// RIFF and IFF: the kind is in the form, 8 bytes from the start.
fn form(head: &[u8]) -> Option<Kind> {
    let group = head.get(..4)?;
    if !matches!(group, b"RIFF" | b"RIFX" | b"FORM") {
        return None;
    }
    Some(match (group, head.get(8..12)) {
        (b"FORM", None | Some(b"AIFF" | b"AIFC")) => Kind::Aiff,
        (b"RIFF" | b"RIFX", None | Some(b"WAVE")) => Kind::Wav,
        (b"RIFF", Some(b"AVI ")) => Kind::Avi,
        (b"RIFF", Some(b"RMID")) => Kind::Midi,
        _ => Kind::Iff,
    })
}

fn signature(head: &[u8]) -> Option<Kind> {
    let found =
        SIGNATURES.iter().find(|(at, bytes, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes)));
    found.map(|&(_, _, kind)| kind)
}

/// Frames that must follow each other: the samples of a faint noise make one or two by accident.
const SURE_FRAMES: usize = 4;

/// Formats without a header of the file: frames from the first byte on, [`SURE_FRAMES`] or as many as `head` holds.
fn framed(head: &[u8]) -> Option<Kind> {
    let is_run = |length: fn(&[u8]) -> Option<usize>| {
        let mut at = 0;
        for _ in 0..SURE_FRAMES {
            let frame = head.get(at..).filter(|frame| at == 0 || frame.len() >= 8);
            let Some(frame) = frame else { break };
            // The version, the layer and whether there are checksums stay the same.
            match length(frame).filter(|_| frame[1] == head[1]) {
                Some(length) => at += length,
                None => return false,
            }
        }
        true
    };
    if is_run(mpeg_frame) {
        return Some(Kind::Mpeg);
    }
    if is_run(adts_frame) {
        return Some(Kind::Adts);
    }
    if is_run(ac3_frame) {
        return Some(Kind::Ac3);
    }
    let is_packet = |at: usize| head.get(at) == Some(&0x47);
    (is_packet(0) && is_packet(188) && is_packet(376)).then_some(Kind::MpegStream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_recognized() {
        let cases: [(&[u8], Option<Kind>); 20] = [
            (b"RIFF\x24\0\0\0WAVEfmt ", Some(Kind::Wav)),
            (b"RIFX\0\0\0\x24WAVEfmt ", Some(Kind::Wav)),
            (b"RIFF", Some(Kind::Wav)),
            (b"RF64\xFF\xFF\xFF\xFFWAVEds64", Some(Kind::Rf64)),
            (b"BW64\xFF\xFF\xFF\xFFWAVEds64", Some(Kind::Bw64)),
            (b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\0\0", Some(Kind::W64)),
            (b"FORM\0\0\0\x24AIFFCOMM", Some(Kind::Aiff)),
            (b"FORM\0\0\0\x24AIFCFVER", Some(Kind::Aiff)),
            (b"FORM\0\0\0\x248SVXVHDR", Some(Kind::Iff)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some(Kind::Iff)),
            (b"caff\0\x01\0\0desc", Some(Kind::Caf)),
            (b"fLaC\0\0\0\x22", Some(Kind::Flac)),
            (b"OggS\0\x02", Some(Kind::Ogg)),
            (b"ID3\x04\0\0", Some(Kind::Id3)),
            (b"\0\0\0\x20ftypM4A ", Some(Kind::Mp4)),
            (b"\x1A\x45\xDF\xA3\x01", Some(Kind::Ebml)),
            (b"\xFF\xFB\x90\x64\0\0", Some(Kind::Mpeg)),
            (b"\xFF\xF1\x50\x80\x2E\x7F\xFC\0", Some(Kind::Adts)),
            (b"hello, world", None),
            (b"", None),
        ];
        for (head, kind) in cases {
            assert_eq!(recognize(head), kind, "{}", head.escape_ascii());
        }
    }

    /// Raw samples must not be taken for frames: one header of four bytes is soon found by chance.
    #[test]
    fn frames_must_follow_each_other() {
        let mut head = vec![0; 4096];
        for start in [&b"\xFF\xFB\x90\x64"[..], b"\xFF\xF1\x50\x80\x2E\x7F\xFC", b"\x0B\x77\0\0\x1C\x40"] {
            head[..start.len()].copy_from_slice(start);
            assert_eq!(recognize(&head), None);
        }
        head[..4].copy_from_slice(b"\xFF\xFB\x90\x64");
        for at in (0..head.len() - 4).step_by(417) {
            head[at..at + 4].copy_from_slice(b"\xFF\xFB\x90\x64");
        }
        assert_eq!(recognize(&head), Some(Kind::Mpeg));
    }
}
