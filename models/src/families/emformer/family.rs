//! The family: how its models are found, loaded and packed.

use super::prepare::{Source, read};
use super::{Emformer, packed};
use crate::decode::{CtcGreedy, CtcPrefixBeam, DecodeKind, StreamStrategy, TransducerBeam, TransducerGreedy};
use crate::families::load::{LoadError, LoadOptions, ModelFamily, Recognizer};
use crate::families::prepare::{PrepareError, Prepared, pack, prepare};
use crate::formats::packed::{Origin, PackedError, PackedFile};
use crate::heads::transducer::Heads;
use crate::layers::linear::Precision;
use crate::manager::ModelFiles;
use crate::tokenizers::SentencePiece;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the files are called in the cache: checkpoint, tokens, statistics, configuration.
pub const FILES: [&str; 4] = ["checkpoint.pt", "tokens.model", "statistics.json", "config.json"];

/// Emformer transducers: a checkpoint of torchaudio, packed at the first start.
#[derive(Clone, Copy, Debug)]
pub struct EmformerRnnt;

impl ModelFamily for EmformerRnnt {
    fn name(&self) -> &'static str {
        "emformer-rnnt"
    }

    fn is_streaming(&self) -> bool {
        true
    }

    fn is_packed(&self) -> bool {
        true
    }

    fn check(&self, options: &LoadOptions) -> Result<(), LoadError> {
        options.on_processor()
    }

    fn load(
        &self,
        files: &ModelFiles,
        options: &LoadOptions,
        note: &mut dyn FnMut(&str),
    ) -> Result<Recognizer, LoadError> {
        let (model, tokens) = prepare(files, options.precision, note)?;
        recognizer(&model, tokens, options)
    }

    fn pack(&self, files: &ModelFiles, precision: Precision) -> Result<PathBuf, PrepareError> {
        pack::<(Emformer, SentencePiece)>(files, precision)
    }

    fn check_packed(&self, file: &PackedFile, origin: &Origin) -> Result<(), PackedError> {
        <(Emformer, SentencePiece)>::open(file, origin).map(drop)
    }
}

/// A network decoded as `options` say.
pub(super) fn recognizer(
    model: &Emformer,
    tokens: SentencePiece,
    options: &LoadOptions,
) -> Result<Recognizer, LoadError> {
    match options.decode {
        DecodeKind::Greedy => decoded::<TransducerGreedy>(model, tokens, options),
        DecodeKind::Beam => decoded::<TransducerBeam<4>>(model, tokens, options),
        DecodeKind::CtcGreedy => decoded::<CtcGreedy>(model, tokens, options),
        DecodeKind::CtcBeam => decoded::<CtcPrefixBeam<4>>(model, tokens, options),
    }
}

fn decoded<S: StreamStrategy<Heads>>(
    model: &Emformer,
    tokens: SentencePiece,
    options: &LoadOptions,
) -> Result<Recognizer, LoadError> {
    if S::NEEDS_CTC && !model.has_ctc() {
        return Err(LoadError::Decode { reason: "it has no CTC head" });
    }
    Ok(Recognizer::shared(model.decoded_by::<S>(), Arc::new(tokens), options))
}

impl<S> Prepared for (Emformer<S>, SentencePiece) {
    fn import(files: &ModelFiles, precision: Precision) -> Result<Self, PrepareError> {
        let not_packable = || PrepareError::NotPackable { model: files.model().to_owned() };
        let (weights, tokens) = read(&source(files).ok_or_else(not_packable)?)?;
        Ok((Emformer::new(&weights, precision), tokens))
    }

    fn write(&self, file: &Path, origin: &Origin) -> Result<(), PackedError> {
        packed::write(file, origin, &self.0, &self.1)
    }

    fn open(file: &PackedFile, origin: &Origin) -> Result<Self, PackedError> {
        packed::load(file, origin)
    }
}

/// Where a model's files are; `None` if it is of another family.
fn source(files: &ModelFiles) -> Option<Source> {
    let [checkpoint, tokens, statistics, config] = FILES.map(|name| files.get(name).map(Path::to_path_buf));
    Some(Source { checkpoint: checkpoint?, tokens: tokens?, statistics, config })
}
