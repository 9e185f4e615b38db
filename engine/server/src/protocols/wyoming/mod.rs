//! The Wyoming protocol over TCP, which home assistants speak. `docs/wyoming.md` describes every event.

mod client_event;
mod connection;
mod frame;
mod info;
mod input;
mod outbox;
mod server_event;
mod spoken;
mod transcribe;
mod utterance;
mod wanted;
mod width;

pub use client_event::{AudioStart, ClientEvent, EventError};
pub use frame::{Frame, FrameError, FrameLimits, Frames};
pub use server_event::{About, ErrorEvent, ServerEvent, VERSION};
pub use transcribe::Transcribe;

use crate::network::{Connections, accept};
use crate::services::Services;
use connection::Connection;
use socket2::{SockRef, TcpKeepalive};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// What a client reads for whom there is no room.
const FULL: &[u8] = b"{\"type\":\"error\",\"version\":\"1.10.2\",\"data\":{\"code\":\"refused.connections\",\"text\":\"connections: too many are open; try again later\",\"retry_after_ms\":1000}}\n";

/// How long a connection may be silent before the system asks whether the client is still there.
const SILENCE: Duration = Duration::from_secs(15);

/// How long the system waits between its questions.
const INTERVAL: Duration = Duration::from_secs(10);

/// The questions without an answer after which the client has gone.
const QUESTIONS: u32 = 3;

/// Talks to everybody who connects, until the server is told to stop.
pub async fn serve(listener: TcpListener, connections: Arc<Connections>, services: Arc<Services>) {
    let shared = Arc::clone(&services);
    let serve = move |stream, peer| {
        prepare(&stream);
        tokio::spawn(Connection::serve(stream, peer, Arc::clone(&shared)));
    };
    accept(listener, connections, services, FULL, serve).await;
}

/// Has events sent at once, and clients noticed that have gone without a word: the protocol lets a server ask nothing.
fn prepare(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(SILENCE).with_interval(INTERVAL).with_retries(QUESTIONS);
    // A socket that refuses is as good as one that has gone.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_an_event() {
        let mut frames = Frames::new(FrameLimits { line: 4096, data: 0, payload: 0 });
        frames.push(FULL);
        let frame = frames.next().unwrap().unwrap();
        assert_eq!((frame.kind.as_str(), &frame.data["code"]), ("error", &"refused.connections".into()));
        assert!(String::from_utf8_lossy(FULL).contains(VERSION));
    }
}
