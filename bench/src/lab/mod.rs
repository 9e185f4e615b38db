//! The latency lab: experiments that measure one idea each, beside what else could have been used.

pub mod links;
pub mod rings;
