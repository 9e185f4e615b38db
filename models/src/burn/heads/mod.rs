//! Hidden frames → tokens.

pub mod attention;
