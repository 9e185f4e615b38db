//! What the versions of the protocol share, and where they differ.

use super::closing::Closing;
use super::marks::{Mark, Marks};
use super::notes::Notes;
use crate::audio::{AudioFormat, ChannelMode};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use voxlane::{Event, StreamOptions};

/// Makes messages of a stream's events.
pub(super) trait Teller: Send {
    /// What an event is told as.
    fn tell(&mut self, event: &Event) -> Vec<Value>;

    /// What the answer to a marker is told as.
    fn reach(&mut self, mark: Mark) -> Vec<Value>;
}

/// What a client asks by a message of text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    /// The connection is to stay.
    KeepAlive,
    /// The open segment is to end: of all channels, or of one.
    Finalize(Option<usize>),
    /// Nothing more comes.
    Close,
    /// Changes: the phrases to listen for, if they change, or why that cannot be.
    Configure(Result<Option<Vec<String>>, String>),
}

/// What the two versions of the protocol do not share.
pub(super) trait Dialect: Send + Sync {
    /// The options of each stream.
    fn options(&self) -> &StreamOptions;

    /// The format of audio without a header.
    fn format(&self) -> Option<(AudioFormat, ChannelMode)>;

    /// How long a client may send nothing at all.
    fn patience(&self) -> Option<Duration>;

    /// What makes messages of a channel's events.
    fn teller(&self, channel: usize, channels: usize, marks: Arc<Marks>) -> Box<dyn Teller>;

    /// Reads a message of text.
    fn read(&self, text: &str) -> Result<Request, String>;

    /// What is told about a message that is none.
    fn unreadable(&self, description: &str, text: &str) -> Value;

    /// What is told about a change.
    fn configured(&self, keyterms: Option<&[String]>, done: Result<(), (&'static str, String)>) -> Value;

    /// What is told about an end of segments where no stream has begun.
    fn nothing_said(&self) -> Value;

    /// The error that goes before a close frame.
    fn error(&self, closing: &Closing) -> Value;

    /// The last message of a stream that ended well, if there is one.
    fn last(&self, audio: &Heard, notes: &Notes) -> Option<Value>;
}

/// What was heard in all.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    /// Of each channel.
    pub(super) seconds: f64,
    pub(super) channels: usize,
    /// Of the bytes of audio, in hexadecimal.
    pub(super) sha256: String,
}
