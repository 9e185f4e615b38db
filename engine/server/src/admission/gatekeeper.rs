//! Letting streams in.

use super::breaker::{Breaker, BreakerState};
use super::line::Line;
use super::refusal::{HOTWORD_BYTES, MOST_HOTWORDS, Refusal};
use crate::access::{Client, StreamPermit};
use crate::config::ServerConfig;
use crate::metrics::Metrics;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;
use voxlane::config::ServiceClass;
use voxlane::{Engine, Hotword, OpenError, Stream, StreamOptions};

/// How often the stream whose turn it is looks for a free slot: a slot becomes free on a lane's thread, which wakes nobody.
const LOOK: Duration = Duration::from_millis(1);

/// The way into the engine, for all protocols.
pub struct Admission {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    limit: usize,
    patience: Duration,
    reserve: usize,
    inside: Mutex<Inside>,
    moved: Notify,
    is_draining: AtomicBool,
}

struct Inside {
    line: Line,
    breaker: Breaker,
}

/// A stream of the engine, with the slot that it holds.
pub struct Admitted {
    /// The stream.
    pub stream: Stream,
    /// Its slot. To be dropped after both sides of the stream.
    pub slot: Slot,
}

/// A slot that counts as held until this is dropped.
pub struct Slot {
    admission: Arc<Admission>,
    client: Arc<str>,
    _permit: Option<StreamPermit>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.admission.lock().line.give_back(&self.client);
        self.admission.moved.notify_waiters();
    }
}

/// A place in the line, given up when it is dropped.
struct Place<'a> {
    admission: &'a Admission,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.admission.lock().line.leave(self.ticket);
        self.admission.moved.notify_waiters();
    }
}

