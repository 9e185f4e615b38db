//! The network that is measured.

use anyhow::{Result, bail};
use std::sync::Arc;
use voxlane::config::DecodeKind;
use voxlane::{Config, Engine};
use voxlane_models::families::commands;
use voxlane_models::families::emformer::Emformer;
use voxlane_models::families::prepare::prepare;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;
use voxlane_models::tokenizers::SentencePiece;

/// A network with the words of its tokens.
pub struct Commands {
    /// As engines know it.
    name: String,
    /// Decoded greedily; [`Emformer::decoded_by`] gives the others.
    pub network: Emformer,
    /// Tokens → text.
    pub vocabulary: Arc<SentencePiece>,
}

/// The network of this name: the built-in one, or one that was imported with `voxlane models import`.
///
/// # Errors
/// If there is none, or it is of another kind or without a CTC head.
pub fn load(name: &str, precision: Precision) -> Result<Commands> {
    let (network, vocabulary) = if name == commands::NAME {
        commands::load(precision)?
    } else {
        let files = manager::fetch(name)?;
        if files.architecture() != "emformer-rnnt" {
            bail!("{name} does not take audio in chunks");
        }
        prepare(&files, precision, &mut |_| {})?
    };
    let network: Emformer = network;
    if !network.has_ctc() {
        bail!("{name} has no CTC head");
    }
    Ok(Commands { name: name.to_owned(), network, vocabulary: Arc::new(vocabulary) })
}

impl Commands {
    /// An engine that runs it as `config` says of everything else.
    ///
    /// # Errors
    /// If the engine does not start.
    pub fn engine(&self, decode: DecodeKind, config: Config) -> Result<Engine> {
        let (model, precision) = (self.name.clone(), self.network.precision());
        Ok(Engine::start(Config { model, precision, decode, ..config })?)
    }
}
