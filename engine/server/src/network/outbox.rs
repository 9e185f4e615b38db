//! The way out of a WebSocket: a bounded line of messages, and one last word.

use crate::close_code::ABNORMAL;
use crate::config::LimitsConfig;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a client that reads nothing more may take for the last word.
const LAST_LIMIT: Duration = Duration::from_secs(1);

/// The most bytes that may wait for a client, unless a single message has more: what it is sent may echo what it sent.
const UNSENT_BYTES: usize = 1 << 20;

/// The longest reason of a close frame, in bytes.
const REASON_BYTES: usize = 123;

/// The end of a WebSocket: a last message, maybe, and a close frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The close code.
    pub code: u16,
    /// The reason in the close frame; what is too long for one is cut off.
    pub reason: String,
    /// The last message.
    pub last: Option<String>,
    /// Whether the client does not read what it is sent: what waits for it is dropped.
    pub is_slow: bool,
}

/// The way out of a WebSocket. Clones share it.
#[derive(Clone)]
pub struct Outbox {
    messages: mpsc::Sender<Message>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Bytes that wait.
    unsent: AtomicUsize,
    ending: OnceLock<Ending>,
    has_ended: CancellationToken,
    /// What becomes of a client that does not read.
    slow: Ending,
}

impl Outbox {
    /// Starts a task that sends what is put in, until the [end](Self::end). A client that does not read in time, or lets more
    /// messages wait than `limits` allow, gets the ending `slow`.
    pub fn start(
        sink: SplitSink<WebSocket, Message>,
        limits: &LimitsConfig,
        slow: Ending,
    ) -> (Self, JoinHandle<()>) {
        let (messages, waiting) = mpsc::channel(limits.unsent);
        let shared = Arc::new(Shared {
            unsent: AtomicUsize::new(0),
            ending: OnceLock::new(),
            has_ended: CancellationToken::new(),
            slow,
        });
        let outbox = Outbox { messages, shared: Arc::clone(&shared) };
        (outbox, tokio::spawn(write(sink, waiting, shared, limits.send())))
    }

    /// Puts a message in, and returns whether there was room: if not, the connection ends. Never waits.
    pub fn send(&self, message: impl Into<Message>) -> bool {
        let message = message.into();
        let bytes = bytes_of(&message);
        let waiting = self.shared.unsent.fetch_add(bytes, Ordering::Relaxed);
        let has_room = waiting == 0 || waiting + bytes <= UNSENT_BYTES;
        match has_room.then(|| self.messages.try_send(message)) {
            Some(Ok(())) => true,
            _ => {
                self.end(self.shared.slow.clone());
                false
            }
        }
    }

    /// Ends the connection when what was put in has been sent. The first ending counts.
    pub fn end(&self, ending: Ending) {
        // A later one is no news.
        let _ = self.shared.ending.set(ending);
        self.shared.has_ended.cancel();
    }

    /// Waits for an ending.
    pub async fn ended(&self) {
        self.shared.has_ended.cancelled().await;
    }

    /// Returns the ending, if there is one.
    pub fn ending(&self) -> Option<&Ending> {
        self.shared.ending.get()
    }
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut waiting: mpsc::Receiver<Message>,
    shared: Arc<Shared>,
    limit: Duration,
) {
    loop {
        let message = tokio::select! {
            biased;
            () = shared.has_ended.cancelled() => break,
            message = waiting.recv() => message,
        };
        let Some(message) = message else { break };
        shared.unsent.fetch_sub(bytes_of(&message), Ordering::Relaxed);
        if !send(&mut sink, message, limit, &shared).await {
            break;
        }
    }
    let Some(ending) = shared.ending.get().cloned() else { return };
    let limit = if ending.is_slow { LAST_LIMIT } else { limit };
    // A client that has gone, or reads nothing, does without.
    let _ = timeout(limit, async {
        while !ending.is_slow
            && let Ok(message) = waiting.try_recv()
        {
            sink.feed(message).await?;
        }
        if let Some(last) = ending.last {
            sink.feed(Message::text(last)).await?;
        }
        let reason = cut(&ending.reason).to_owned().into();
        sink.send(Message::Close(Some(CloseFrame { code: ending.code, reason }))).await
    })
    .await;
}

/// Sends a message; whether there can be more. One that the client does not take in time ends the connection.
async fn send(
    sink: &mut SplitSink<WebSocket, Message>,
    message: Message,
    limit: Duration,
    shared: &Shared,
) -> bool {
    let mut sending = pin!(timeout(limit, sink.send(message)));
    let sent = tokio::select! {
        sent = sending.as_mut() => sent,
        () = shared.has_ended.cancelled() => {
            if shared.ending.get().is_some_and(|ending| ending.is_slow) {
                return false;
            }
            // What was put in before the end is still sent.
            sending.await
        }
    };
    let ending = match sent {
        Ok(Ok(())) => return true,
        Ok(Err(_)) => Ending { code: ABNORMAL, reason: String::new(), last: None, is_slow: true },
        Err(_) => shared.slow.clone(),
    };
    // If there is an ending already, this one is no news.
    let _ = shared.ending.set(ending);
    shared.has_ended.cancel();
    false
}

fn bytes_of(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}

fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES)]
}

/// Waits a moment for the client's own close frame, so that it has read the last word when the connection goes. Where
/// `is_unread`, the client may still be sending what will not be read: closing would reset the connection, and the last
/// word with it.
pub async fn linger(mut stream: SplitStream<WebSocket>, is_unread: bool) {
    // Whatever comes, or does not, the connection ends.
    let _ = timeout(LAST_LIMIT, async {
        while let Some(Ok(_)) = stream.next().await {}
        if is_unread {
            std::future::pending::<()>().await;
        }
    })
    .await;
}
