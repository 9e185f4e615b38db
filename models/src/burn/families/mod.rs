//! Whole networks.

pub mod moonshine;
