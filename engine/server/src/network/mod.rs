//! Threads, connections, and what all requests have in common. Knows no protocol.

mod accept;
mod caller;
mod connections;
mod listener;
mod outbox;
mod problem;
mod request_id;
mod threads;

pub use accept::accept;
pub use caller::{Caller, Peer};
pub use connections::{Connection, Connections};
pub use listener::serve;
pub use outbox::{Ending, Outbox, linger};
pub use problem::Problem;
pub use request_id::{RequestId, with_request_id};
pub use threads::{ThreadsError, runtime};
