//! Samples → features.

pub mod raw_conv;
