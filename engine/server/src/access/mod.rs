//! Who a client is and what it may do: API keys with limits, origins, addresses behind proxies.
//!
//! Keys are kept as SHA-256 hashes and compared in constant time. Neither a key nor its hash is ever written anywhere.

mod account;
mod client;
mod error;
mod keyring;
mod keys;
mod origin;
mod peer;
mod presented;

pub use account::{Account, StreamPermit};
pub use client::Client;
pub use error::{AccessError, KeysError, LimitReached};
pub use keyring::Keyring;
pub use keys::{Key, KeyLimits};
pub use peer::client_address;
pub use presented::{SUBPROTOCOL, presented_key};

use crate::config::ServerConfig;
use axum::http::HeaderMap;
use std::net::IpAddr;
use std::time::Instant;

/// The rules by which clients are let in.
#[derive(Debug)]
pub struct Access {
    keyring: Keyring,
    origins: Vec<String>,
    trusted_proxies: Vec<IpAddr>,
}

impl Access {
    /// Reads the file of keys, if the configuration names one.
    ///
    /// # Errors
    /// [`KeysError`] naming the file and the line.
    pub fn new(config: &ServerConfig) -> Result<Self, KeysError> {
        Ok(Access {
            keyring: Keyring::load(config.keys.clone())?,
            origins: config.origins.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
        })
    }

    /// Finds out who sends a request with `headers` from the address `peer`, and counts it against the limit of its key.
    ///
    /// # Errors
    /// [`AccessError`] for another site's page, a key that is missing or unknown, and too many requests.
    pub fn identify(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Client, AccessError> {
        origin::check(headers, &self.origins)?;
        let address = client_address(peer, headers, &self.trusted_proxies);
        if !self.keyring.is_required() {
            return Ok(Client::of_address(address));
        }
        let key = presented_key(headers).ok_or(AccessError::NoKey)?;
        let account = self.keyring.find(key).ok_or(AccessError::UnknownKey)?;
        account.request(Instant::now())?;
        Ok(Client::of_account(account))
    }

    /// Checks where a request comes from that brings no key of the file.
    ///
    /// # Errors
    /// [`AccessError::Origin`] for another site's page.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), AccessError> {
        origin::check(headers, &self.origins)
    }

    /// Reads the file of keys again. Streams that are open stay; what their keys have used still counts. Returns the number
    /// of keys.
    ///
    /// # Errors
    /// [`KeysError`]; then the keys stay as they were.
    pub fn reload(&self) -> Result<usize, KeysError> {
        self.keyring.reload()
    }
}