impl Admission {
    /// Creates the way into `engine`.
    pub fn new(engine: Arc<Engine>, config: &ServerConfig, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Admission {
            engine,
            metrics,
            limit: config.queue,
            patience: Duration::from_millis(config.queue_ms),
            reserve: config.reserve,
            inside: Mutex::new(Inside { line: Line::default(), breaker: Breaker::new(config.breaker) }),
            moved: Notify::new(),
            is_draining: AtomicBool::new(false),
        })
    }

    /// Lets a stream of `client` in: at once if a slot is free and nobody waits, else by turns, for the configured time at
    /// most. Who drops the future gives its place up.
    ///
    /// # Errors
    /// [`Refusal`], which knows when trying again may help.
    pub async fn open(
        self: &Arc<Self>,
        options: StreamOptions,
        client: &Client,
    ) -> Result<Admitted, Refusal> {
        let started = Instant::now();
        let opened = self.wait(options, client, started).await;
        match &opened {
            Ok(_) => self.metrics.admitted(started.elapsed()),
            Err(refusal) => self.metrics.refused(refusal.code()),
        }
        opened
    }

    async fn wait(
        self: &Arc<Self>,
        options: StreamOptions,
        client: &Client,
        started: Instant,
    ) -> Result<Admitted, Refusal> {
        self.check(options.clone())?;
        let mut permit = client.open()?;
        let mut attempt = |stream| Admitted {
            stream,
            slot: Slot {
                admission: Arc::clone(self),
                client: Arc::clone(client.name()),
                _permit: permit.take(),
            },
        };
        let place = match self.enter(&options, client)? {
            Entered::Served(stream) => return Ok(attempt(*stream)),
            Entered::Waiting(place) => place,
        };
        loop {
            let mut moved = pin!(self.moved.notified());
            // From here on a change is noticed.
            moved.as_mut().enable();
            let is_first = match self.attempt(&place, &options, client)? {
                Turn::Served(stream) => return Ok(attempt(*stream)),
                Turn::First => true,
                Turn::Behind => false,
            };
            let left = self.patience.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(self.late(started.elapsed()));
            }
            // Either it moved or the time is up: both are looked at above.
            let _ = timeout(if is_first { LOOK.min(left) } else { left }, moved).await;
        }
    }

    /// Checks a stream's options, and whether streams are let in at all. Takes nothing.
    ///
    /// # Errors
    /// [`Refusal::Options`] or [`Refusal::Draining`].
    pub fn check(&self, options: StreamOptions) -> Result<(), Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        self.check_hotwords(options.hotwords.as_deref().unwrap_or_default())?;
        Ok(self.check_options(options)?)
    }

    /// Checks that phrases are few and short enough to be made ready between other clients' messages.
    ///
    /// # Errors
    /// [`Refusal::Hotwords`] with the bounds.
    pub fn check_hotwords(&self, phrases: &[Hotword]) -> Result<(), Refusal> {
        let bytes = phrases.iter().map(|hotword| hotword.phrase.len()).sum();
        if phrases.len() <= MOST_HOTWORDS && bytes <= HOTWORD_BYTES {
            return Ok(());
        }
        Err(Refusal::Hotwords { count: phrases.len(), bytes })
    }

    /// Checks a stream's options, whether or not streams are let in.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check_options(&self, options: StreamOptions) -> Result<(), OpenError> {
        self.engine.check_options(options)
    }

    fn enter(&self, options: &StreamOptions, client: &Client) -> Result<Entered<'_>, Refusal> {
        let mut inside = self.lock();
        if let Some(retry_after) = inside.breaker.refuses(Instant::now()) {
            return Err(Refusal::Breaker { retry_after });
        }
        let waiting = inside.line.len();
        let ticket = inside.line.enter(client.name(), options.class);
        match self.serve(&mut inside, ticket, options, client) {
            Ok(Some(stream)) => return Ok(Entered::Served(Box::new(stream))),
            Ok(None) if waiting < self.limit => {
                return Ok(Entered::Waiting(Place { admission: self, ticket }));
            }
            Ok(None) => inside.line.leave(ticket),
            Err(refusal) => {
                inside.line.leave(ticket);
                return Err(refusal);
            }
        }
        Err(if self.engine.is_serving() { Refusal::Full { waiting } } else { Refusal::Down })
    }

    fn attempt(&self, place: &Place<'_>, options: &StreamOptions, client: &Client) -> Result<Turn, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let mut inside = self.lock();
        if let Some(retry_after) = inside.breaker.refuses(Instant::now()) {
            return Err(Refusal::Breaker { retry_after });
        }
        if let Some(stream) = self.serve(&mut inside, place.ticket, options, client)? {
            return Ok(Turn::Served(Box::new(stream)));
        }
        // Whom the reserve keeps out looks for a slot as well: nobody wakes it.
        let is_first =
            inside.line.next(usize::MAX, 0) == Some(place.ticket) || options.class == ServiceClass::Batch;
        Ok(if is_first { Turn::First } else { Turn::Behind })
    }

    /// The stream of a ticket whose turn it is, if a slot is free.
    fn serve(
        &self,
        inside: &mut Inside,
        ticket: u64,
        options: &StreamOptions,
        client: &Client,
    ) -> Result<Option<Stream>, Refusal> {
        let free = self.engine.vacancies();
        if free == 0 || inside.line.next(free, self.reserve) != Some(ticket) {
            return Ok(None);
        }
        match self.engine.open(options.clone()) {
            Ok(stream) => {
                inside.line.take(client.name());
                inside.line.leave(ticket);
                inside.breaker.admitted(Instant::now());
                Ok(Some(stream))
            }
            // Somebody else was faster, or a lane starts again.
            Err(OpenError::Saturated { .. } | OpenError::Down { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn late(&self, waited: Duration) -> Refusal {
        if self.engine.is_serving() { Refusal::Late { waited } } else { Refusal::Down }
    }

    /// Takes the latency of a live final in milliseconds, of which the breaker judges: what it waited for the lane.
    pub fn observe(&self, queue_ms: f64) {
        self.lock().breaker.observe(queue_ms, Instant::now());
    }

    /// Lets no further stream in; those that wait are told.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// Returns whether the server is being stopped.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// Returns the state of the circuit breaker.
    pub fn breaker(&self) -> BreakerState {
        self.lock().breaker.state(Instant::now())
    }

    /// Returns how many streams wait for a slot, and how many hold one.
    pub fn counts(&self) -> (usize, usize) {
        let inside = self.lock();
        (inside.line.len(), inside.line.held())
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Entered<'a> {
    Served(Box<Stream>),
    Waiting(Place<'a>),
}

enum Turn {
    Served(Box<Stream>),
    First,
    Behind,
}
