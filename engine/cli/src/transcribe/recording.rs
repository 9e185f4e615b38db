//! One track of a file through the engine, in bounded memory.

use super::context::{Context, Selection};
use super::input::{self, Input, Message, Skip};
use super::outlet::Outlet;
use super::stop::Reason;
use super::update::{Outcome, Track, TrackError, Update};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use voxlane::audio::file::{AudioError, Channels, ReaderOptions, Samples};
use voxlane::config::ServiceClass;
use voxlane::{
    Engine, Event, OpenError, Sample, Stream, StreamError, StreamFault, StreamOptions, Transcript,
};

/// Blocks a second: audio is pushed as a sound card gives it, so that latencies count from the right moment.
const BLOCKS_PER_SECOND: u32 = 50;
/// How long a stream that has just ended may hold its slot, and a lane may take to restart.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// How long the open segment may take to be finished after a signal: service managers kill after ten seconds.
const FINISH_LIMIT: Duration = Duration::from_secs(8);
/// How long to wait for the file or the engine between two checks for signals.
const WAIT: Duration = Duration::from_millis(20);
/// How long to wait between two checks for room in the queue of results.
const ROOM_WAIT: Duration = Duration::from_millis(2);

/// A track on its way through the engine.
pub struct Recording<'a> {
    context: Context<'a>,
    track: Track,
    outlet: &'a mut Outlet,
    outcome: Outcome,
    /// In Hz; 0 until the file is open.
    sample_rate: u32,
    channels: ChannelCounts,
    /// Whether the channel need not be there from the start of the file on.
    is_late: bool,
    /// Samples of the track up to the last that was pushed.
    pushed: u64,
    /// What was dealt with before the present stream.
    skip: Skip,
    file_warnings: usize,
    /// Up to where segments have been finished, in seconds of the track.
    finished_s: f64,
    /// Where the last segment begins and ends.
    segment_s: (f64, f64),
    segments: u32,
    begun: Option<Instant>,
    done: Option<Instant>,
}

/// How many channels a file has; 0 if that could not be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChannelCounts {
    /// At its start.
    pub at_start: usize,
    /// In the part of it that has the most.
    pub most: usize,
}

/// Why a stream does not come to its end.
enum Break {
    Error(TrackError),
    /// The lane was restarted: another stream can go on.
    Restarted,
    Stopped(Reason),
}

/// Why no more samples are pushed.
enum Fed {
    /// There are no more that can be read.
    All(Result<(), AudioError>),
    /// They are no audio.
    Refused(StreamError),
    Stopped(Reason),
}

impl<'a> Recording<'a> {
    /// A track of which nothing has been read.
    pub fn new(context: Context<'a>, track: Track, outlet: &'a mut Outlet) -> Self {
        Recording {
            context,
            track,
            outlet,
            outcome: Outcome::default(),
            sample_rate: 0,
            channels: ChannelCounts::default(),
            is_late: false,
            pushed: 0,
            skip: Skip::default(),
            file_warnings: 0,
            finished_s: 0.0,
            segment_s: (0.0, 0.0),
            segments: 0,
            begun: None,
            done: None,
        }
    }

    /// Lets the channel begin where a later part of the file has it: up to there it is silent.
    pub fn late(self) -> Self {
        Recording { is_late: true, ..self }
    }

    /// Takes the track through the engine; how many channels its file has.
    pub fn run(mut self) -> ChannelCounts {
        self.outlet.give(Update::Track(self.track.clone()));
        // A lane that fails costs nothing where a new stream can go on behind the last text.
        let mut failed_s = None;
        while let Err(broken) = self.stream() {
            let error = match broken {
                Break::Restarted if failed_s != Some(self.finished_s) && self.is_repeatable() => {
                    failed_s = Some(self.finished_s);
                    self.go_back();
                    continue;
                }
                Break::Restarted => StreamFault::LaneFailed.into(),
                Break::Error(error) => error,
                Break::Stopped(reason) => {
                    self.stop(reason, self.finished_s);
                    break;
                }
            };
            self.fail(error, self.finished_s);
            break;
        }
        if let Some(begun) = self.begun {
            self.outcome.audio_s = self.position_s();
            self.outcome.wall_s = self.done.unwrap_or_else(Instant::now).duration_since(begun).as_secs_f64();
        }
        if self.is_silent() {
            self.warn(format!("no speech was found in {:.1} s of audio", self.outcome.audio_s));
        }
        self.outlet.give(Update::End(self.outcome));
        self.channels
    }

