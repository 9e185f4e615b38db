//! What networks are, apart from file formats and from their execution: sizes, weights, limits, and what travels
//! between their parts.

pub mod emformer;
pub mod moonshine;
pub mod silero;
pub mod smart_turn;
