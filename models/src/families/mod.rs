//! The kinds of models there are: which files they have, how they are loaded, what they can do.
//!
//! [`FAMILIES`] is the one place that names them all. A new family is a file that implements [`ModelFamily`], and a line of the
//! table; a program can also bring families of its own, with a table of its own.

pub mod commands;
mod emformer;
mod load;
mod moonshine;
mod packed;
mod silero;

pub use emformer::{EmformerRnnt, FILES as EMFORMER_FILES};
pub use load::{LoadError, LoadOptions, ModelFamily, Recognizer};
pub use moonshine::{MoonshineFamily, import_moonshine, prepare_moonshine};
pub use packed::{damaged, mend, pack, verify};
pub use silero::SileroVad;

/// Every family of this crate.
pub static FAMILIES: &[&dyn ModelFamily] = &[&MoonshineFamily, &EmformerRnnt, &SileroVad];

/// The family that manifests call `name`, of a table.
pub fn find<'f>(families: &[&'f dyn ModelFamily], name: &str) -> Option<&'f dyn ModelFamily> {
    families.iter().copied().find(|family| family.name() == name)
}
