//! Audio as clients send it: samples without a header, in messages of any length.

mod decoder;
mod format;

pub use decoder::Decoder;
pub use format::{AudioError, AudioFormat, ChannelMode, Encoding};
