//! Counting connections, of all and of each address.

use crate::metrics::Metrics;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The connections of a server.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    most_of_peer: usize,
    inside: Mutex<Inside>,
    metrics: Arc<Metrics>,
    none_left: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    peers: HashMap<IpAddr, usize>,
}

/// A connection that counts until this is dropped, with what it was upgraded to.
#[derive(Debug)]
pub struct Connection {
    connections: Arc<Connections>,
    peer: IpAddr,
}

impl Connections {
    /// Creates the count, with bounds on all and on those of one address.
    pub fn new(most: usize, most_of_peer: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Connections {
            most,
            most_of_peer,
            inside: Mutex::default(),
            metrics,
            none_left: Notify::new(),
        })
    }

    /// Counts a connection; nothing if there are too many. An address that is a proxy's counts without bound of its own.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, is_proxy: bool) -> Option<Connection> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = inside.peers.get(&peer).copied().unwrap_or(0);
        if inside.all >= self.most || of_peer >= self.most_of_peer && !is_proxy {
            return None;
        }
        inside.all += 1;
        inside.peers.insert(peer, of_peer + 1);
        self.metrics.connected();
        Some(Connection { connections: Arc::clone(self), peer })
    }

    /// Returns the number of connections.
    pub fn count(&self) -> usize {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Waits until there is none.
    pub async fn none_left(&self) {
        loop {
            let left = self.none_left.notified();
            if self.count() == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut inside = self.connections.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.all -= 1;
        if let Some(of_peer) = inside.peers.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                inside.peers.remove(&self.peer);
            }
        }
        let is_last = inside.all == 0;
        drop(inside);
        self.connections.metrics.disconnected();
        if is_last {
            self.connections.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold_and_places_come_back() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let connections = Connections::new(3, 2, Arc::default());
        let first = connections.enter(ip("1.1.1.1"), false).unwrap();
        let _second = connections.enter(ip("1.1.1.1"), false).unwrap();
        assert!(connections.enter(ip("1.1.1.1"), false).is_none());
        let _third = connections.enter(ip("1.1.1.1"), true).unwrap();
        assert!(connections.enter(ip("2.2.2.2"), false).is_none());
        drop(first);
        assert!(connections.enter(ip("2.2.2.2"), false).is_some());
        assert_eq!(connections.count(), 2);
    }
}
