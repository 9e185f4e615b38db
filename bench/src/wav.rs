//! WAV files for other programs to read.

use crate::recordings::SAMPLE_RATE;
use anyhow::{Context as _, Result};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::path::Path;

const FORMAT: WavSpec =
    WavSpec { channels: 1, sample_rate: SAMPLE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// Writes mono samples at [`SAMPLE_RATE`], over what the file held.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, samples: &[i16]) -> Result<()> {
    try_write(path, samples).with_context(|| path.display().to_string())
}

fn try_write(path: &Path, samples: &[i16]) -> hound::Result<()> {
    let mut file = WavWriter::create(path, FORMAT)?;
    for &sample in samples {
        file.write_sample(sample)?;
    }
    file.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recordings::read_samples;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let samples = [0, 1, -1, i16::MAX, i16::MIN];
        write(&path, &samples).unwrap();
        assert_eq!(read_samples(&path).unwrap(), samples);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write(Path::new("no/such/folder/a.wav"), &[]).unwrap_err();
        assert_eq!(error.to_string(), "no/such/folder/a.wav");
    }
}
