//! A stream of audio, and what is heard in it.

use super::event::{Assembler, Event, StreamFault};
use super::hotwords::HotwordCompiler;
use super::input::{AudioWriter, PUSH_PAUSE};
use super::{MAX_MARKS, StreamError};
use crate::audio::ENGINE_RATE_HZ;
use crate::audio::pcm::{self, I16_SCALE};
use crate::audio::resample::Resampler;
use crate::config::{Hotword, StreamRules};
use crate::gate::{Admission, LaneState, Returned, Shared};
use crate::message::TokensMessage;
use crate::protocol::Request;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use voxlane_models::decode::Hotwords;
use voxlane_models::vocabulary::Vocabulary;
use voxlane_runtime::clock::{Clock, Time};
use voxlane_runtime::eventcount::Waiter;
use voxlane_runtime::ring::Receiver;

/// Samples that are converted at once on the caller's thread.
const BLOCK_SAMPLES: usize = 1024;

/// The longest that a waiting reader goes without looking whether its lane still lives.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A stream: audio in by [`push`](Self::push), events out by [`try_next`](Self::try_next) or
/// [`next_timeout`](Self::next_timeout). The two sides can be [split](Self::split) over two threads.
/// Dropping a stream gives its slot back and drops what has not been decoded.
pub struct Stream {
    input: StreamInput,
    output: StreamOutput,
}

/// The side of a stream that takes audio. Dropping it finishes the stream.
pub struct StreamInput {
    writer: AudioWriter,
    shared: Arc<Shared>,
    clock: Clock,
    resampler: Resampler,
    floats: Box<[f32]>,
    resampled: Box<[f32]>,
    integers: Box<[i16]>,
    next_mark: u32,
    compiler: HotwordCompiler,
}

/// The side of a stream that gives events. Dropping it abandons the stream.
pub struct StreamOutput {
    ends: Option<(Receiver<TokensMessage>, Waiter)>,
    shared: Arc<Shared>,
    assembler: Assembler,
    vocabulary: Arc<dyn Vocabulary>,
    closing: Closing,
}

/// How far the end of a stream has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    Open,
    /// An error has been told, `Closed` follows.
    Told,
    Closed,
}

/// Samples that can be pushed: 16-bit integers, or floats of full scale ±1.
pub trait Sample: Copy + private::Sealed {
    /// Converts to floats of full scale ±1, refusing what is no audio.
    #[doc(hidden)]
    fn to_floats(samples: &[Self], floats: &mut [f32]) -> Result<(), StreamError>;

    /// The same samples as 16-bit integers, if they are that already.
    #[doc(hidden)]
    fn as_integers(samples: &[Self]) -> Option<&[i16]>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for i16 {}
    impl Sealed for f32 {}
}

impl Sample for i16 {
    fn to_floats(samples: &[i16], floats: &mut [f32]) -> Result<(), StreamError> {
        pcm::to_f32(samples, floats);
        Ok(())
    }

    fn as_integers(samples: &[i16]) -> Option<&[i16]> {
        Some(samples)
    }
}

impl Sample for f32 {
    fn to_floats(samples: &[f32], floats: &mut [f32]) -> Result<(), StreamError> {
        floats.copy_from_slice(samples);
        Ok(())
    }

