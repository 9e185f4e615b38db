//! Opening files that must be regular ones: a named pipe in place of a model file would wait forever.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// The file at `path`, opened for reading.
///
/// # Errors
/// Where it cannot be opened, or is a directory, a named pipe, a socket or a device; such a file is never waited for.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_with(path, File::options().read(true))
}

/// As [`open`], with other options.
pub(crate) fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(metadata) => check(metadata.file_type())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Somebody may exchange the file after that look: the open must not wait then, nor what is open be used.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// The file at `path`, emptied or made, opened for writing.
///
/// # Errors
/// As [`open`].
#[cfg(feature = "fetch")]
pub(crate) fn create(path: &Path) -> io::Result<File> {
    open_with(path, File::options().write(true).create(true).truncate(true))
}

/// The content of the file at `path`, of at most `limit` bytes.
///
/// # Errors
/// As [`open`]; where the file is longer, or there is no memory for it.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let bytes = file.metadata()?.len();
    let mut content = Vec::new();
    let room = usize::try_from(bytes.min(limit)).map_err(io::Error::other)?;
    content.try_reserve_exact(room)?;
    // One byte more than allowed shows that it grew beyond.
    file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        let problem = format!("too long (expected at most {limit} bytes, found {bytes})");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(content)
}

/// Refuses what is no regular file.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`], saying what it is.
pub(crate) fn check(found: FileType) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let problem = format!("not a regular file (found {})", name(found));
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

fn name(found: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if found.is_fifo() {
            return "a named pipe";
        }
        if found.is_socket() {
            return "a socket";
        }
        if found.is_block_device() || found.is_char_device() {
            return "a device";
        }
    }
    if found.is_dir() { "a directory" } else { "something else" }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, found) in [
            (&*pipe, "a named pipe"),
            (&*socket, "a socket"),
            (folder.path(), "a directory"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let problem = format!("not a regular file (found {found})");
            assert_eq!(open(path).unwrap_err().to_string(), problem);
            assert_eq!(read(path, 10).unwrap_err().to_string(), problem);
            assert_eq!(open_with(path, File::options().append(true)).unwrap_err().to_string(), problem);
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [7; 11]).unwrap();
        assert_eq!(read(file.path(), 11).unwrap(), [7; 11]);
        let error = read(file.path(), 10).unwrap_err().to_string();
        assert_eq!(error, "too long (expected at most 10 bytes, found 11)");
    }
}
