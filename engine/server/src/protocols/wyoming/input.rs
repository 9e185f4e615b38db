//! The way in of a connection: frames, in time.

use super::frame::{Frame, FrameError, FrameLimits, Frames};
use crate::config::LimitsConfig;
use std::time::Duration;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, sleep_until, timeout};

/// The most that is read at a time, in bytes.
const PIECE_BYTES: usize = 16 << 10;

/// How long a client may take to see that nothing more is read.
const LINGER: Duration = Duration::from_secs(5);

/// The reason why there is no frame.
#[derive(Debug, Error)]
pub(super) enum InputError {
    /// What came is none.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The first one, or the rest of one, does not come.
    #[error("connection: a whole event did not come in time (expected within {} ms)", .0.as_millis())]
    Late(Duration),
}

impl InputError {
    /// The stable name of the problem.
    pub(super) fn code(&self) -> &'static str {
        match self {
            InputError::Frame(fault) => fault.code(),
            InputError::Late(_) => "protocol.late",
        }
    }
}

/// The way in of a connection.
pub(super) struct Input {
    from: OwnedReadHalf,
    frames: Frames,
    limit: Duration,
    /// Whether a frame has come.
    has_begun: bool,
    piece: Box<[u8; PIECE_BYTES]>,
}

impl Input {
    pub(super) fn new(from: OwnedReadHalf, limits: &LimitsConfig) -> Self {
        let frames = Frames::new(FrameLimits::from(limits));
        Input { from, frames, limit: limits.header(), has_begun: false, piece: Box::new([0; PIECE_BYTES]) }
    }

    /// Waits for the next frame; nothing if the client has gone, or says no more. A call that is given up loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, InputError> {
        let mut deadline = None;
        loop {
            if let Some(frame) = self.frames.next()? {
                self.has_begun = true;
                return Ok(Some(frame));
            }
            // Between frames there is time.
            if deadline.is_none() && (!self.has_begun || self.frames.is_within()) {
                deadline = Some(Instant::now() + self.limit);
            }
            let late = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = self.from.read(&mut self.piece[..]) => match read {
                    Ok(count) if count > 0 => self.frames.push(&self.piece[..count]),
                    // Of a connection that was cut nothing more comes either.
                    _ => return Ok(None),
                },
                () = late => return Err(InputError::Late(self.limit)),
            }
        }
    }

    /// Reads what the client still sends, for a while: closing now would reset the connection before it has read the last word.
    pub(super) async fn linger(mut self) {
        let end = async { while self.from.read(&mut self.piece[..]).await.is_ok_and(|count| count > 0) {} };
        // Whatever comes, or does not, the connection ends.
        let _ = timeout(LINGER, end).await;
    }
}
