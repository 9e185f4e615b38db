//! The table `[server]` of a configuration file. It stands beside the engine's; unknown keys are errors, every field has a
//! default.

mod breaker;
mod check;
mod limits;

pub use breaker::BreakerConfig;
pub use limits::LimitsConfig;

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use voxlane::config::{ConfigError, Documentation, Source, describe_table};

/// The name of the table.
pub const TABLE: &str = "server";

/// The tables that a server's configuration has beside the engine's, for [`Source::parse_beside`].
pub const TABLES: &[&str] = &[TABLE];

/// A server's settings.
///
/// ```
/// use voxlane::config::{Profile, Source};
/// use voxlane_server::config::{ServerConfig, TABLES};
///
/// let text = "profile = \"live\"\n\n[server]\nlisten = \"127.0.0.1:0\"\nqueue = 4\n";
/// let source = Source::parse_beside(text.into(), None, Profile::Live, TABLES)?;
/// assert_eq!(ServerConfig::of(&source)?.queue, 4);
///
/// let text = "[server]\nlisten = \"0.0.0.0:8080\"\n";
/// let source = Source::parse_beside(text.into(), None, Profile::Live, TABLES)?;
/// let error = ServerConfig::of(&source).unwrap_err().to_string();
/// assert!(error.starts_with("configuration line 2: server.listen = 0.0.0.0:8080: "), "{error}");
/// # Ok::<(), voxlane::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port that HTTP and WebSocket clients connect to; port 0 is any free one. Default `127.0.0.1:8080`. Read at
    /// start.
    pub listen: SocketAddr,
    /// Address and port that Wyoming clients connect to, such as `127.0.0.1:10300`; port 0 is any free one. The protocol has
    /// no keys: everybody who can connect may use it. Default: none, Wyoming is not spoken. Read at start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wyoming: Option<SocketAddr>,
    /// Cores of the network's threads, one thread each; not those of lanes. Default: none, two threads wherever the
    /// system puts them. Read at start.
    pub cores: Vec<usize>,
    /// File of API keys, a line each: `name sha256:HEX [streams=N] [rate=N] [seconds_a_day=N]`. Default: none, everybody may
    /// connect who can. Read at start and on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
    /// File of the certificate, and of those that lead to its authority, in PEM: then TLS is spoken on `listen`. Goes together
    /// with `tls_key`. Default: none. Read at start and on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// File of the certificate's private key, in PEM. Default: none. Read at start and on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Whether everybody may use a server that others can reach: without `keys` it otherwise listens on this machine's own
    /// addresses only. Default false. Read at start.
    pub open: bool,
    /// Time that streams get to end when the server is told to, in seconds. Default 30. Read on SIGTERM and SIGINT.
    pub drain_s: u64,
    /// Time without audio after which a stream gives its slot back, in seconds; more audio takes one again. Default 30.
    /// Read by sessions.
    pub idle_s: u64,
    /// Number of streams that may wait for a slot. Default 32; 0: none waits. Read by admission.
    pub queue: usize,
    /// Time that a stream may wait for a slot, in milliseconds. Default 2000. Read by admission.
    pub queue_ms: u64,
    /// Slots that batch streams leave to live ones. Default 0. Read by admission.
    pub reserve: usize,
    /// Origins whose pages may use the server beside its own, such as `https://example.org`. Default: none. Read by
    /// every request that names an origin.
    pub origins: Vec<String>,
    /// Addresses of proxies whose `X-Forwarded-For` says who the client is. Default: none. Read by every request.
    pub trusted_proxies: Vec<IpAddr>,
    /// Bounds on what a client may send and hold. Read by the network and the protocols.
    pub limits: LimitsConfig,
    /// Circuit breaker: no new streams while finals come too late. Read by admission.
    pub breaker: BreakerConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            wyoming: None,
            cores: Vec::new(),
            keys: None,
            tls_certificate: None,
            tls_key: None,
            open: false,
            drain_s: 30,
            idle_s: 30,
            queue: 32,
            queue_ms: 2000,
            reserve: 0,
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
            limits: LimitsConfig::default(),
            breaker: BreakerConfig::default(),
        }
    }
}

impl ServerConfig {
    /// Reads and checks the table of a configuration, which must have been parsed with [`TABLES`]. Without one: the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] naming the line and the field.
    pub fn of(source: &Source) -> Result<Self, ConfigError> {
        let config = ServerConfig::read(source)?;
        match config.fault() {
            Some(fault) => Err(source.refuse(fault)),
            None => Ok(config),
        }
    }

    /// Reads the table as [`of`](Self::of) does and leaves the check for later, for callers that change values first.
    ///
    /// # Errors
    /// [`ConfigError`] for unknown fields and values of a wrong type.
    pub fn read(source: &Source) -> Result<Self, ConfigError> {
        Ok(source.table(TABLE)?.unwrap_or_default())
    }

    /// Returns the table as text with every field and its comment, as [`Config::describe`](voxlane::Config::describe) does.
    ///
    /// # Errors
    /// As there.
    pub fn describe(&self, unset: impl Fn(&str) -> String) -> Result<String, toml::ser::Error> {
        let inner = |name: &str| match name {
            "limits" => Some(Documentation::of::<LimitsConfig>()),
            "breaker" => Some(Documentation::of::<BreakerConfig>()),
            _ => None,
        };
        describe_table(TABLE, self, &inner, unset)
    }

    /// Returns the time that streams get to end when the server is told to.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_s)
    }

    /// Returns the time without audio after which a stream gives its slot back.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxlane::config::Profile;

    #[test]
    fn the_described_table_is_read_back() {
        let config = ServerConfig { idle_s: 7, keys: Some("keys".into()), ..ServerConfig::default() };
        let text = config.describe(|_| String::new()).unwrap();
        assert!(text.contains("\n# Time without audio after which"), "{text}");
        assert!(text.contains("\n[server.breaker]\n"), "{text}");
        let source = Source::parse_beside(text, None, Profile::Live, TABLES).unwrap();
        assert_eq!(ServerConfig::of(&source).unwrap(), config);
    }
}
