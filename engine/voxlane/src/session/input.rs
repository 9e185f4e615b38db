//! The side of a stream that takes audio.

use super::hotwords::HotwordCompiler;
use super::sample::Sample;
use super::writer::{AudioWriter, PUSH_PAUSE};
use super::{MAX_MARKS, StreamError};
use crate::audio::ENGINE_RATE_HZ;
use crate::audio::pcm::{self, I16_SCALE};
use crate::audio::resample::Resampler;
use crate::config::Hotword;
use crate::gate::{LaneState, Shared};
use crate::protocol::Request;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use voxlane_models::decode::DecodeOptions;
use voxlane_runtime::clock::{Clock, Time};

/// Samples that are converted at once on the caller's thread.
const BLOCK_SAMPLES: usize = 1024;

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
    /// What was asked of the decoder last.
    options: DecodeOptions,
}

impl StreamInput {
    pub(super) fn new(
        writer: AudioWriter,
        shared: Arc<Shared>,
        clock: Clock,
        resampler: Resampler,
        compiler: HotwordCompiler,
    ) -> Self {
        StreamInput {
            writer,
            shared,
            clock,
            resampler,
            floats: vec![0.0; BLOCK_SAMPLES].into(),
            resampled: vec![0.0; BLOCK_SAMPLES].into(),
            integers: vec![0; BLOCK_SAMPLES].into(),
            next_mark: 1,
            compiler,
            options: DecodeOptions::default(),
        }
    }

    /// Asks of the decoder for the first time; waits for room in a slot that the stream before has just left.
    pub(super) fn ask(&mut self, options: DecodeOptions) -> Result<(), StreamError> {
        self.options = options;
        if self.options.is_empty() {
            return Ok(());
        }
        let asked = Arc::new(self.options.clone());
        loop {
            let asked = Some(Arc::clone(&asked));
            match self.while_open(|input| input.writer.ask(asked, input.clock.now())) {
                Err(StreamError::Full) => std::thread::sleep(PUSH_PAUSE),
                done => return done,
            }
        }
    }

    /// Takes samples of the stream's rate, mono, and returns how many: fewer than `samples` holds when the stream's audio
    /// ring is full. Never blocks. The last sample counts as captured now.
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

    /// Takes samples as [`push`](Self::push) does, the last of which was captured at `capture`: latencies count
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

    /// Takes samples as [`push`](Self::push) does, and waits until everything has been taken.
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

    /// Returns `Ready` when the stream takes audio or a request, or never will again; else `Pending`, and the task of `context`
    /// is woken then.
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

    /// Asks for an [`Event::Marker`](crate::Event::Marker) when everything pushed so far has been processed: at once where no
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

    /// Replaces the phrases that the stream listens for, from the audio pushed so far on; without `phrases` it listens for
    /// none. The text of the open segment so far stays, a phrase that had begun is given up. They
    /// stay over endpoints until they are changed. Allocates, on the caller's thread; the lane does not.
    ///
    /// # Errors
    /// [`StreamError::Hotwords`] names the phrase at fault, or says that the model cannot listen for any;
    /// [`StreamError::Full`] if the audio ring is full or several changes wait: try again. Otherwise as for
    /// [`push`](Self::push). Then nothing has changed.
    pub fn set_hotwords(&mut self, phrases: &[Hotword]) -> Result<(), StreamError> {
        self.check()?;
        let mut options = self.options.clone();
        options.hotwords = self.compiler.compile(phrases)?;
        let asked = (!options.is_empty()).then(|| Arc::new(options.clone()));
        self.while_open(|input| input.writer.ask(asked, input.clock.now()))?;
        self.options = options;
        Ok(())
    }

    /// Ends the stream's audio: what has been pushed is decoded, then the stream closes. Waits for room for the last
    /// samples of a resampled stream, at most as long as the lane takes to make it.
    ///
    /// # Errors
    /// As for [`push`](Self::push), of those that say that the stream is closed or nobody listens any more.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        loop {
            match self.try_finish() {
                Err(StreamError::Full) => std::thread::sleep(PUSH_PAUSE),
                done => return done,
            }
        }
    }

    /// Ends the stream's audio as [`finish`](Self::finish) does, and never waits: for callers that must not block and
    /// [poll for room](Self::poll_ready).
    ///
    /// # Errors
    /// [`StreamError::Full`] if there is no room for the last samples of a resampled stream: then no audio may be pushed any
    /// more, and trying again goes on with them. Otherwise as for [`finish`](Self::finish).
    pub fn try_finish(&mut self) -> Result<(), StreamError> {
        if self.writer.is_finished() {
            return Ok(());
        }
        loop {
            match self.while_open(Self::flush)? {
                Some(0) => break,
                Some(_) => {}
                None => return Err(StreamError::Full),
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
