//! Which values are in range and fit each other.

use super::ServerConfig;
use std::fmt::Display;
use voxlane::config::InvalidField;

/// The longest time that a setting names, in seconds: a day.
const DAY_S: u64 = 86_400;

fn fault(field: &'static str, value: impl Display, rule: impl Into<String>) -> Option<InvalidField> {
    Some(InvalidField { field, value: value.to_string(), rule: rule.into(), other: None, lane: None })
}

fn range<T: PartialOrd + Display>(field: &'static str, value: T, least: T, most: T) -> Option<InvalidField> {
    let is_within = least <= value && value <= most;
    if is_within { None } else { fault(field, &value, format!("must be from {least} to {most}")) }
}

impl ServerConfig {
    /// Returns the first value that is out of range or does not fit another, if there is one.
    pub fn fault(&self) -> Option<InvalidField> {
        let (limits, breaker) = (&self.limits, &self.breaker);
        self.listen_fault()
            .or_else(|| self.tls_fault())
            .or_else(|| self.wyoming_fault())
            .or_else(|| range("server.drain_s", self.drain_s, 0, 3600))
            .or_else(|| range("server.idle_s", self.idle_s, 1, DAY_S))
            .or_else(|| range("server.queue", self.queue, 0, 100_000))
            .or_else(|| range("server.queue_ms", self.queue_ms, 0, 600_000))
            .or_else(|| range("server.limits.message_bytes", limits.message_bytes, 1024, 1 << 30))
            .or_else(|| range("server.limits.upload_bytes", limits.upload_bytes, 1024, 1 << 32))
            .or_else(|| range("server.limits.decoded_s", limits.decoded_s, 1, DAY_S))
            .or_else(|| range("server.limits.header_bytes", limits.header_bytes, 8192, 1 << 20))
            .or_else(|| range("server.limits.header_ms", limits.header_ms, 100, 600_000))
            .or_else(|| range("server.limits.connections", limits.connections, 1, 1_000_000))
            .or_else(|| range("server.limits.peer_connections", limits.peer_connections, 1, 1_000_000))
            .or_else(|| range("server.limits.channels", limits.channels, 1, 64))
            .or_else(|| range("server.limits.unsent", limits.unsent, 16, 65_536))
            .or_else(|| range("server.limits.send_ms", limits.send_ms, 100, 600_000))
            .or_else(|| range("server.breaker.budget_ms", breaker.budget_ms, 1.0, 600_000.0))
            .or_else(|| range("server.breaker.window_s", breaker.window_s, 1, 3600))
            .or_else(|| range("server.breaker.samples", breaker.samples, 1, 100_000))
            .or_else(|| range("server.breaker.open_s", breaker.open_s, 1, 3600))
            .or_else(|| range("server.breaker.probes", breaker.probes, 1, 1000))
            .or_else(|| self.origin_fault())
    }

    fn listen_fault(&self) -> Option<InvalidField> {
        let is_own = self.listen.ip().is_loopback();
        if is_own || self.open || self.keys.is_some() {
            return None;
        }
        let rule = "must be an address of this machine alone, such as 127.0.0.1, unless `keys` names a file of keys or `open` is true";
        fault("server.listen", self.listen, rule)
    }

    fn tls_fault(&self) -> Option<InvalidField> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(file), None) => {
                fault("server.tls_certificate", file.display(), "must go together with `tls_key`")
            }
            (None, Some(file)) => {
                fault("server.tls_key", file.display(), "must go together with `tls_certificate`")
            }
            _ => None,
        }
    }

    fn wyoming_fault(&self) -> Option<InvalidField> {
        let address = self.wyoming.filter(|address| !address.ip().is_loopback() && !self.open)?;
        let rule = "must be an address of this machine alone, such as 127.0.0.1, unless `open` is true: Wyoming clients bring no keys";
        fault("server.wyoming", address, rule)
    }

    fn origin_fault(&self) -> Option<InvalidField> {
        let is_origin = |origin: &&String| {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some_and(|host| !host.is_empty() && !host.contains('/'))
        };
        let wrong = self.origins.iter().find(|origin| !is_origin(origin))?;
        fault("server.origins", wrong, "must be a scheme and a host, such as `https://example.org`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn defaults_are_in_range() {
        assert_eq!(ServerConfig::default().fault(), None);
    }

    #[test]
    fn others_may_connect_only_where_somebody_said_so() {
        let listen = "0.0.0.0:80".parse().unwrap();
        let config = ServerConfig { listen, ..ServerConfig::default() };
        assert_eq!(config.fault().map(|fault| fault.field), Some("server.listen"));
        assert_eq!(ServerConfig { open: true, ..config.clone() }.fault(), None);
        let config = ServerConfig { keys: Some(PathBuf::from("keys")), ..config };
        assert_eq!(config.fault(), None);
        // Keys do not protect a protocol that has none.
        let config = ServerConfig { wyoming: Some(listen), ..config };
        assert_eq!(config.fault().map(|fault| fault.field), Some("server.wyoming"));
        assert_eq!(ServerConfig { open: true, ..config }.fault(), None);
    }

    #[test]
    fn a_fault_names_the_field_the_value_and_the_rule() {
        let config = ServerConfig { idle_s: 0, ..ServerConfig::default() };
        assert_eq!(config.fault().unwrap().to_string(), "server.idle_s = 0: must be from 1 to 86400");
        let config = ServerConfig { origins: vec!["example.org".into()], ..ServerConfig::default() };
        assert_eq!(config.fault().map(|fault| fault.field), Some("server.origins"));
    }
}