    fn as_integers(_: &[f32]) -> Option<&[i16]> {
        None
    }
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
        let output = StreamOutput {
            ends: Some((events, waiter)),
            shared: Arc::clone(&shared),
            assembler: Assembler::new(number, ENGINE_RATE_HZ),
            vocabulary,
            closing: Closing::Open,
        };
        let writer = AudioWriter::new(inputs, Arc::clone(&shared), notifier, rules);
        let input = StreamInput {
            writer,
            shared,
            clock,
            resampler,
            floats: vec![0.0; BLOCK_SAMPLES].into(),
            resampled: vec![0.0; BLOCK_SAMPLES].into(),
            integers: vec![0; BLOCK_SAMPLES].into(),
            next_mark: 1,
            compiler,
        };
        Stream { input, output }
    }

    /// The stream's number within its engine, as in its events.
    pub fn number(&self) -> u64 {
        self.output.assembler.stream
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

    /// What an engine has made ready; waits for room in a slot that the stream before has just left.
    pub(super) fn listen_for(&mut self, hotwords: &Arc<Hotwords>) -> Result<(), StreamError> {
        loop {
            let hotwords = Some(Arc::clone(hotwords));
            match self.input.while_open(|input| input.writer.listen_for(hotwords, input.clock.now())) {
                Err(StreamError::Full) => std::thread::sleep(PUSH_PAUSE),
                done => return done,
            }
        }
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

impl StreamInput {
    /// Takes samples of the stream's rate, mono, and says how many: fewer than given when the stream's audio
    /// ring is full. Never blocks. The last sample given counts as captured now.
    ///
    /// # Errors
    /// [`StreamError::NotFinite`] or [`StreamError::Amplitude`] name the first bad sample, and nothing has
    /// been taken; [`StreamError::Finished`] after [`finish`](Self::finish); [`StreamError::SlowClient`],
    /// [`StreamError::Abandoned`], [`StreamError::LaneFailed`] or [`StreamError::ShutDown`] when the stream is
    /// closed or nobody listens any more.
    pub fn push<S: Sample>(&mut self, samples: &[S]) -> Result<usize, StreamError> {
        let now = self.clock.now();
        self.push_at(samples, now)
    }

    /// Like [`push`](Self::push) for samples of which the last was captured at `capture`: latencies count
    /// from there.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn push_at<S: Sample>(&mut self, samples: &[S], capture: Time) -> Result<usize, StreamError> {
        self.while_open(|input| input.take(samples, capture))
    }

    /// Hands something over, which must not wait, if the stream is open.
    fn while_open<R>(
        &mut self,
        hand_over: impl FnOnce(&mut Self) -> Result<R, StreamError>,
    ) -> Result<R, StreamError> {
        // A shutdown counts what is handed over from here on, or the check refuses it.
        self.shared.slots.begin_push(self.shared.slot);
        let done = self.check().and_then(|()| hand_over(self));
        self.shared.slots.end_push(self.shared.slot);
        done
    }

    /// Takes samples of a stream that is open.
    fn take<S: Sample>(&mut self, samples: &[S], capture: Time) -> Result<usize, StreamError> {
        if let (Some(integers), ENGINE_RATE_HZ) = (S::as_integers(samples), self.resampler.rate()) {
            return Ok(self.writer.write(integers, capture));
        }
        for (block, part) in samples.chunks(BLOCK_SAMPLES).enumerate() {
            let floats = &mut self.floats[..part.len()];
            S::to_floats(part, floats)?;
            pcm::check(floats).map_err(|error| StreamError::from_pcm(error, block * BLOCK_SAMPLES))?;
        }
        let mut taken = 0;
        while taken < samples.len() {
            let part = &samples[taken..samples.len().min(taken + BLOCK_SAMPLES)];
            let floats = &mut self.floats[..part.len()];
            S::to_floats(part, floats)?;
            let room = self.writer.room().min(BLOCK_SAMPLES);
            if room == 0 {
                break;
            }
            let progress = self.resampler.process(floats, &mut self.resampled[..room])?;
            taken += progress.consumed;
            let rest = (samples.len() - taken) as u64 * 1_000_000_000 / u64::from(self.resampler.rate());
            let behind = Time::from_nanos(capture.nanos().saturating_sub(rest));
            self.write_resampled(progress.produced, behind)?;
            if progress.consumed == 0 && progress.produced == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// Like [`push`](Self::push), but waits until everything has been taken.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub fn push_wait<S: Sample>(&mut self, samples: &[S]) -> Result<(), StreamError> {
        let mut rest = samples;
        loop {
            rest = &rest[self.push(rest)?..];
            if rest.is_empty() {
                return Ok(());
            }
            std::thread::sleep(PUSH_PAUSE);
        }
    }

    /// Ready when the stream takes audio or a request, or never will again; pending, with the task of `context` woken then.
    ///
    /// # Errors
    /// As for [`push`](Self::push), of those that say that the stream is closed or nobody listens any more.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if let Err(error) = self.check() {
            return Poll::Ready(Err(error));
        }
        match self.writer.poll_room(context) {
            Poll::Ready(()) => Poll::Ready(self.check()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Asks for an [`Event::Marker`] when everything pushed so far has been dealt with: at once where no
    /// segment is open, otherwise with the first partial or final that covers it. Closes nothing.
    ///
    /// # Errors
    /// [`StreamError::Full`] if the audio ring is full, [`StreamError::TooManyMarks`] if too many are
    /// unanswered: try again. Otherwise as for [`push`](Self::push).
    pub fn mark(&mut self) -> Result<u32, StreamError> {
        if self.shared.marks.load(Ordering::Relaxed) as usize >= MAX_MARKS {
            self.check()?;
            return Err(StreamError::TooManyMarks);
        }
        self.while_open(|input| input.writer.request(Request::Mark(input.next_mark), input.clock.now()))?;
        self.shared.marks.fetch_add(1, Ordering::Relaxed);
        let mark = self.next_mark;
        self.next_mark = mark.wrapping_add(1);
        Ok(mark)
    }

    /// Ends the open segment, if one is open, where the audio pushed so far ends.
    ///
    /// # Errors
    /// As for [`mark`](Self::mark).
    pub fn end_segment(&mut self) -> Result<(), StreamError> {
        self.while_open(|input| input.writer.request(Request::EndSegment, input.clock.now()))
    }

    /// From the audio pushed so far on the stream listens for `phrases` instead of those it listened for; for none,
    /// if there are none. What has been said of the open segment stays, a phrase that had begun is given up. They
    /// stay over endpoints until they are changed. Allocates, on the caller's thread; the lane does not.
    ///
    /// # Errors
    /// [`StreamError::Hotwords`] names the phrase at fault, or says that the model cannot listen for any;
    /// [`StreamError::Full`] if the audio ring is full or several changes wait: try again. Otherwise as for
    /// [`push`](Self::push). Then nothing has changed.
    pub fn set_hotwords(&mut self, phrases: &[Hotword]) -> Result<(), StreamError> {
        self.check()?;
        let hotwords = self.compiler.compile(phrases)?;
        self.while_open(|input| input.writer.listen_for(hotwords, input.clock.now()))
    }

    /// Everything has been pushed: it will be decoded, then the stream closes. Waits for room for the last
    /// samples of a resampled stream, at most as long as the lane takes to make it.
    ///
    /// # Errors
    /// As for [`push`](Self::push), of those that say that the stream is closed or nobody listens any more.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        if self.writer.is_finished() {
            return Ok(());
        }
        loop {
            match self.while_open(Self::flush)? {
                Some(0) => break,
                Some(_) => {}
                None => std::thread::sleep(PUSH_PAUSE),
            }
        }
        self.writer.finish();
        Ok(())
    }

    /// Writes what the resampler still holds, as far as there is room, and says how much that was; none if there is no
    /// room.
    fn flush(&mut self) -> Result<Option<usize>, StreamError> {
        let room = self.writer.room().min(BLOCK_SAMPLES);
        if room == 0 {
            return Ok(None);
        }
        let produced = self.resampler.flush(&mut self.resampled[..room])?;
        self.write_resampled(produced, self.clock.now())?;
        Ok(Some(produced))
    }

    fn write_resampled(&mut self, count: usize, capture: Time) -> Result<(), StreamError> {
        let integers = &mut self.integers[..count];
        let floats = &mut self.resampled[..count];
        // The filter rings a little beyond what it is given.
        let limit = 1.0 - 1.0 / I16_SCALE;
        floats.iter_mut().for_each(|sample| *sample = sample.clamp(-1.0, limit));
        pcm::to_i16(floats, integers).map_err(|error| StreamError::from_pcm(error, 0))?;
        let written = self.writer.write(integers, capture);
        debug_assert_eq!(written, count, "room was made sure of");
        Ok(())
    }

    fn check(&self) -> Result<(), StreamError> {
        if self.writer.is_finished() {
            return Err(StreamError::Finished);
        }
        let Shared { slots, slot, generation, process, .. } = &*self.shared;
        if !process.is_current() {
            return Err(StreamError::Forked);
        }
        match self.shared.status.get() {
            LaneState::Running if slots.is_overrun(*slot, *generation) => Err(StreamError::SlowClient),
            LaneState::Running if slots.abandoned(*slot) >= *generation => Err(StreamError::Abandoned),
            LaneState::Running => Ok(()),
            LaneState::Failed => Err(StreamError::LaneFailed),
            LaneState::Stopped | LaneState::Draining => Err(StreamError::ShutDown),
        }
    }
}

impl StreamOutput {
    /// The next event, if there is one. Never blocks.
    pub fn try_next(&mut self) -> Option<Event> {
        let stream = self.assembler.stream;
        if let Some(event) = self.assembler.pending() {
            return Some(event);
        }
        if self.closing == Closing::Told {
            self.closing = Closing::Closed;
            return Some(Event::Closed { stream });
        }
        if self.closing == Closing::Closed {
            return None;
        }
        // Read before the ring: whatever was handed over before is then seen in the ring.
        let status = self.shared.status.get();
        let is_overrun = self.shared.slots.is_overrun(self.shared.slot, self.shared.generation);
        let (events, _) = self.ends.as_mut()?;
        while let Some(message) = events.peek() {
            let event = if message.header.generation == self.shared.generation {
                self.assembler.take(message, &*self.vocabulary)
            } else {
                None
            };
            events.release();
            match event {
                Some(Event::Closed { .. }) => self.closing = Closing::Closed,
                Some(Event::Marker { .. }) => {
                    self.shared.marks.fetch_sub(1, Ordering::Relaxed);
                }
                _ => {}
            }
            if event.is_some() {
                return event;
            }
        }
        let error = match status {
            _ if !self.shared.process.is_current() => StreamFault::Forked,
            _ if is_overrun => StreamFault::SlowClient,
            LaneState::Running | LaneState::Draining => return None,
            LaneState::Failed => StreamFault::LaneFailed,
            LaneState::Stopped => StreamFault::ShutDown,
        };
        self.closing = Closing::Told;
        Some(Event::Error { stream, segment: None, error })
    }

    /// The next event, waiting for it for `limit` at most.
    pub fn next_timeout(&mut self, limit: Duration) -> Option<Event> {
        // None: later than there are times.
        let end = Instant::now().checked_add(limit);
        loop {
            let event = self.try_next();
            let left = end.map_or(limit, |end| end.saturating_duration_since(Instant::now()));
            if event.is_some() || left.is_zero() || self.is_closed() {
                return event;
            }
            let (events, waiter) = self.ends.as_mut()?;
            waiter.wait(left.min(LOOK_AGAIN), || !events.is_empty());
        }
    }

    /// The next event; pending, with the task of `context` woken when there is one; nothing after [`Event::Closed`].
    pub fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.try_next() {
                return Poll::Ready(Some(event));
            }
            let Some((events, waiter)) = self.ends.as_mut().filter(|_| self.closing != Closing::Closed)
            else {
                return Poll::Ready(None);
            };
            let status = &self.shared.status;
            // Whoever ends the lane notifies its clients after it has said so.
            let has_ended = || !matches!(status.get(), LaneState::Running | LaneState::Draining);
            match waiter.poll(context, || !events.is_empty() || has_ended()) {
                Poll::Ready(()) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether [`Event::Closed`] has been given: nothing follows.
    pub fn is_closed(&self) -> bool {
        self.closing == Closing::Closed
    }
}

impl Drop for StreamOutput {
    fn drop(&mut self) {
        self.shared.slots.abandon(self.shared.slot, self.shared.generation);
        if let Some((events, waiter)) = self.ends.take() {
            self.shared.give_back(Returned::Events(self.shared.slot, events, waiter));
        }
    }
}
