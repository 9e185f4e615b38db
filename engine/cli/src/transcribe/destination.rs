//! Where results go: standard output, or a file each in a folder.

use super::update::Track;
use crate::failure::Failure;
use crate::text::printable;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// See the module.
pub enum Destination<'a> {
    /// All results one behind the other.
    Stream(&'a mut dyn Write),
    /// A file for each track.
    Folder(Folder),
}

/// A folder that results are written to: `talk.mp3` becomes `talk.srt`, its second channel `talk.2.srt`.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    ending: &'static str,
    may_overwrite: bool,
    /// The name of the present track's file, and the file once there is something to write: a recording that cannot be
    /// read leaves none behind.
    present: Option<(PathBuf, Option<BufWriter<File>>)>,
}

impl Destination<'_> {
    /// Begins the results of a track.
    pub fn begin(&mut self, track: &Track) {
        if let Destination::Folder(folder) = self {
            folder.present = Some((folder.result(track), None));
        }
    }

    /// Writes to where the results of the present track go.
    ///
    /// # Errors
    /// If its file cannot be made or written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Destination::Stream(out) => out.write_all(bytes).and_then(|()| out.flush())?,
            Destination::Folder(_) if bytes.is_empty() => {}
            Destination::Folder(folder) => {
                if let Some(file) = folder.file()? {
                    file.write_all(bytes).and_then(|()| file.flush())?;
                }
            }
        }
        Ok(())
    }

    /// Ends the results of the present track: its file is there, even if there was nothing to write.
    ///
    /// # Errors
    /// If its file cannot be made.
    pub fn end(&mut self) -> Result<(), Failure> {
        if let Destination::Folder(folder) = self {
            folder.file()?;
            folder.present = None;
        }
        Ok(())
    }
}

impl Folder {
    /// Makes the folder if it is not there, and finds out whether the results of `files` can be written.
    ///
    /// # Errors
    /// If two results would have the same name, or one the name of a file that is there and may not be overwritten.
    pub fn new(
        path: &Path,
        ending: &'static str,
        may_overwrite: bool,
        files: &[PathBuf],
        has_channels: bool,
    ) -> Result<Self, Failure> {
        let folder = Folder { path: path.to_path_buf(), ending, may_overwrite, present: None };
        let mut sources = HashMap::new();
        for file in files {
            let channel = has_channels.then_some(1);
            let result = folder.result(&Track { path: file.clone(), channel });
            if let Some(other) = sources.insert(result.clone(), file) {
                let (result, other, file) = (printable(&result), printable(other), printable(file));
                return Err(Failure::usage(
                    format!("--output: {other} and {file} would both be written to {result}"),
                    "give them one after the other, each with a folder of its own",
                ));
            }
            if !may_overwrite && result.symlink_metadata().is_ok() {
                return Err(is_there(&result));
            }
            if is_same(&result, file) {
                return Err(Failure::usage(
                    format!("--output: {} would be overwritten by its own text", printable(file)),
                    "name another folder",
                ));
            }
        }
        fs::create_dir_all(path).map_err(|error| cannot_write(path, &error))?;
        Ok(folder)
    }

    /// The file that a track's results are written to.
    fn result(&self, track: &Track) -> PathBuf {
        let name =
            if super::input::is_standard(&track.path) { "stdin".as_ref() } else { track.path.as_path() };
        let mut result = OsString::from(name.file_stem().unwrap_or(name.as_os_str()));
        if let Some(channel) = track.channel {
            result.push(format!(".{channel}"));
        }
        result.push(".");
        result.push(self.ending);
        self.path.join(result)
    }

    /// The file of the present track, which is made if it is not there.
    fn file(&mut self) -> Result<Option<&mut BufWriter<File>>, Failure> {
        let Some((result, file)) = &mut self.present else { return Ok(None) };
        if file.is_none() {
            let mut options = File::options();
            options.write(true);
            if self.may_overwrite {
                options.create(true).truncate(true)
            } else {
                options.create_new(true)
            };
            *file = match options.open(&*result) {
                Ok(file) => Some(BufWriter::new(file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(is_there(result)),
                Err(error) => return Err(cannot_write(result, &error)),
            };
        }
        Ok(file.as_mut())
    }
}

fn is_there(result: &Path) -> Failure {
    Failure::usage(format!("--output: {} is there already", printable(result)), "--overwrite replaces it")
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("--output {}: {error}", printable(path)), "name a folder that can be written to")
}

fn is_same(result: &Path, file: &Path) -> bool {
    matches!((result.canonicalize(), file.canonicalize()), (Ok(result), Ok(file)) if result == file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &Path, may_overwrite: bool, files: &[&str]) -> Result<Folder, Failure> {
        let files: Vec<_> = files.iter().map(PathBuf::from).collect();
        Folder::new(path, "srt", may_overwrite, &files, false)
    }

    #[test]
    fn names_come_from_the_recordings() {
        let root = tempfile::tempdir().unwrap();
        let made = root.path().join("a/b");
        let folder = folder(&made, false, &["x/talk.one.mp3", "-"]).unwrap();
        assert!(made.is_dir());
        let result = |path: &str, channel| folder.result(&Track { path: path.into(), channel });
        assert_eq!(result("x/talk.one.mp3", None), made.join("talk.one.srt"));
        assert_eq!(result("talk", Some(2)), made.join("talk.2.srt"));
        assert_eq!(result("-", None), made.join("stdin.srt"));
    }

    #[test]
    fn nothing_is_overwritten_unasked() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("talk.srt"), "mine").unwrap();
        let message = |result: Result<Folder, Failure>| result.unwrap_err().to_string();
        assert!(message(folder(root.path(), false, &["talk.mp3"])).contains("is there already"));
        assert!(message(folder(root.path(), true, &["a/talk.mp3", "b/talk.wav"])).contains("both"));
        let own = root.path().join("talk.srt");
        assert!(message(folder(root.path(), true, &[own.to_str().unwrap()])).contains("its own text"));
        assert!(folder(root.path(), true, &["talk.mp3"]).is_ok());
        assert_eq!(fs::read_to_string(own).unwrap(), "mine");
    }
}
