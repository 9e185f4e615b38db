//! Hidden frames → tokens.

pub mod attention;
pub mod transducer;
