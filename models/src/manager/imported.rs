//! Models that a user brought: copied into the cache, with a manifest of their own beside them.

use super::cache::ModelDir;
use super::digest;
use super::error::ManagerError;
use super::leftovers::{self, import_folder};
use super::lock::lock;
use super::manifest::{FileEntry, Manifest, ModelEntry, is_plain};
use super::scratch::{self, Scratch};
use super::{Manager, ModelFiles};
use crate::regular;
use std::fs;
use std::io;
use std::path::Path;

/// What is known of an imported model, in its folder.
const MANIFEST_FILE: &str = "model.toml";
/// More than any manifest of one model has.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

impl Manager {
    /// Copies `files` of a model of the family `architecture`, each with its name in the cache, and makes them a model called `name`; one that was imported
    /// under that name before is replaced once all are copied.
    ///
    /// # Errors
    /// [`ManagerError::Name`] if the name is no plain file name or is one of the manifest's; [`ManagerError::Io`].
    pub fn import(
        &self,
        name: &str,
        architecture: &str,
        license: &str,
        files: &[(&str, &Path)],
    ) -> Result<ModelFiles, ManagerError> {
        let refused = |reason| ManagerError::Name { name: name.to_owned(), reason };
        if !is_plain(name) {
            return Err(refused("only letters, digits, '.', '_' and '-', and no '.' in front"));
        }
        if self.manifest.model(name).is_some() {
            return Err(refused("a model of the manifest is called so"));
        }
        let mut entry = ModelEntry {
            name: name.to_owned(),
            architecture: architecture.to_owned(),
            imported: true,
            description: "imported".to_owned(),
            license: license.to_owned(),
            sample: None,
            hub: None,
            npm: None,
            pypi: None,
            files: Vec::new(),
        };
        for (name, path) in files {
            entry.files.push(describe(name, path)?);
        }
        leftovers::remove(&self.root);
        let _lock = lock(&self.root, &entry.name, &mut ())?;
        let scratch = Scratch::new(&import_folder(&self.root, &entry.name))?;
        let copies = ModelDir::at(scratch.path().to_path_buf(), &entry);
        for (file, (_, path)) in entry.files.iter().zip(files) {
            let mut content = regular::open(path).map_err(ManagerError::io("open", *path))?;
            copies.receive(file, &mut content, &mut ())?;
        }
        let manifest = Manifest { models: vec![entry.clone()] };
        let text = toml::to_string_pretty(&manifest)
            .map_err(|error| ManagerError::Manifest { reason: error.to_string() })?;
        let manifest_file = scratch.path().join(MANIFEST_FILE);
        fs::write(&manifest_file, text).map_err(ManagerError::io("write", &manifest_file))?;
        let dir = ModelDir::new(&self.root, &entry);
        scratch::remove(dir.path()).map_err(ManagerError::io("replace", dir.path()))?;
        fs::rename(scratch.path(), dir.path()).map_err(ManagerError::io("move into place", dir.path()))?;
        Ok(ModelFiles::new(&entry, dir.path()))
    }
}

/// The imported model called `name`.
pub(super) fn find(root: &Path, name: &str) -> Result<Option<ModelEntry>, ManagerError> {
    if !is_plain(name) {
        return Ok(None);
    }
    let file = root.join("models").join(name).join(MANIFEST_FILE);
    match regular::read(&file, MAX_MANIFEST_BYTES) {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            Ok(Manifest::parse(&text)?.models.into_iter().find(|entry| entry.name == name))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(ManagerError::io("read", file)(error)),
    }
}

/// All imported models, by name; damaged ones are left out.
pub(super) fn all(root: &Path) -> Vec<ModelEntry> {
    let folders = fs::read_dir(root.join("models")).into_iter().flatten().flatten();
    let mut names: Vec<_> = folders.filter_map(|folder| folder.file_name().into_string().ok()).collect();
    names.sort();
    names.iter().filter_map(|name| find(root, name).ok().flatten()).collect()
}

fn describe(name: &str, path: &Path) -> Result<FileEntry, ManagerError> {
    let file = regular::open(path).map_err(ManagerError::io("open", path))?;
    let content = digest::content_of(file).map_err(ManagerError::io("read", path))?;
    let sha256 = content.sha256.unwrap_or_default();
    Ok(FileEntry { name: name.to_owned(), bytes: content.bytes, sha256, hub: None, npm: None, pypi: None })
}

#[cfg(test)]
mod tests {
    use super::super::{Options, State};
    use super::*;

    fn manager(root: &Path) -> Manager {
        let cache_dir = Some(root.to_path_buf());
        Manager::new(Options { cache_dir, from: None, offline: true }).unwrap()
    }

    #[test]
    fn an_imported_model_is_found_again_and_watched_like_the_others() {
        let root = tempfile::tempdir().unwrap();
        let manager = manager(root.path());
        let source = root.path().join("weights");
        fs::write(&source, b"one").unwrap();
        let import = |name: &str| {
            let files = [("checkpoint.pt", &*source)];
            manager.import(name, "emformer-rnnt", "MIT", &files)
        };
        let first = import("mine").unwrap();
        assert_eq!(fs::read(first.path("checkpoint.pt")).unwrap(), b"one");
        for found in [manager.path("mine"), manager.fetch("mine", &mut ()), manager.verify("mine")] {
            assert_eq!(found.unwrap().digest(), first.digest());
        }
        assert!(
            manager
                .list()
                .iter()
                .any(|listing| listing.entry.name == "mine" && matches!(listing.state, State::Whole(_)))
        );
        let unknown = manager.entry("moonshine-huge").unwrap_err().to_string();
        assert!(
            ["moonshine-huge", "moonshine-tiny", "mine"].iter().all(|name| unknown.contains(name)),
            "{unknown}"
        );
        fs::write(&source, b"three").unwrap();
        assert_ne!(import("mine").unwrap().digest(), first.digest());
        fs::write(first.path("checkpoint.pt"), b"other").unwrap();
        assert!(matches!(manager.verify("mine").unwrap_err(), ManagerError::Corrupt { .. }));
        fs::remove_file(first.path("checkpoint.pt")).unwrap();
        assert!(matches!(manager.fetch("mine", &mut ()).unwrap_err(), ManagerError::Lost { .. }));
        for name in ["moonshine-tiny", "", "../mine", ".mine", "a b"] {
            assert!(matches!(import(name).unwrap_err(), ManagerError::Name { .. }), "{name}");
            assert!(find(root.path(), name).unwrap().is_none());
        }
        fs::remove_file(&source).unwrap();
        assert!(matches!(import("mine").unwrap_err(), ManagerError::Io { .. }));
    }
}
