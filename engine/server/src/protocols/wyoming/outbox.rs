//! The way out of a connection: a bounded line of events.

use super::server_event::ServerEvent;
use crate::config::LimitsConfig;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The way out of a connection. Clones share it; what was put in is sent before it ends, which it does when all are gone.
#[derive(Clone)]
pub(super) struct Outbox {
    events: mpsc::Sender<ServerEvent>,
    /// Whether the client reads nothing more.
    is_unread: CancellationToken,
}

/// How the way out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All was sent.
    All,
    /// The client has gone.
    Gone,
    /// The client did not read what it was sent.
    Slow,
}

impl Outbox {
    /// Starts a task that sends what is put in. A client that does not read in time, or lets more events wait than `limits`
    /// allow, gets no more.
    pub(super) fn start(to: OwnedWriteHalf, limits: &LimitsConfig) -> (Self, JoinHandle<Sent>) {
        let (events, waiting) = mpsc::channel(limits.unsent);
        let is_unread = CancellationToken::new();
        let writer = tokio::spawn(write(to, waiting, is_unread.clone(), limits.send()));
        (Outbox { events, is_unread }, writer)
    }

    /// Puts an event in, and returns whether there was room: if not, the connection ends. Never waits.
    pub(super) fn send(&self, event: ServerEvent) -> bool {
        let is_in = self.events.try_send(event).is_ok();
        if !is_in {
            self.is_unread.cancel();
        }
        is_in
    }

    /// Waits until the client reads nothing more.
    pub(super) async fn unread(&self) {
        self.is_unread.cancelled().await;
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut waiting: mpsc::Receiver<ServerEvent>,
    is_unread: CancellationToken,
    limit: Duration,
) -> Sent {
    let sent = loop {
        let event = tokio::select! {
            biased;
            () = is_unread.cancelled() => break Sent::Slow,
            event = waiting.recv() => event,
        };
        let Some(event) = event else { break Sent::All };
        let bytes = event.bytes();
        tokio::select! {
            written = timeout(limit, to.write_all(&bytes)) => match written {
                Ok(Ok(())) => {}
                Ok(Err(_)) => break Sent::Gone,
                Err(_) => break Sent::Slow,
            },
            () = is_unread.cancelled() => break Sent::Slow,
        }
    };
    is_unread.cancel();
    // One that has gone needs none.
    let _ = to.shutdown().await;
    sent
}
