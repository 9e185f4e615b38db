//! A client: who is let in, and by what name it is counted.

use super::account::{Account, StreamPermit};
use super::error::LimitReached;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A client: the holder of a key, or whoever has an address. Streams of the same client share what there is of slots.
#[derive(Clone, Debug)]
pub struct Client {
    name: Arc<str>,
    account: Option<Arc<Account>>,
}

impl Client {
    /// Creates the client that is known by its address alone.
    pub fn of_address(address: IpAddr) -> Self {
        Client { name: address.to_string().into(), account: None }
    }

    /// Creates the client that holds a key.
    pub fn of_account(account: Arc<Account>) -> Self {
        Client { name: Arc::clone(account.name()), account: Some(account) }
    }

    /// Returns the name of its key, or its address.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Counts a stream as open; without a key there is nothing to count.
    ///
    /// # Errors
    /// As [`Account::open`].
    pub fn open(&self) -> Result<Option<StreamPermit>, LimitReached> {
        self.account.as_ref().map(|account| account.open()).transpose()
    }

    /// Counts audio; without a key there is nothing to count.
    ///
    /// # Errors
    /// As [`Account::spend`].
    pub fn spend(&self, seconds: f64) -> Result<(), LimitReached> {
        self.account.as_ref().map_or(Ok(()), |account| account.spend(seconds))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
