//! Whether parts that were read from a packed file fit the network's sizes.

use super::linear::{Linear, Precision};
use crate::formats::packed::PackedError;

/// Refuses what does not hold.
pub(crate) fn ensure(holds: bool, what: &'static str) -> Result<(), PackedError> {
    if holds { Ok(()) } else { Err(PackedError::Fields(what)) }
}

/// Refuses a layer that does not make rows of `outputs` values of rows of `inputs`, in `precision`.
pub(crate) fn ensure_linear(
    linear: &Linear,
    (outputs, inputs): (usize, usize),
    precision: Precision,
) -> Result<(), PackedError> {
    ensure(linear.has_shape(outputs, inputs), "a layer has not the size that the network's sizes give")?;
    ensure(linear.is_in(precision), "a layer is not in the network's precision")
}
