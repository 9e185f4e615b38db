//! A stream of audio, with the events about it.

use super::StreamError;
use super::event::Event;
use super::hotwords::HotwordCompiler;
use super::input::StreamInput;
use super::output::StreamOutput;
use super::sample::Sample;
use super::writer::AudioWriter;
use crate::audio::resample::Resampler;
use crate::config::{Hotword, StreamRules};
use crate::gate::Admission;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use voxlane_models::decode::DecodeOptions;
use voxlane_models::tokenizers::vocabulary::Vocabulary;
use voxlane_runtime::clock::{Clock, Time};

/// A stream: audio in by [`push`](Self::push), events out by [`try_next`](Self::try_next) or
/// [`next_timeout`](Self::next_timeout). The two sides can be [split](Self::split) over two threads.
/// Dropping a stream frees its slot and drops what has not been decoded.
///
/// ```
/// use std::time::Duration;
/// use voxlane::{Config, Engine, Event, StreamOptions};
///
/// # let engine = Engine::start(Config { model: "commands".into(), ..Config::default() })?;
/// // One thread pushes audio, another reads events.
/// let (mut input, mut output) = engine.open(StreamOptions::default())?.split();
/// let reader = std::thread::spawn(move || {
///     let mut events = Vec::new();
///     while !output.is_closed() {
///         events.extend(output.next_timeout(Duration::from_secs(1)));
///     }
///     events
/// });
/// input.push_wait(&[0.0_f32; 8_000])?;
/// input.end_segment()?; // half a second is one segment
/// let mark = input.mark()?;
/// input.push_wait(&[0.0_f32; 8_000])?;
/// input.finish()?;
///
/// let events = reader.join().expect("the reader does not panic");
/// let finals = events.iter().filter(|event| matches!(event, Event::Final(_)));
/// assert_eq!(finals.count(), 2);
/// assert!(events.contains(&Event::Marker { stream: 0, marker: mark }));
/// assert_eq!(events.last(), Some(&Event::Closed { stream: 0 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stream {
    input: StreamInput,
    output: StreamOutput,
}

impl Stream {
    pub(super) fn new(
        number: u64,
        resampler: Resampler,
        rules: StreamRules,
        admission: Admission,
        clock: Clock,
        vocabulary: Arc<dyn Vocabulary>,
        compiler: HotwordCompiler,
    ) -> Self {
        let Admission { inputs, events, waiter, notifier, shared } = admission;
        let output = StreamOutput::new(number, events, waiter, Arc::clone(&shared), vocabulary);
        let writer = AudioWriter::new(inputs, Arc::clone(&shared), notifier, rules);
        let input = StreamInput::new(writer, shared, clock, resampler, compiler);
        Stream { input, output }
    }

    /// Returns the stream's number within its engine, as in its events.
    pub fn number(&self) -> u64 {
        self.output.number()
    }

    /// Takes samples, as [`StreamInput::push`] does.
    ///
    /// # Errors
    /// As there.
    pub fn push<S: Sample>(&mut self, samples: &[S]) -> Result<usize, StreamError> {
        self.input.push(samples)
    }

    /// Takes samples captured at a stated time, as [`StreamInput::push_at`] does.
    ///
    /// # Errors
    /// As there.
    pub fn push_at<S: Sample>(&mut self, samples: &[S], capture: Time) -> Result<usize, StreamError> {
        self.input.push_at(samples, capture)
    }

    /// Takes all samples, as [`StreamInput::push_wait`] does.
    ///
    /// # Errors
    /// As there.
    pub fn push_wait<S: Sample>(&mut self, samples: &[S]) -> Result<(), StreamError> {
        self.input.push_wait(samples)
    }

    /// Asks for a marker, as [`StreamInput::mark`] does.
    ///
    /// # Errors
    /// As there.
    pub fn mark(&mut self) -> Result<u32, StreamError> {
        self.input.mark()
    }

    /// Ends the open segment, as [`StreamInput::end_segment`] does.
    ///
    /// # Errors
    /// As there.
    pub fn end_segment(&mut self) -> Result<(), StreamError> {
        self.input.end_segment()
    }

    /// Replaces the stream's phrases, as [`StreamInput::set_hotwords`] does.
    ///
    /// # Errors
    /// As there.
    pub fn set_hotwords(&mut self, phrases: &[Hotword]) -> Result<(), StreamError> {
        self.input.set_hotwords(phrases)
    }

    /// See [`StreamInput::ask`].
    pub(super) fn ask(&mut self, options: DecodeOptions) -> Result<(), StreamError> {
        self.input.ask(options)
    }

    /// Ends the stream's audio, as [`StreamInput::finish`] does.
    ///
    /// # Errors
    /// As there.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        self.input.finish()
    }

    /// Returns the next event, as [`StreamOutput::try_next`] does.
    pub fn try_next(&mut self) -> Option<Event> {
        self.output.try_next()
    }

    /// Waits for the next event, as [`StreamOutput::next_timeout`] does.
    pub fn next_timeout(&mut self, limit: Duration) -> Option<Event> {
        self.output.next_timeout(limit)
    }

    /// Polls for the next event, as [`StreamOutput::poll_event`] does.
    pub fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.output.poll_event(context)
    }

    /// Polls for room, as [`StreamInput::poll_ready`] does.
    ///
    /// # Errors
    /// As there.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.input.poll_ready(context)
    }

    /// Returns whether [`Event::Closed`] has come: no event follows.
    pub fn is_closed(&self) -> bool {
        self.output.is_closed()
    }

    /// Splits the stream into its two sides, for two threads.
    pub fn split(self) -> (StreamInput, StreamOutput) {
        (self.input, self.output)
    }

    /// Calls `callback` with every event on a thread of its own, which is not pinned to a core and ends after
    /// [`Event::Closed`], and returns the side that takes audio. Dropping the handle does not stop the thread.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn on_event(
        self,
        mut callback: impl FnMut(Event) + Send + 'static,
    ) -> std::io::Result<(StreamInput, std::thread::JoinHandle<()>)> {
        let (input, mut output) = self.split();
        let dispatcher = std::thread::Builder::new().name("vox-dispatch".into()).spawn(move || {
            while !output.is_closed() {
                if let Some(event) = output.next_timeout(Duration::from_secs(1)) {
                    callback(event);
                }
            }
        })?;
        Ok((input, dispatcher))
    }
}
