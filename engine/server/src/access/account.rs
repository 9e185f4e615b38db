//! What a key has used, and whether it may use more.

use super::error::LimitReached;
use super::keys::{Key, KeyLimits};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;

/// A key's name, its limits, and what it has used: shared by all its requests.
#[derive(Clone, Debug)]
pub struct Account {
    name: Arc<str>,
    limits: KeyLimits,
    usage: Arc<Mutex<Usage>>,
}

/// What a key has used. Outlives a reload of the file.
#[derive(Debug, Default)]
pub(super) struct Usage {
    streams: usize,
    /// Requests that may be sent at once, and when that was so.
    allowance: Option<(f64, Instant)>,
    /// The number of the day, and the audio sent on it.
    day: u64,
    seconds: f64,
}

/// A stream that counts as open until this is dropped.
#[derive(Debug)]
pub struct StreamPermit(Arc<Mutex<Usage>>);

fn lock(usage: &Mutex<Usage>) -> MutexGuard<'_, Usage> {
    usage.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        lock(&self.0).streams -= 1;
    }
}

impl Account {
    pub(super) fn new(key: &Key, usage: Arc<Mutex<Usage>>) -> Self {
        Account { name: key.name.as_str().into(), limits: key.limits, usage }
    }

    /// Returns the key's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Counts a request at the time `now`.
    ///
    /// # Errors
    /// [`LimitReached::Rate`] if there were as many in the last second as there may be.
    pub fn request(&self, now: Instant) -> Result<(), LimitReached> {
        let Some(limit) = self.limits.rate else { return Ok(()) };
        let most = f64::from(limit);
        let mut usage = lock(&self.usage);
        let (left, since) = usage.allowance.unwrap_or((most, now));
        let left = (left + now.saturating_duration_since(since).as_secs_f64() * most).min(most);
        if left < 1.0 {
            usage.allowance = Some((left, now));
            let retry_after = Duration::from_secs_f64((1.0 - left) / most);
            return Err(LimitReached::Rate { limit, retry_after });
        }
        usage.allowance = Some((left - 1.0, now));
        Ok(())
    }

    /// Counts a stream as open.
    ///
    /// # Errors
    /// [`LimitReached::Streams`] if as many are open as may be; [`LimitReached::SecondsADay`] if no audio is left for it.
    pub fn open(&self) -> Result<StreamPermit, LimitReached> {
        self.spend(0.0)?;
        let mut usage = lock(&self.usage);
        if let Some(limit) = self.limits.streams.filter(|&limit| usage.streams >= limit) {
            return Err(LimitReached::Streams { limit });
        }
        usage.streams += 1;
        drop(usage);
        Ok(StreamPermit(Arc::clone(&self.usage)))
    }

    /// Counts audio.
    ///
    /// # Errors
    /// [`LimitReached::SecondsADay`] if all of the day's had been used before.
    pub fn spend(&self, seconds: f64) -> Result<(), LimitReached> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.spend_at(seconds, since_epoch)
    }

    fn spend_at(&self, seconds: f64, since_epoch: Duration) -> Result<(), LimitReached> {
        let Some(limit) = self.limits.seconds_a_day else { return Ok(()) };
        let day = since_epoch.as_secs() / DAY_S;
        let mut usage = lock(&self.usage);
        if usage.day != day {
            (usage.day, usage.seconds) = (day, 0.0);
        }
        if usage.seconds >= limit as f64 {
            let retry_after = Duration::from_secs((day + 1) * DAY_S).saturating_sub(since_epoch);
            return Err(LimitReached::SecondsADay { limit, retry_after });
        }
        usage.seconds += seconds;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limits: KeyLimits) -> Account {
        Account::new(&Key { name: "ada".into(), hash: [0; 32], limits }, Arc::default())
    }

    #[test]
    fn streams_count_until_they_end() {
        let account = account(KeyLimits { streams: Some(1), ..KeyLimits::default() });
        let first = account.open().unwrap();
        assert_eq!(account.open().unwrap_err(), LimitReached::Streams { limit: 1 });
        drop(first);
        assert!(account.open().is_ok());
    }

    #[test]
    fn requests_of_a_second_are_counted() {
        let account = account(KeyLimits { rate: Some(2), ..KeyLimits::default() });
        let now = Instant::now();
        assert!(account.request(now).is_ok() && account.request(now).is_ok());
        let refused = account.request(now).unwrap_err();
        assert_eq!(refused.retry_after(), Duration::from_millis(500));
        assert!(account.request(now + Duration::from_millis(500)).is_ok());
        assert!(account.request(now + Duration::from_millis(600)).is_err());
    }

    #[test]
    fn audio_counts_until_midnight() {
        let account = account(KeyLimits { seconds_a_day: Some(10), ..KeyLimits::default() });
        let noon = Duration::from_secs(20_000 * DAY_S + DAY_S / 2);
        account.spend_at(6.0, noon).unwrap();
        account.spend_at(6.0, noon).unwrap();
        let refused = account.spend_at(0.1, noon).unwrap_err();
        assert_eq!(refused.retry_after(), Duration::from_secs(DAY_S / 2));
        assert!(account.spend_at(0.1, noon + refused.retry_after()).is_ok());
    }
}
