//! What the machine offers to threads that must be on time, read from the operating system.
//!
//! Reading never fails as a whole: what the system does not say is `None`. On systems other than Linux only
//! [`allowed_cores`] and [`gaps`] have answers.
//!
//! ```
//! use voxlane_runtime::host;
//!
//! let topology = host::cores();
//! let allowed = topology.ids(|core| core.is_allowed);
//! assert_eq!(Some(&allowed), host::allowed_cores().as_ref());
//! // One core of each pair of hyper-threads.
//! let apart = topology.ids(|core| core.is_allowed && core.siblings.first() == Some(&core.id));
//! assert!(apart.len() <= allowed.len());
//! ```

pub mod cgroup;
pub mod core_list;
pub mod fork;
pub mod gaps;
pub mod limits;
pub mod memory;
pub mod system;
pub mod thread;
pub mod topology;

use std::path::PathBuf;

pub use topology::{Core, Topology};

/// Returns the cores that the calling thread may run on, in rising order: its affinity mask. Ask from a thread that is
/// not pinned. `None` where the system does not say.
pub fn allowed_cores() -> Option<Vec<usize>> {
    let mut cores: Vec<usize> = core_affinity::get_core_ids()?.into_iter().map(|core| core.id).collect();
    cores.sort_unstable();
    Some(cores)
}

/// Returns the cores of this machine, see [`Topology::read`].
pub fn cores() -> Topology {
    Topology::read(&Root::system(), allowed_cores())
}

/// The folder of the kernel's files: `/`, or a copy of it.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// Returns the root of the running system.
    pub fn system() -> Self {
        Root(PathBuf::from("/"))
    }

    /// Returns the root of a copy, for tests and for another machine's files.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Root(folder.into())
    }

    /// An empty folder, to be filled by [`put`](Self::put); it lives as long as the first of the two.
    #[cfg(test)]
    pub(crate) fn scratch() -> (tempfile::TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        (folder, root)
    }

    /// Writes a file, with the folders that it is in.
    #[cfg(test)]
    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Returns the text of a file without the white space around it; `None` if it cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.0.join(path.trim_start_matches('/'))).ok()?;
        Some(text.trim().to_owned())
    }
}
