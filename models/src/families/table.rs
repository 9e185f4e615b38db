//! The table of families.

use super::emformer::EmformerRnnt;
use super::helper::Helper;
use super::load::ModelFamily;
use super::moonshine::MoonshineFamily;

/// Every family of this crate.
pub static FAMILIES: &[&dyn ModelFamily] =
    &[&MoonshineFamily, &EmformerRnnt, &Helper("silero-vad"), &Helper("smart-turn")];

/// The family that manifests call `name`, of a table.
pub fn find<'f>(families: &[&'f dyn ModelFamily], name: &str) -> Option<&'f dyn ModelFamily> {
    families.iter().copied().find(|family| family.name() == name)
}
