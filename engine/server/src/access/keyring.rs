//! The keys that a server knows, which can be read anew while it runs.

use super::account::{Account, Usage};
use super::error::KeysError;
use super::keys::{Key, hash, parse};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use subtle::{ConditionallySelectable, ConstantTimeEq};

/// See the module.
#[derive(Debug)]
pub struct Keyring {
    file: Option<PathBuf>,
    accounts: RwLock<Vec<(Key, Arc<Account>)>>,
    /// What each name has used. Names that are gone stay: they may come back.
    usage: Mutex<HashMap<String, Arc<Mutex<Usage>>>>,
}

impl Keyring {
    /// Reads `file`; without one no key is required.
    ///
    /// # Errors
    /// [`KeysError`] naming the file and the line.
    pub fn load(file: Option<PathBuf>) -> Result<Self, KeysError> {
        let keyring = Keyring { file, accounts: RwLock::default(), usage: Mutex::default() };
        keyring.reload()?;
        Ok(keyring)
    }

    /// Reads the file again, and returns the number of its keys. What they have used still counts.
    ///
    /// # Errors
    /// As [`load`](Self::load); then the keys stay as they were.
    pub fn reload(&self) -> Result<usize, KeysError> {
        let Some(file) = &self.file else { return Ok(0) };
        let text = fs::read_to_string(file);
        let text = text.map_err(|source| KeysError::Read { file: file.clone(), source })?;
        let keys =
            parse(&text).map_err(|(line, message)| KeysError::Line { file: file.clone(), line, message })?;
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let accounts: Vec<_> = keys
            .into_iter()
            .map(|key| {
                let used = Arc::clone(usage.entry(key.name.clone()).or_default());
                let account = Arc::new(Account::new(&key, used));
                (key, account)
            })
            .collect();
        let count = accounts.len();
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = accounts;
        Ok(count)
    }

    /// Returns whether clients must bring a key.
    pub fn is_required(&self) -> bool {
        self.file.is_some()
    }

    /// Returns the account of a key, if there is one. Takes the same time for every key, known or not.
    pub fn find(&self, key: &str) -> Option<Arc<Account>> {
        let presented = hash(key);
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = u32::MAX;
        for (index, (key, _)) in accounts.iter().enumerate() {
            let is_it = key.hash.ct_eq(&presented);
            found.conditional_assign(&(index as u32), is_it);
        }
        accounts.get(found as usize).map(|(_, account)| Arc::clone(account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn lines(keys: &[(&str, &str)]) -> String {
        keys.iter().fold(String::new(), |mut text, (name, key)| {
            let hash = hash(key).iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            });
            writeln!(text, "{name} sha256:{hash} streams=1").unwrap();
            text
        })
    }

    #[test]
    fn keys_are_found_and_read_anew_and_a_bad_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        fs::write(&file, lines(&[("ada", "one"), ("bob", "two")])).unwrap();
        let keyring = Keyring::load(Some(file.clone())).unwrap();
        assert!(keyring.is_required());
        assert_eq!(keyring.find("two").unwrap().name().as_ref(), "bob");
        assert!(keyring.find("three").is_none() && keyring.find("").is_none());

        let open = keyring.find("one").unwrap().open().unwrap();
        fs::write(&file, lines(&[("ada", "three")])).unwrap();
        assert_eq!(keyring.reload().unwrap(), 1);
        assert!(keyring.find("one").is_none());
        assert!(keyring.find("three").unwrap().open().is_err(), "ada's stream is still open");
        drop(open);
        assert!(keyring.find("three").unwrap().open().is_ok());

        fs::write(&file, "ada three").unwrap();
        assert!(keyring.reload().unwrap_err().to_string().ends_with("digits)"));
        assert!(keyring.find("three").is_some());
    }
}
