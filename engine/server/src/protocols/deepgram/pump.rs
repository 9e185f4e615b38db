//! Telling the events of a stream.

use super::dialect::Teller;
use super::marks::Marks;
use super::notes::Notes;
use super::outlet::Outlet;
use crate::session::SessionOutput;
use std::sync::Arc;
use voxlane::{Event, StreamFault};

/// How the events of a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All was said.
    Closed,
    /// The stream failed.
    Failed(StreamFault),
    /// The connection has ended.
    Unread,
}

/// Tells the events of a stream until it is closed, or the connection ends.
pub(super) async fn pump(
    mut output: SessionOutput,
    mut teller: Box<dyn Teller>,
    marks: Arc<Marks>,
    outlet: Outlet,
    notes: Notes,
) -> End {
    let mut end = End::Closed;
    while let Some(event) = output.next().await {
        let messages = match &event {
            Event::Marker { .. } => marks.answered().map(|mark| teller.reach(mark)).unwrap_or_default(),
            Event::Error { error, .. } => {
                notes.add(error.to_string());
                if !error.is_notice() && *error != StreamFault::NotFinite {
                    end = End::Failed(*error);
                }
                teller.tell(&event)
            }
            Event::Warning { warning, .. } => {
                notes.add(warning.to_string());
                teller.tell(&event)
            }
            event => teller.tell(event),
        };
        for message in messages {
            if !outlet.send(message) {
                return End::Unread;
            }
        }
    }
    end
}
