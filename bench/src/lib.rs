//! What the benches and comparisons share: word error rates and the recordings they are taken on.

pub mod wer;
