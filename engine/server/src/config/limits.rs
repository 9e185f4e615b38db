//! Bounds on what a client may send and hold.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bounds on what a client may send and hold.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The longest WebSocket message, in bytes. Default 1048576. Read by WebSocket protocols.
    pub message_bytes: usize,
    /// The longest upload, in bytes. Default 104857600. Read by protocols that take recordings.
    pub upload_bytes: usize,
    /// The longest recording when decoded, in seconds. Default 14400. Read by protocols that take recordings.
    pub decoded_s: u64,
    /// The longest head of a request, in bytes. Default 32768, at least 8192. Read by the network.
    pub header_bytes: usize,
    /// Time for a client to send the head of a request, and after it the first message of a stream, in milliseconds. Default
    /// 10000. Read by the network and WebSocket protocols.
    pub header_ms: u64,
    /// Connections at the same time. Default 10000. Read by the network.
    pub connections: usize,
    /// Connections of one address at the same time. Default 1000. Read by the network.
    pub peer_connections: usize,
    /// Channels of one connection that are streams of their own. Default 8. Read by protocols.
    pub channels: usize,
    /// Messages that may wait for a client to read them: one that lets more pile up is disconnected. Default 256. Read by
    /// WebSocket protocols.
    pub unsent: usize,
    /// Time that a client may take to read a message, in milliseconds. Default 10000. Read by WebSocket protocols.
    pub send_ms: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig {
            message_bytes: 1 << 20,
            upload_bytes: 100 << 20,
            decoded_s: 4 * 3600,
            header_bytes: 32 << 10,
            header_ms: 10_000,
            connections: 10_000,
            peer_connections: 1_000,
            channels: 8,
            unsent: 256,
            send_ms: 10_000,
        }
    }
}

impl LimitsConfig {
    /// Returns the time for the head of a request and the first message of a stream.
    pub fn header(&self) -> Duration {
        Duration::from_millis(self.header_ms)
    }

    /// Returns the time that a client may take to read a message.
    pub fn send(&self) -> Duration {
        Duration::from_millis(self.send_ms)
    }
}