    /// Whether the whole track was listened to and nothing in it was taken for speech.
    fn is_silent(&self) -> bool {
        let Outcome { errors, interrupted, .. } = &self.outcome;
        let is_whole = errors.is_empty() && interrupted.is_none() && self.context.stop.reason().is_none();
        is_whole && self.segments == 0 && self.pushed > 0
    }

    /// Whether the file can be read again.
    fn is_repeatable(&self) -> bool {
        let path = &self.track.path;
        !input::is_standard(path)
            && std::fs::metadata(path).is_ok_and(|data| data.is_file())
            && self.context.stop.reason().is_none()
    }

    /// Begins anew behind the last text.
    fn go_back(&mut self) {
        let samples = (self.finished_s * f64::from(self.sample_rate)).round() as u64;
        self.skip = Skip { samples, warnings: self.file_warnings };
        self.pushed = samples;
        self.warn(format!(
            "the engine failed and was restarted; decoded again from {:.3} s on",
            self.finished_s
        ));
    }

    fn position_s(&self) -> f64 {
        self.pushed as f64 / f64::from(self.sample_rate.max(1))
    }

    fn warn(&mut self, warning: String) {
        self.outcome.warnings.push(warning.clone());
        self.outlet.give(Update::Warning(warning));
    }

    fn fail(&mut self, error: TrackError, at_s: f64) {
        self.outcome.errors.push(error);
        self.outcome.stopped_at_s = self.outcome.is_opened.then_some(at_s);
    }

    fn stop(&mut self, reason: Reason, at_s: f64) {
        if let Reason::Signal(signal) = reason {
            self.outcome.interrupted = Some(signal);
            self.outcome.stopped_at_s = Some(at_s);
        }
    }

    /// Takes the rest of the track through one stream.
    fn stream(&mut self) -> Result<(), Break> {
        let channels = match self.track.channel {
            None => Channels::Mix,
            Some(channel) if self.is_late => Channels::Later(channel - 1),
            Some(channel) => Channels::One(channel - 1),
        };
        let options = ReaderOptions { channels, ..ReaderOptions::default() };
        let messages = Input { path: self.track.path.clone(), options, skip: self.skip }.read();
        (self.sample_rate, self.channels.at_start) = self.header(&messages)?;
        self.channels.most = self.channels.most.max(self.channels.at_start);
        self.outcome.is_opened = true;
        let mut stream =
            open(self.context.engine, self.sample_rate).map_err(|error| Break::Error(error.into()))?;
        let fed = self.feed(&mut stream, &messages)?;
        self.finish(&mut stream, matches!(fed, Fed::Stopped(_)))?;
        let at_s = if stream.is_closed() { self.position_s() } else { self.finished_s };
        match fed {
            Fed::All(Ok(())) => {}
            Fed::All(Err(error)) => self.fail(error.into(), at_s),
            Fed::Refused(error) => self.fail(error.into(), at_s),
            Fed::Stopped(reason) => self.stop(reason, at_s),
        }
        Ok(())
    }

