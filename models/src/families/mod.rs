//! The kinds of models there are: which files they have, how they are loaded, what they can do.
//!
//! The table of families (`FAMILIES`) is the one place that names them all. A new family is a folder with an implementation of
//! `ModelFamily`, and a line of the table; a program can also bring families of its own, with a table of its own.

pub mod emformer;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
mod helper;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
mod load;
pub mod moonshine;
mod onnx_layers;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
mod packed;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub mod prepare;
pub mod silero;
pub mod smart_turn;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
mod table;

#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use emformer::commands;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use helper::Helper;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use load::{LoadError, LoadOptions, ModelFamily, Recognizer};
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use moonshine::{import_moonshine, prepare_moonshine};
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use packed::{damaged, mend, pack, verify};
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use table::{FAMILIES, find};
