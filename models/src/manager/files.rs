//! The files of one model, by name.

use super::digest;
use super::manifest::ModelEntry;
use std::path::{Path, PathBuf};

/// The files of a model that is at hand.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    dir: PathBuf,
    files: Vec<(String, PathBuf)>,
    sample: Option<String>,
    model: String,
    architecture: String,
    /// SHA-256 of each file, in the order of the manifest.
    hashes: Vec<String>,
}

impl ModelFiles {
    pub(super) fn new(entry: &ModelEntry, dir: &Path) -> Self {
        let files = entry.files.iter().map(|file| (file.name.clone(), dir.join(&file.name))).collect();
        let hashes = entry.files.iter().map(|file| file.sha256.clone()).collect();
        let (sample, model, architecture) =
            (entry.sample.clone(), entry.name.clone(), entry.architecture.clone());
        ModelFiles { dir: dir.to_path_buf(), files, sample, model, architecture, hashes }
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The name of its family.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// One SHA-256, in hexadecimal digits, of the SHA-256 of all files: says whether something was made from
    /// exactly these.
    pub fn digest(&self) -> String {
        digest::of(self.hashes.concat().as_bytes())
    }

    /// The folder that holds them all.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the file called `file` is; `None` if the model has none of that name.
    pub fn get(&self, file: &str) -> Option<&Path> {
        self.files.iter().find(|(name, _)| name == file).map(|(_, path)| path.as_path())
    }

    /// Where the file called `file` is.
    ///
    /// # Panics
    /// If the manifest names no such file for this model: the names are constants of the program. For names
    /// from elsewhere there is [`ModelFiles::get`].
    pub fn path(&self, file: &str) -> &Path {
        match self.get(file) {
            Some(path) => path,
            None => panic!("{}: the manifest names no file {file:?} for the model", self.dir.display()),
        }
    }

    /// A recording to try the model with, if it comes with one.
    pub fn sample(&self) -> Option<&Path> {
        self.get(self.sample.as_deref()?)
    }

    /// The names and paths of all files, in the order of the manifest.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.files.iter().map(|(name, path)| (name.as_str(), path.as_path()))
    }
}
