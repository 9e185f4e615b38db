//! A small model with every kind of source, and a world of its own for each test.

use crate::server::Server;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use voxlane_models::manager::{Manager, Manifest, Network, Options, Progress};
use zip::write::SimpleFileOptions;

/// The path of `weights.bin` on the hub, as a request names it.
pub const WEIGHTS_URL: &str = "/maker/toy/resolve/v1/onnx/weights.bin";
/// The path of `weights.bin` in the npm package.
pub const WEIGHTS_MEMBER: &str = "package/dist/weights.bin";
/// The path of `words.txt` in the wheel.
pub const WORDS_MEMBER: &str = "toy/assets/words.txt";

/// The content of `weights.bin`: long enough to arrive in many pieces, and not to be compressed away.
pub fn weights() -> Vec<u8> {
    let mut state = 1_u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..700_001).map(step).collect()
}

/// The content of `words.txt`.
pub fn words() -> Vec<u8> {
    b"ever tried ever failed\n".repeat(40)
}

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The manifest that has the toy.
pub fn manifest() -> Manifest {
    let (weights, words) = (weights(), words());
    let text = format!(
        r#"
        [[model]]
        name = "toy"
        architecture = "moonshine"
        description = "A toy"
        licence = "MIT"
        sample = "words.txt"
        hub = {{ repository = "maker/toy", revision = "v1" }}
        npm = "@maker/toy@1.2.3"
        pypi = "toy==4.5"
        [[model.file]]
        name = "weights.bin"
        bytes = {}
        sha256 = "{}"
        hub = "onnx/weights.bin"
        npm = "{WEIGHTS_MEMBER}"
        [[model.file]]
        name = "words.txt"
        bytes = {}
        sha256 = "{}"
        pypi = "{WORDS_MEMBER}"
        "#,
        weights.len(),
        hash(&weights),
        words.len(),
        hash(&words),
    );
    Manifest::parse(&text).unwrap()
}

/// A cache, a folder of clients and perhaps a hub.
pub struct World {
    folder: TempDir,
    pub endpoint: String,
    /// Certificates that the hub is trusted by.
    pub certificates: Option<PathBuf>,
}

impl World {
    /// One with no client installed and a hub that refuses connections.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        // A port that was free a moment ago and that nobody listens on.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        World { folder, endpoint, certificates: None }
    }

    /// The same with `server` as its hub.
    pub fn with_hub(server: &Server) -> Self {
        World { endpoint: server.endpoint(), ..World::new() }
    }

    /// The path of `name` in this world's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the cache keeps `file`.
    pub fn cached(&self, file: &str) -> PathBuf {
        self.path("cache/models/toy").join(file)
    }

    /// Options that use this world's cache.
    pub fn options(&self) -> Options {
        Options { cache_dir: Some(self.path("cache")), ..Options::default() }
    }

    /// A manager of the toy with default options.
    pub fn manager(&self) -> Manager {
        self.manager_with(self.options())
    }

    /// A manager of the toy.
    pub fn manager_with(&self, options: Options) -> Manager {
        Manager::new(options).unwrap().with_manifest(manifest()).with_network(Network {
            hub_endpoint: Some(self.endpoint.clone()),
            hub_token: Some("secret".to_string()),
            certificates: self.certificates.clone(),
            search_path: Some(self.path("bin").into_os_string()),
        })
    }

    /// Installs a client that leaves `archive`, or that fails if there is none.
    pub fn install(&self, client: &str, archive: Option<Vec<u8>>) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manager/fake-client");
        symlink(script, self.path("bin").join(client)).unwrap();
        if let Some(archive) = archive {
            fs::write(self.path("bin").join(format!("{client}.archive")), archive).unwrap();
        }
    }

    /// Installs a pip that leaves a good wheel.
    pub fn install_pip(&self) {
        self.install("pip", Some(wheel(WORDS_MEMBER, &words())));
    }

    /// How a client was called, one line a call.
    pub fn calls(&self, client: &str) -> Vec<String> {
        let calls = fs::read_to_string(self.path("bin").join(format!("{client}.calls"))).unwrap_or_default();
        calls.lines().map(str::to_string).collect()
    }

    /// Asserts that both files are in the cache and right, and that nothing else was left there.
    pub fn assert_whole(&self) {
        assert_eq!(fs::read(self.cached("weights.bin")).unwrap(), weights());
        assert_eq!(fs::read(self.cached("words.txt")).unwrap(), words());
        assert_eq!(self.listing(), ["verified.json", "weights.bin", "words.txt"]);
    }

    /// The names in the model's folder in the cache.
    pub fn listing(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cached("")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// An npm package with these members.
pub fn npm_package(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A wheel with a package description and one more member.
pub fn wheel(path: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in [("toy/__init__.py", &b""[..]), (path, content)] {
        zip.start_file(path, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Changes one byte of a file and leaves its length and modification time as they were.
pub fn flip_a_byte_unseen(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[100] ^= 1;
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

/// Keeps what it hears.
#[derive(Default)]
pub struct Ear {
    pub notes: Vec<String>,
    pub last: Vec<(String, u64, u64)>,
}

impl Progress for Ear {
    fn advance(&mut self, file: &str, done: u64, total: u64) {
        match self.last.iter_mut().find(|(name, ..)| name == file) {
            Some(last) => *last = (file.to_string(), done, total),
            None => self.last.push((file.to_string(), done, total)),
        }
    }

    fn note(&mut self, message: &str) {
        self.notes.push(message.to_string());
    }
}
