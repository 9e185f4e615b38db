//! The number formats of weights.

use crate::formats::packed::{Packed, PackedError, Reader, Writer};

/// How the weights of a layer are stored and multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "&'static str")]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats, as trained.
    #[default]
    F32,
    /// 8-bit weights with a scale for each output, inputs rounded to 8 bits with a scale for each row, exact
    /// integer sums: a quarter of the bytes. The best token is still that of the exact output projection.
    Int8,
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: [Precision; 2] = [Precision::F32, Precision::Int8];

    /// As configurations spell it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Int8 => "int8",
        }
    }
}

/// A word that names no precision, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrecisionError {
    /// 4-bit weights are not offered.
    #[error(
        "precision \"int4\": not offered, because with 4-bit weights the word error rate rises by more than 0.3 points \
         (expected \"int8\" or \"f32\")"
    )]
    Int4,
    /// Weights in bf16 are not offered on the processor.
    #[error(
        "precision \"bf16\": not offered on the processor, because it is hardly faster than \"f32\" and \"int8\" takes \
         half the time (expected \"int8\" or \"f32\")"
    )]
    Bf16,
    /// Nothing is called that.
    #[error("precision \"{0}\": unknown (expected \"int8\" or \"f32\")")]
    Unknown(String),
}

impl std::str::FromStr for Precision {
    type Err = PrecisionError;

    fn from_str(name: &str) -> Result<Self, PrecisionError> {
        match (Precision::ALL.into_iter().find(|precision| precision.name() == name), name) {
            (Some(precision), _) => Ok(precision),
            (None, "int4") => Err(PrecisionError::Int4),
            (None, "bf16") => Err(PrecisionError::Bf16),
            (None, _) => Err(PrecisionError::Unknown(name.to_owned())),
        }
    }
}

impl TryFrom<String> for Precision {
    type Error = PrecisionError;

    fn try_from(name: String) -> Result<Self, PrecisionError> {
        name.parse()
    }
}

impl From<Precision> for &'static str {
    fn from(precision: Precision) -> Self {
        precision.name()
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Packed for Precision {
    fn save(&self, writer: &mut Writer) {
        self.name().to_owned().save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        String::load(reader)?.parse().map_err(|_| PackedError::Fields("there is no precision of that name"))
    }
}
