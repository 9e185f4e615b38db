//! What the server counts about itself, beside what the engine measures.

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The prefix of every name.
const PREFIX: &str = "voxlane_server";

/// Upper bounds of the buckets of waiting times, in seconds.
const WAIT_BOUNDS: [f64; 14] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// One label and its value.
type Label = [(&'static str, &'static str); 1];

/// Counters, gauges and histograms of a server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: Gauge,
    connections_total: Counter,
    streams_total: Counter,
    refusals: Family<Label, Counter>,
    waits: Histogram,
    audio: Counter<f64, AtomicU64>,
    events: Counter,
    slow_clients: Counter,
    dropped_log_lines: Gauge,
    slots: Family<Label, Gauge>,
    breaker: Gauge,
}

/// What is read off at the moment of a scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Slots that streams hold.
    pub used: usize,
    /// Slots that streams could take.
    pub free: usize,
    /// Streams that wait for a slot.
    pub waiting: usize,
    /// The state of the circuit breaker: 0 closed, 1 half-open, 2 open.
    pub breaker: u8,
    /// Log lines that were dropped.
    pub dropped_log_lines: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let (connections, connections_total) = (Gauge::default(), Counter::default());
        let (streams_total, refusals) = (Counter::default(), Family::<Label, Counter>::default());
        let (waits, audio) = (Histogram::new(WAIT_BOUNDS), Counter::<f64, AtomicU64>::default());
        let (events, slow_clients, dropped_log_lines) =
            (Counter::default(), Counter::default(), Gauge::default());
        let (slots, breaker) = (Family::<Label, Gauge>::default(), Gauge::default());
        registry.register("connections", "Connections now", connections.clone());
        registry.register("connections_accepted", "Connections since the start", connections_total.clone());
        registry.register("streams_opened", "Streams that got a slot", streams_total.clone());
        registry.register("refusals", "Clients and streams that were refused, by reason", refusals.clone());
        registry.register("slot_wait_seconds", "Time that streams waited for their slot", waits.clone());
        registry.register("audio_seconds", "Audio that was taken, in seconds", audio.clone());
        registry.register("events", "Events that were handed to clients", events.clone());
        registry.register(
            "slow_clients",
            "Clients that did not read what they were sent",
            slow_clients.clone(),
        );
        registry.register("dropped_log_lines", "Log lines that were dropped", dropped_log_lines.clone());
        registry.register("slots", "Slots of the engine by state, and streams that wait", slots.clone());
        registry.register("breaker_state", "0 closed, 1 half-open, 2 open", breaker.clone());
        Metrics {
            registry,
            connections,
            connections_total,
            streams_total,
            refusals,
            waits,
            audio,
            events,
            slow_clients,
            dropped_log_lines,
            slots,
            breaker,
        }
    }
}

impl Metrics {
    /// Counts a connection that was accepted.
    pub fn connected(&self) {
        self.connections.inc();
        self.connections_total.inc();
    }

    /// Counts a connection that has ended.
    pub fn disconnected(&self) {
        self.connections.dec();
    }

    /// Returns the number of connections now.
    pub fn connections(&self) -> i64 {
        self.connections.get()
    }

    /// Counts a stream that got its slot after `wait`.
    pub fn admitted(&self, wait: Duration) {
        self.streams_total.inc();
        self.waits.observe(wait.as_secs_f64());
    }

    /// Counts a refusal; `reason` is its stable name.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts audio.
    pub fn heard(&self, seconds: f64) {
        self.audio.inc_by(seconds);
    }

    /// Counts an event that is handed to a client.
    pub fn told(&self) {
        self.events.inc();
    }

    /// Counts a client that did not read what it was sent.
    pub fn slow_client(&self) {
        self.slow_clients.inc();
    }

    /// Returns everything in Prometheus' text format, without the mark of its end.
    pub fn text(&self, now: Moment) -> String {
        for (state, count) in [("used", now.used), ("free", now.free), ("waiting", now.waiting)] {
            self.slots.get_or_create(&[("state", state)]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.breaker.set(now.breaker.into());
        self.dropped_log_lines.set(i64::try_from(now.dropped_log_lines).unwrap_or(i64::MAX));
        let mut page = String::new();
        // A string takes whatever is written.
        let _ = text::encode(&mut page, &self.registry);
        let end = page.trim_end_matches("# EOF\n").len();
        page.truncate(end);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_every_name_and_no_mark_of_the_end() {
        let metrics = Metrics::default();
        metrics.connected();
        metrics.refused("full");
        metrics.admitted(Duration::from_millis(3));
        let page = metrics.text(Moment { used: 1, free: 3, ..Moment::default() });
        for line in [
            "voxlane_server_connections 1\n",
            "voxlane_server_refusals_total{reason=\"full\"} 1\n",
            "voxlane_server_slots{state=\"free\"} 3\n",
            "voxlane_server_slot_wait_seconds_bucket{le=\"0.005\"} 1\n",
        ] {
            assert!(page.contains(line), "{line}: {page}");
        }
        assert!(!page.contains("EOF"));
    }
}
