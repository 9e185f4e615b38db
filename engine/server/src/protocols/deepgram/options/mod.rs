//! What a client asks for in its query: one table of all options, and what each route makes of them.

mod phrases;
mod query;
mod rows;
mod speech;

pub(super) use phrases::{hotwords, phrases};
pub(super) use query::{Query, Route};
pub use rows::{OPTIONS, OptionRow, Treatment, table};
pub(super) use speech::{language, raw_format};
