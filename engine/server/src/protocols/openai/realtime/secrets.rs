//! Short-lived secrets, with which a browser opens a session without its server's key.

use super::settings::Settings;
use crate::access::Client;
use crate::protocols::openai::caller::Caller;
use crate::protocols::openai::error::ApiError;
use crate::services::Services;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The start of every secret.
const PREFIX: &str = "ek_";

/// The random bytes of a secret.
const SECRET_BYTES: usize = 24;

/// The most secrets at a time, and the most of one client.
const MOST: usize = 4096;
const MOST_OF_CLIENT: usize = 256;

/// How long a secret may live, and how long it does where nothing is said, in seconds.
const SECONDS: std::ops::RangeInclusive<u64> = 10..=7200;
const DEFAULT_SECONDS: u64 = 600;

/// The secrets that are valid now: by their hashes, so that nobody can read one off.
#[derive(Default)]
pub struct Secrets(Mutex<HashMap<[u8; 32], Secret>>);

struct Secret {
    client: Client,
    expires: Instant,
    session: Settings,
}

impl Secrets {
    /// Makes a secret of `client` for a session.
    ///
    /// # Errors
    /// [`ApiError`] if there are too many, or the system has no random bytes.
    pub fn make(&self, client: &Client, session: Settings, life: Duration) -> Result<String, ApiError> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            ApiError::of_status(500, "random", format!("secret: no random bytes: {error}"))
        })?;
        let mut secret = PREFIX.to_owned();
        for byte in bytes {
            // A string takes whatever is written.
            let _ = write!(secret, "{byte:02x}");
        }
        let (mut secrets, now) = (self.lock(), Instant::now());
        secrets.retain(|_, secret| secret.expires > now);
        let own = secrets.values().filter(|secret| secret.client.name() == client.name());
        if secrets.len() >= MOST || own.count() >= MOST_OF_CLIENT {
            let message =
                format!("client_secrets: too many are valid (expected at most {MOST_OF_CLIENT} of a client)");
            let retry_after = Some(Duration::from_secs(*SECONDS.start()));
            return Err(ApiError { retry_after, ..ApiError::of_status(429, "rate_limit_exceeded", message) });
        }
        let client = client.clone();
        secrets.insert(Sha256::digest(&secret).into(), Secret { client, expires: now + life, session });
        Ok(secret)
    }

    /// Returns whose a secret is and its session, if it is valid.
    pub fn find(&self, secret: &str) -> Option<(Client, Settings)> {
        if !secret.starts_with(PREFIX) {
            return None;
        }
        let secrets = self.lock();
        let found = secrets.get::<[u8; 32]>(&Sha256::digest(secret).into())?;
        (found.expires > Instant::now()).then(|| (found.client.clone(), found.session.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a request for a secret.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    expires_after: ExpiresAfter,
    session: Option<Value>,
}

/// How long a secret is to live.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ExpiresAfter {
    anchor: String,
    seconds: u64,
}

impl Default for ExpiresAfter {
    fn default() -> Self {
        ExpiresAfter { anchor: "created_at".into(), seconds: DEFAULT_SECONDS }
    }
}

/// Gives a secret to the holder of a key.
pub(super) async fn create(
    State(services): State<Arc<Services>>,
    Extension(secrets): Extension<Arc<Secrets>>,
    Caller(caller): Caller,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let wish: Wish = if body.is_empty() {
        Wish::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::of_status(400, "invalid_json", format!("body: {error}")))?
    };
    let ExpiresAfter { anchor, seconds } = wish.expires_after;
    if anchor != "created_at" {
        let message = format!("expires_after.anchor: not taken (expected created_at, found {anchor:?})");
        return Err(ApiError::value("expires_after.anchor", message));
    }
    if !SECONDS.contains(&seconds) {
        let message = format!("expires_after.seconds: out of range (expected {SECONDS:?}, found {seconds})");
        return Err(ApiError::value("expires_after.seconds", message));
    }
    let mut settings = Settings::of(&services.engine)?;
    if let Some(session) = &wish.session {
        settings = settings.updated(session, &services.engine)?;
    }
    let life = Duration::from_secs(seconds);
    let expires = (SystemTime::now() + life).duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let session = settings.object(&format!("sess_{}", caller.request_id));
    let value = secrets.make(&caller.client, settings, life)?;
    Ok(Json(json!({ "value": value, "expires_at": expires, "session": session })))
}
