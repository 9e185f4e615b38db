//! The bytes of a file on their way from a client to the disk.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use tempfile::NamedTempFile;
use thiserror::Error;
use tokio::task::spawn_blocking;

/// Bytes that are collected in memory before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// What the file is called in messages about it.
const NAME: &str = "file";

/// The reason why an upload is not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UploadError {
    /// It is too long.
    #[error("file: too long (expected at most {most} bytes)")]
    TooLarge {
        /// The most bytes that are taken.
        most: usize,
    },
    /// It cannot be kept.
    #[error("file: cannot be kept by the server: {0}")]
    Io(#[from] io::Error),
}

/// A file that is being uploaded.
pub struct Writing {
    /// Gone while a thread has it, and for good if that failed.
    file: Option<NamedTempFile>,
    buffer: Vec<u8>,
    written: usize,
    most: usize,
}

/// A file that was uploaded, in the system's folder for what is temporary: it goes with the last clone.
#[derive(Clone, Debug)]
pub struct Upload {
    file: Arc<NamedTempFile>,
    bytes: usize,
}

impl Writing {
    /// Begins a file of at most `most` bytes.
    ///
    /// # Errors
    /// [`UploadError::Io`] if there can be no file.
    pub async fn begin(most: usize) -> Result<Self, UploadError> {
        let file = blocking(NamedTempFile::new).await?;
        Ok(Writing { file: Some(file), buffer: Vec::new(), written: 0, most })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`UploadError::TooLarge`], or [`UploadError::Io`] if they cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        if self.written + self.buffer.len() + bytes.len() > self.most {
            return Err(UploadError::TooLarge { most: self.most });
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`UploadError::Io`] if it cannot be written.
    pub async fn finish(mut self) -> Result<Upload, UploadError> {
        self.flush().await?;
        let file = self.file.take().ok_or_else(gone)?;
        Ok(Upload { file: Arc::new(file), bytes: self.written })
    }

    async fn flush(&mut self) -> Result<(), UploadError> {
        let mut file = self.file.take().ok_or_else(gone)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        self.written += buffer.len();
        (self.file, self.buffer) = blocking(move || {
            file.write_all(&buffer)?;
            buffer.clear();
            Ok((Some(file), buffer))
        })
        .await?;
        Ok(())
    }
}

impl Upload {
    /// Returns the number of bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Opens it at its start. Blocks.
    pub(super) fn open(&self) -> io::Result<File> {
        self.file.reopen()
    }

    /// Returns what it is called in messages.
    pub(super) fn name(&self) -> &'static Path {
        Path::new(NAME)
    }
}

/// A write that failed took the file with it.
fn gone() -> io::Error {
    io::Error::other("an earlier write failed")
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    // A thread that panicked, or the end of the server.
    spawn_blocking(act).await.unwrap_or_else(|_| Err(io::Error::other("the server is being stopped")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use tokio::runtime::Runtime;

    #[test]
    fn bytes_go_to_a_file_that_goes_with_the_upload() {
        Runtime::new().unwrap().block_on(async {
            let mut writing = Writing::begin(1 << 20).await.unwrap();
            let part = vec![7; 100_000];
            for _ in 0..5 {
                writing.write(&part).await.unwrap();
            }
            let upload = writing.finish().await.unwrap();
            let mut read = Vec::new();
            upload.open().unwrap().read_to_end(&mut read).unwrap();
            assert_eq!((read.len(), upload.bytes()), (500_000, 500_000));
            let path = upload.file.path().to_path_buf();
            drop(upload);
            assert!(!path.exists());
        });
    }

    #[test]
    fn too_many_bytes_are_refused() {
        Runtime::new().unwrap().block_on(async {
            let mut writing = Writing::begin(10).await.unwrap();
            writing.write(&[0; 10]).await.unwrap();
            let error = writing.write(&[0]).await.unwrap_err();
            assert!(matches!(error, UploadError::TooLarge { most: 10 }));
        });
    }
}
