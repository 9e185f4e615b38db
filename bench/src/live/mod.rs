//! Live streams from outside: recordings joined to conversations, fed in real time on an absolute schedule,
//! and what the events say about latency, stability and accuracy.

pub mod conversation;
pub mod feed;
pub mod figures;
pub mod flood;
pub mod replay;
