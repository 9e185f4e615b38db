//! Conversion between the two sample formats of the API, with checks.
//!
//! Full scale is ±1.0 as `f32` and ±32768 as `i16`; `i16` → `f32` → `i16` gives the same samples back.

use voxlane_kernels::convert;

pub use voxlane_kernels::convert::I16_SCALE;

/// Floating-point samples beyond this multiple of full scale are refused: they are no loud audio but a
/// wrong unit (16-bit steps taken for full scale) or garbage. Up to it they are clamped.
pub const MAX_AMPLITUDE: f32 = 16.0;

/// The reason why floating-point samples were refused. The index counts from the start of the slice.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PcmError {
    /// A sample is NaN or infinite.
    #[error("sample {index}: not audio (expected a finite number, found {value})")]
    NotFinite {
        /// The position of the first such sample.
        index: usize,
        /// The sample.
        value: f32,
    },
    /// A sample is absurdly loud.
    #[error(
        "sample {index}: more than {MAX_AMPLITUDE} times full scale (expected -1.0 to 1.0, found {value})"
    )]
    TooLoud {
        /// The position of the first such sample.
        index: usize,
        /// The sample.
        value: f32,
    },
}

/// Checks that all samples are finite and at most [`MAX_AMPLITUDE`] in size. Allocates nothing.
///
/// # Errors
/// [`PcmError`] for the first sample that is not.
pub fn check(samples: &[f32]) -> Result<(), PcmError> {
    // One pass without branches over good audio; NaN fails the comparison too.
    if samples.iter().fold(true, |good, s| good & (s.abs() <= MAX_AMPLITUDE)) {
        return Ok(());
    }
    match samples.iter().enumerate().find(|(_, s)| s.is_nan() || s.abs() > MAX_AMPLITUDE) {
        Some((index, &value)) if value.is_finite() => Err(PcmError::TooLoud { index, value }),
        Some((index, &value)) => Err(PcmError::NotFinite { index, value }),
        None => Ok(()),
    }
}

/// Rounds to the nearest 16-bit step; what lies beyond full scale is clamped. Allocates nothing.
///
/// # Errors
/// [`PcmError`] as for [`check`]; `out` is then untouched.
///
/// # Panics
/// If the lengths differ.
pub fn to_i16(samples: &[f32], out: &mut [i16]) -> Result<(), PcmError> {
    assert_eq!(samples.len(), out.len(), "input and output lengths");
    check(samples)?;
    convert::f32_to_i16(samples, out);
    Ok(())
}

/// Converts exactly. Allocates nothing.
///
/// # Panics
/// If the lengths differ.
pub fn to_f32(samples: &[i16], out: &mut [f32]) {
    assert_eq!(samples.len(), out.len(), "input and output lengths");
    convert::i16_to_f32(samples, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_i16_survives_the_round_trip() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let mut float = vec![0.0; all.len()];
        let mut back = vec![0; all.len()];
        to_f32(&all, &mut float);
        to_i16(&float, &mut back).unwrap();
        assert_eq!(all, back);
    }

    #[test]
    fn loud_samples_are_clamped_and_absurd_ones_refused() {
        let mut out = [0; 3];
        to_i16(&[1.5, -16.0, 1.0], &mut out).unwrap();
        assert_eq!(out, [i16::MAX, i16::MIN, i16::MAX]);
        let error = to_i16(&[0.0, 16.5, f32::NAN], &mut out).unwrap_err();
        assert_eq!(error, PcmError::TooLoud { index: 1, value: 16.5 });
        assert_eq!(out, [i16::MAX, i16::MIN, i16::MAX], "a refused call writes nothing");
    }

    #[test]
    fn the_first_sample_that_is_not_finite_is_named() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            match check(&[0.0, 0.5, bad, bad]) {
                Err(PcmError::NotFinite { index: 2, value }) => {
                    assert_eq!(value.to_bits(), bad.to_bits());
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
    }
}
