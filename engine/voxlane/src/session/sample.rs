//! The kinds of samples that can be pushed.

use super::StreamError;
use crate::audio::pcm;

/// A sample that can be pushed: a 16-bit integer, or a float of full scale ±1.
pub trait Sample: Copy + private::Sealed {
    /// Converts to floats of full scale ±1, refusing what is no audio.
    #[doc(hidden)]
    fn to_floats(samples: &[Self], floats: &mut [f32]) -> Result<(), StreamError>;

    /// The same samples as 16-bit integers, if they are that already.
    #[doc(hidden)]
    fn as_integers(samples: &[Self]) -> Option<&[i16]>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for i16 {}
    impl Sealed for f32 {}
}

impl Sample for i16 {
    fn to_floats(samples: &[i16], floats: &mut [f32]) -> Result<(), StreamError> {
        pcm::to_f32(samples, floats);
        Ok(())
    }

    fn as_integers(samples: &[i16]) -> Option<&[i16]> {
        Some(samples)
    }
}

impl Sample for f32 {
    fn to_floats(samples: &[f32], floats: &mut [f32]) -> Result<(), StreamError> {
        floats.copy_from_slice(samples);
        Ok(())
    }

    fn as_integers(_: &[f32]) -> Option<&[i16]> {
        None
    }
}
