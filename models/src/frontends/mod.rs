//! Samples → features.

pub mod fbank;
pub mod raw_conv;