    /// The rate and the channels of the file.
    fn header(&mut self, messages: &Receiver<Message>) -> Result<(u32, usize), Break> {
        loop {
            if let Some(reason) = self.context.stop.reason() {
                return Err(Break::Stopped(reason));
            }
            match messages.recv_timeout(WAIT) {
                Ok(Message::Opened { sample_rate, channels }) => return Ok((sample_rate, channels)),
                Ok(Message::End(Err(error))) => return Err(Break::Error(error.into())),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Break::Error(TrackError::Reader)),
            }
        }
    }

    /// Pushes samples as they are read.
    fn feed(&mut self, stream: &mut Stream, messages: &Receiver<Message>) -> Result<Fed, Break> {
        loop {
            if let Some(reason) = self.context.stop.reason() {
                return Ok(Fed::Stopped(reason));
            }
            let refused = match messages.recv_timeout(WAIT) {
                Ok(Message::Samples(samples, fraction)) => {
                    self.progress(fraction);
                    match samples {
                        Samples::I16(samples) => self.push(stream, &samples)?,
                        Samples::F32(samples) => self.push(stream, &samples)?,
                    }
                }
                Ok(Message::Warning(warning)) => {
                    self.file_warnings += 1;
                    self.warn(warning.to_string());
                    None
                }
                Ok(Message::Opened { .. }) => None,
                Ok(Message::MostChannels(most)) => {
                    self.channels.most = self.channels.most.max(most);
                    None
                }
                Ok(Message::End(end)) => return Ok(Fed::All(end)),
                Err(RecvTimeoutError::Timeout) => self.drain(stream).map(|()| None)?,
                Err(RecvTimeoutError::Disconnected) => return Err(Break::Error(TrackError::Reader)),
            };
            if let Some(error) = refused {
                return Ok(Fed::Refused(error));
            }
        }
    }

    /// Notes how much of the file has been read: each of its channels is a part of the work.
    fn progress(&self, fraction: Option<f64>) {
        let fraction = fraction.unwrap_or(0.0);
        let (done, parts) = match (self.context.selection, self.track.channel) {
            (Selection::Separate, Some(channel)) => (channel - 1, self.channels.most.max(channel)),
            _ => (0, 1),
        };
        self.context.meter.set(self.outlet.file(), (done as f64 + fraction) / parts as f64);
    }

    /// Pushes samples block by block until a signal comes; the error if they are no audio.
    fn push<S: Sample>(&mut self, stream: &mut Stream, samples: &[S]) -> Result<Option<StreamError>, Break> {
        self.begun.get_or_insert_with(Instant::now);
        for block in samples.chunks((self.sample_rate / BLOCKS_PER_SECOND) as usize) {
            if self.context.stop.reason().is_some() {
                break;
            }
            let pushed = stream.push_wait(block);
            // The events say more about a lane that failed.
            self.drain(stream)?;
            match pushed {
                Ok(()) => {}
                Err(error @ (StreamError::NotFinite { .. } | StreamError::Amplitude { .. })) => {
                    return Ok(Some(error));
                }
                Err(error) => return Err(Break::Error(error.into())),
            }
            self.pushed += block.len() as u64;
            self.context.meter.add(block.len() as f64 / f64::from(self.sample_rate));
            // The reader of the results is slow: what comes of more audio would have to be kept.
            while !self.outlet.has_room() && self.context.stop.reason() != Some(Reason::Abandoned) {
                std::thread::sleep(ROOM_WAIT);
                self.drain(stream)?;
            }
        }
        Ok(None)
    }

    /// Waits for the text of all that was pushed; after a signal for [`FINISH_LIMIT`] at most.
    fn finish(&mut self, stream: &mut Stream, is_stopped: bool) -> Result<(), Break> {
        let mut limit = is_stopped.then(|| Instant::now() + FINISH_LIMIT);
        if let Err(error) = stream.finish() {
            self.drain(stream)?;
            return Err(Break::Error(error.into()));
        }
        while !stream.is_closed() {
            if let Some(event) = stream.next_timeout(WAIT) {
                self.take(event)?;
            }
            match self.context.stop.reason() {
                Some(reason @ Reason::Abandoned) => return Err(Break::Stopped(reason)),
                Some(reason @ Reason::Signal(_)) => {
                    let limit = *limit.get_or_insert_with(|| Instant::now() + FINISH_LIMIT);
                    if Instant::now() >= limit {
                        return Err(Break::Stopped(reason));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    fn drain(&mut self, stream: &mut Stream) -> Result<(), Break> {
        while let Some(event) = stream.try_next() {
            self.take(event)?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), Break> {
        let origin_s = self.skip.samples as f64 / f64::from(self.sample_rate);
        match event {
            Event::SpeechStart { start, .. } => self.segment_s = (origin_s + start, origin_s + start),
            Event::Endpoint { end, .. } => self.segment_s.1 = origin_s + end,
            Event::Final(mut segment) => {
                self.done = Some(Instant::now());
                shift(&mut segment, origin_s);
                segment.segment = self.segments;
                self.segments += 1;
                self.finished_s = segment.end;
                self.outcome.latency = segment.latency_ms;
                self.outlet.give(Update::Segment(segment));
            }
            Event::Error { error: StreamFault::NotFinite, .. } => {
                let (start, end) = self.segment_s;
                self.finished_s = end;
                self.outcome.errors.push(TrackError::NotFinite(start, end));
            }
            Event::Error { error: StreamFault::LaneFailed, .. } => return Err(Break::Restarted),
            Event::Error { error, .. } if !error.is_notice() => {
                return Err(Break::Error(error.into()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Opens a stream; waits for a slot that an earlier stream is about to leave.
fn open(engine: &Engine, sample_rate: u32) -> Result<Stream, OpenError> {
    let limit = Instant::now() + OPEN_LIMIT;
    loop {
        let class = ServiceClass::Batch;
        match engine.open(StreamOptions::new(sample_rate).class(class)) {
            Err(OpenError::Saturated { .. } | OpenError::Down { .. }) if Instant::now() < limit => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

/// Moves a segment's times to where its stream began.
fn shift(segment: &mut Transcript, origin_s: f64) {
    segment.start += origin_s;
    segment.end += origin_s;
    for word in &mut segment.words {
        word.start += origin_s;
        word.end += origin_s;
    }
}
