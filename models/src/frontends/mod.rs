//! Samples → features.

pub mod fbank;
pub mod raw_conv;
pub mod whisper_log_mel;
