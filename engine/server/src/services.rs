//! What every protocol builds on, put together once.

use crate::access::{Access, KeysError};
use crate::admission::Admission;
use crate::config::ServerConfig;
use crate::lifecycle::Lifecycle;
use crate::metrics::Metrics;
use crate::session::Sessions;
use crate::tls::Tls;
use std::sync::Arc;
use std::time::Instant;
use voxlane::Engine;

/// What every protocol builds on.
pub struct Services {
    /// The settings.
    pub config: ServerConfig,
    /// The engine.
    pub engine: Arc<Engine>,
    /// Who a client is and what it may do.
    pub access: Access,
    /// Who gets a slot.
    pub admission: Arc<Admission>,
    /// Clients' streams.
    pub sessions: Sessions,
    /// The certificate, if TLS is spoken.
    pub tls: Option<Tls>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How far the server's end has come.
    pub lifecycle: Lifecycle,
    /// When the server started.
    pub started: Instant,
}

impl Services {
    /// Puts them together for `engine`.
    ///
    /// # Errors
    /// [`KeysError`] if the file of keys cannot be read.
    pub fn new(config: ServerConfig, engine: Arc<Engine>, tls: Option<Tls>) -> Result<Arc<Self>, KeysError> {
        let access = Access::new(&config)?;
        let metrics = Arc::new(Metrics::default());
        let admission = Admission::new(Arc::clone(&engine), &config, Arc::clone(&metrics));
        let sessions = Sessions::new(Arc::clone(&admission), Arc::clone(&metrics), config.idle());
        let (lifecycle, started) = (Lifecycle::default(), Instant::now());
        Ok(Arc::new(Services {
            config,
            engine,
            access,
            admission,
            sessions,
            tls,
            metrics,
            lifecycle,
            started,
        }))
    }

    /// Returns whether the server takes new streams: a lane serves, and nobody has told it to stop.
    pub fn is_ready(&self) -> bool {
        self.engine.is_serving() && !self.lifecycle.is_draining()
    }

    /// Lets nobody new in.
    pub fn drain(&self) {
        self.admission.drain();
        self.lifecycle.drain();
    }
}
