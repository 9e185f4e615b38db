//! What processes that were killed left in the cache.
//!
//! A download that broke off (`FILE.part`) is none: the next fetch goes on with it.

use super::lock::try_lock;
use super::scratch;
use crate::temporary;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a package client works, in the model's folder.
const PACKAGE_FOLDER: &str = ".package";
/// What the folder of an import is called until it takes the place of the model's: `.NAME.import`.
const IMPORT_ENDING: &str = ".import";

/// The folder in which a package client works for the model in `folder`.
pub fn package_folder(folder: &Path) -> PathBuf {
    folder.join(PACKAGE_FOLDER)
}

/// The folder in which the model called `name` is put together for the cache at `root`.
pub fn import_folder(root: &Path, name: &str) -> PathBuf {
    root.join("models").join(format!(".{name}{IMPORT_ENDING}"))
}

/// Removes from the cache at `root` what nobody is working on any more. What cannot be removed stays, which is logged.
pub fn remove(root: &Path) {
    for entry in fs::read_dir(root.join("models")).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let folder = entry.path();
        let import = name.strip_prefix('.').and_then(|name| name.strip_suffix(IMPORT_ENDING));
        if let Some(model) = import {
            remove_abandoned(root, model, &folder);
        } else if folder.is_dir() {
            temporary::remove_abandoned(&folder);
            let package = package_folder(&folder);
            if package.exists() {
                remove_abandoned(root, &name, &package);
            }
        }
    }
}

/// Removes `folder` unless another process works on `model`.
fn remove_abandoned(root: &Path, model: &str, folder: &Path) {
    let Some(_lock) = try_lock(root, model) else { return };
    match scratch::remove(folder) {
        Ok(()) => tracing::info!(path = %folder.display(), "removed what a killed process left"),
        Err(error) => tracing::warn!(path = %folder.display(), %error, "cannot remove a leftover"),
    }
}
