//! What the benches and comparisons share: word error rates, the recordings they are taken on, and the two ways
//! to run our engine on a recording: as a user would, or part by part on the calling thread.

pub mod alignment;
pub mod bootstrap;
#[cfg(target_arch = "x86_64")]
pub mod ceiling;
pub mod commands;
pub mod lab;
pub mod live;
pub mod load;
pub mod passes;
pub mod recognizer;
pub mod recordings;
pub mod robustness;
pub mod spoken;
pub mod stopwatch;
pub mod timing;
pub mod versions;
pub mod wav;
pub mod wer;
