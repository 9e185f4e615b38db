//! The opening of a stream: what it asks for, and the slot that it gets.

use super::super::queue::Refused;
use super::super::{OpenError, Stream, StreamError, StreamOptions, Task};
use super::Engine;
use crate::audio::ENGINE_RATE_HZ;
use crate::audio::resample::Resampler;
use crate::config::StreamRules;
use crate::gate::{Admission, Gate, LaneState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use voxlane_models::decode::DecodeOptions;
use voxlane_runtime::supervisor::LONGEST_SHUTDOWN;

/// The longest text that a stream may go on from.
const MAX_PROMPT_BYTES: usize = 4096;

/// A stream that has yet to find a slot.
struct Opening {
    resampler: Resampler,
    rules: StreamRules,
    asked: DecodeOptions,
}

impl Engine {
    /// Opens a stream in the lane with the most free slots.
    ///
    /// # Errors
    /// [`OpenError::Saturated`] if there is no free slot, or others [wait](Self::open_within) for one; [`OpenError::Down`] if no lane
    /// serves; never waits. Otherwise what is wrong with the options.
    pub fn open(&self, options: StreamOptions) -> Result<Stream, OpenError> {
        let opening = self.prepare(options)?;
        let admission = if self.queue.is_empty() { self.admit() } else { None };
        self.enter(opening, admission.ok_or_else(|| self.refusal())?)
    }

    /// Opens a stream, and waits for a slot if there is none: until a stream has ended or a lane is up again, for `limit` at
    /// most, behind those that came before. Blocks the calling thread.
    ///
    /// # Errors
    /// As for [`open`](Self::open); a missing slot is an error only after `limit`; [`OpenError::QueueFull`] at once if `open_queue`
    /// clients wait already.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use voxlane::config::LaneConfig;
    /// # use voxlane::{Config, Engine, OpenError, StreamOptions};
    /// let lanes = vec![LaneConfig::with_slots(1)];
    /// let engine = Engine::start(Config { model: "commands".into(), lanes, ..Config::default() })?;
    /// let stream = engine.open_within(StreamOptions::new(8_000), Duration::from_secs(2))?;
    /// let second = engine.open_within(StreamOptions::new(8_000), Duration::from_millis(1));
    /// assert!(matches!(second, Err(OpenError::Saturated { slots: 1 })));
    /// drop(stream);
    /// assert!(engine.open_within(StreamOptions::new(8_000), Duration::from_secs(60)).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_within(&self, options: StreamOptions, limit: Duration) -> Result<Stream, OpenError> {
        let opening = self.prepare(options)?;
        if self.queue.is_empty()
            && let Some(admission) = self.admit()
        {
            return self.enter(opening, admission);
        }
        let deadline = Instant::now() + limit.min(LONGEST_SHUTDOWN);
        let attempt = || match self.admit() {
            Some(admission) => Some(Ok(admission)),
            None => Some(self.refusal()).filter(|refusal| matches!(refusal, OpenError::ShutDown)).map(Err),
        };
        match self.queue.wait(deadline, attempt) {
            Ok(admission) => self.enter(opening, admission?),
            Err(Refused::Late) => Err(self.refusal()),
            Err(Refused::Full) => Err(OpenError::QueueFull { waiting: self.queue.limit() }),
        }
    }

    /// Checks a stream's options without opening a stream: a server can refuse a client before it takes a slot.
    ///
    /// # Errors
    /// What is wrong with the options, as for [`open`](Self::open).
    pub fn check_options(&self, options: StreamOptions) -> Result<(), OpenError> {
        self.prepare(options).map(drop)
    }

    /// Checks a stream's options and makes ready what it needs.
    fn prepare(&self, options: StreamOptions) -> Result<Opening, OpenError> {
        if !self.process.is_current() {
            return Err(StreamError::Forked.into());
        }
        let resampler = Resampler::new(options.sample_rate).map_err(StreamError::from)?;
        let rules = self.rules_of(&options)?;
        let mut asked = self.asked(&options)?;
        asked.hotwords = match &options.hotwords {
            Some(phrases) => self.compiler.compile(phrases).map_err(StreamError::from)?,
            None => self.hotwords.clone(),
        };
        Ok(Opening { resampler, rules, asked })
    }

    /// What a stream asks of its decoder beside hotwords, if the model can do it.
    fn asked(&self, options: &StreamOptions) -> Result<DecodeOptions, OpenError> {
        let mut asked = DecodeOptions::default();
        if let Some(language) = &options.language {
            let known =
                self.info.languages.iter().copied().find(|known| known.eq_ignore_ascii_case(language));
            asked.language = Some(known.ok_or_else(|| OpenError::Language {
                language: language.clone(),
                known: self.info.languages.join(", "),
            })?);
        }
        if options.task == Task::Translate && !self.info.translates {
            return Err(OpenError::Translation);
        }
        asked.task = options.task;
        if let Some(prompt) = options.prompt.as_deref().filter(|prompt| !prompt.is_empty()) {
            if !self.info.takes_prompt {
                return Err(OpenError::Prompt {
                    reason: "the model does not go on from what was said before",
                });
            }
            if prompt.len() > MAX_PROMPT_BYTES {
                return Err(OpenError::Prompt { reason: "too long (expected at most 4,096 bytes)" });
            }
            let spelled = self.vocabulary.encode(prompt);
            asked.prompt =
                spelled.ok_or(OpenError::Prompt { reason: "the model's vocabulary cannot spell it" })?;
        }
        Ok(asked)
    }

    /// The stream of a slot.
    fn enter(&self, opening: Opening, admission: Admission) -> Result<Stream, OpenError> {
        let Opening { resampler, rules, asked } = opening;
        let number = self.streams.fetch_add(1, Ordering::Relaxed);
        let vocabulary = Arc::clone(&self.vocabulary);
        let (clock, compiler) = (self.clock.clone(), self.compiler.clone());
        let mut stream = Stream::new(number, resampler, rules, admission, clock, vocabulary, compiler);
        stream.ask(asked)?;
        Ok(stream)
    }

    /// A slot of the lane with the most free ones; of another, where somebody else was faster.
    fn admit(&self) -> Option<Admission> {
        let best = self.gates.iter().max_by_key(|gate| gate.vacancies())?;
        best.admit(ENGINE_RATE_HZ).or_else(|| self.gates.iter().find_map(|gate| gate.admit(ENGINE_RATE_HZ)))
    }

    /// Why no lane has a slot.
    fn refusal(&self) -> OpenError {
        let states = || self.gates.iter().map(Gate::state);
        if states().any(|state| state == LaneState::Running) {
            OpenError::Saturated { slots: self.slots }
        } else if states().any(|state| state == LaneState::Failed) {
            OpenError::Down { lanes: self.gates.len() }
        } else {
            OpenError::ShutDown
        }
    }
}
