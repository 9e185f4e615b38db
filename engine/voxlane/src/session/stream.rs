//! A stream of audio, and what is heard in it.

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
/// Dropping a stream gives its slot back and drops what has not been decoded.
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

    /// The stream's number within its engine, as in its events.
    pub fn number(&self) -> u64 {
        self.output.number()
    }

    /// See [`StreamInput::push`].
    ///
    /// # Errors
    /// As there.
    pub fn push<S: Sample>(&mut self, samples: &[S]) -> Result<usize, StreamError> {
        self.input.push(samples)
    }

    /// See [`StreamInput::push_at`].
    ///
    /// # Errors
    /// As there.
    pub fn push_at<S: Sample>(&mut self, samples: &[S], capture: Time) -> Result<usize, StreamError> {
        self.input.push_at(samples, capture)
    }

    /// See [`StreamInput::push_wait`].
    ///
    /// # Errors
    /// As there.
    pub fn push_wait<S: Sample>(&mut self, samples: &[S]) -> Result<(), StreamError> {
        self.input.push_wait(samples)
    }

    /// See [`StreamInput::mark`].
    ///
    /// # Errors
    /// As there.
    pub fn mark(&mut self) -> Result<u32, StreamError> {
        self.input.mark()
    }

    /// See [`StreamInput::end_segment`].
    ///
    /// # Errors
    /// As there.
    pub fn end_segment(&mut self) -> Result<(), StreamError> {
        self.input.end_segment()
    }

    /// See [`StreamInput::set_hotwords`].
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

    /// See [`StreamInput::finish`].
    ///
    /// # Errors
    /// As there.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        self.input.finish()
    }

    /// See [`StreamOutput::try_next`].
    pub fn try_next(&mut self) -> Option<Event> {
        self.output.try_next()
    }

    /// See [`StreamOutput::next_timeout`].
    pub fn next_timeout(&mut self, limit: Duration) -> Option<Event> {
        self.output.next_timeout(limit)
    }

    /// See [`StreamOutput::poll_event`].
    pub fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.output.poll_event(context)
    }

    /// See [`StreamInput::poll_ready`].
    ///
    /// # Errors
    /// As there.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.input.poll_ready(context)
    }

    /// Whether [`Event::Closed`] has been given: nothing follows.
    pub fn is_closed(&self) -> bool {
        self.output.is_closed()
    }

    /// The two sides, for two threads.
    pub fn split(self) -> (StreamInput, StreamOutput) {
        (self.input, self.output)
    }

    /// Gives every event to `callback` on a thread of its own, which is not pinned to a core and ends after
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
