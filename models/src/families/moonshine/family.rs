//! The family: how its models are found, loaded and packed.

use super::files::import_moonshine;
use super::{Moonshine, packed};
use crate::decode::{AttentionGreedy, AttentionVerified, DecodeKind, DecodeStrategy};
use crate::device::Backend;
use crate::families::load::{LoadError, LoadOptions, ModelFamily, Recognizer};
use crate::families::prepare::{PrepareError, Prepared, pack, prepare};
use crate::formats::packed::{Origin, PackedError, PackedFile};
use crate::layers::linear::Precision;
use crate::manager::ModelFiles;
use crate::tokenizers::Tokenizer;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Moonshine: two ONNX files and a tokenizer, packed at the first start, on the processor or on Burn.
#[derive(Clone, Copy, Debug)]
pub struct MoonshineFamily;

impl ModelFamily for MoonshineFamily {
    fn name(&self) -> &'static str {
        "moonshine"
    }

    fn is_packed(&self) -> bool {
        true
    }

    fn check(&self, options: &LoadOptions) -> Result<(), LoadError> {
        if options.decode != DecodeKind::Greedy {
            return Err(LoadError::Decode { reason: "it is decoded greedily" });
        }
        let is_built = options.backend == Backend::Cpu || is_built(options);
        if is_built { Ok(()) } else { Err(LoadError::not_built(options)) }
    }

    fn load(
        &self,
        files: &ModelFiles,
        options: &LoadOptions,
        note: &mut dyn FnMut(&str),
    ) -> Result<Recognizer, LoadError> {
        if options.backend != Backend::Cpu {
            return on_device(files, options);
        }
        let (model, vocabulary): (Moonshine<AttentionVerified>, Tokenizer) =
            prepare(files, options.precision, note)?;
        Ok(Recognizer::shared(model, Arc::new(vocabulary), options))
    }

    fn pack(&self, files: &ModelFiles, precision: Precision) -> Result<PathBuf, PrepareError> {
        pack::<(Moonshine<AttentionGreedy>, Tokenizer)>(files, precision)
    }

    fn check_packed(&self, file: &PackedFile, origin: &Origin) -> Result<(), PackedError> {
        <(Moonshine<AttentionGreedy>, Tokenizer)>::open(file, origin).map(drop)
    }
}

#[cfg(any(feature = "cuda", feature = "flex", feature = "wgpu"))]
use super::device::{is_built, on_device};

#[cfg(not(any(feature = "cuda", feature = "flex", feature = "wgpu")))]
fn is_built(_: &LoadOptions) -> bool {
    false
}

/// No backend of Burn is built in.
#[cfg(not(any(feature = "cuda", feature = "flex", feature = "wgpu")))]
fn on_device(_: &ModelFiles, options: &LoadOptions) -> Result<Recognizer, LoadError> {
    Err(LoadError::not_built(options))
}

impl<S: DecodeStrategy> Prepared for (Moonshine<S>, Tokenizer) {
    fn import(files: &ModelFiles, precision: Precision) -> Result<Self, PrepareError> {
        let (weights, tokenizer) = import_moonshine(files)?;
        Ok((Moonshine::new(&weights, precision), tokenizer))
    }

    fn write(&self, file: &Path, origin: &Origin) -> Result<(), PackedError> {
        packed::write(file, origin, &self.0, &self.1)
    }

    fn open(file: &PackedFile, origin: &Origin) -> Result<Self, PackedError> {
        packed::load(file, origin)
    }
}

/// A network decoded by `S`, and its vocabulary, by way of a packed file: see [`prepare`].
///
/// # Errors
/// [`PrepareError`].
pub fn prepare_moonshine<S: DecodeStrategy>(
    files: &ModelFiles,
    precision: Precision,
    note: &mut dyn FnMut(&str),
) -> Result<(Moonshine<S>, Tokenizer), PrepareError> {
    prepare(files, precision, note)
}
