//! One recording through one stream.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use voxlane::audio::file::{AudioError, Block, Reader};
use voxlane::{
    Engine, Event, Latency, OpenError, Sample, Stream, StreamError, StreamFault, StreamOptions, Transcript,
};

/// Blocks a second: audio is pushed as a sound card gives it, so that latencies count from the right moment.
const BLOCKS_PER_SECOND: u32 = 50;

/// How long a stream that has just ended may hold its slot.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// What was heard in a recording.
#[derive(Clone, Debug)]
pub struct Heard {
    /// One for each segment, in order.
    pub segments: Vec<Transcript>,
    /// The recording's length in seconds.
    pub audio_s: f64,
    /// From the first push to the last final, in seconds.
    pub wall_s: f64,
}

impl Heard {
    /// The text of all segments.
    pub fn text(&self) -> String {
        let texts = self.segments.iter().map(|segment| segment.text.trim());
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Seconds of work for a second of audio.
    pub fn rtf(&self) -> f64 {
        self.wall_s / self.audio_s
    }

    /// The latency of the last final: from the last sample to the end of the text.
    pub fn latency(&self) -> Latency {
        self.segments.last().map(|segment| segment.latency_ms).unwrap_or_default()
    }
}

/// Why a recording was not transcribed.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file is bad. The error names it.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The engine had no slot for it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The engine did not take its samples.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The engine failed on the way.
    #[error(transparent)]
    Fault(#[from] StreamFault),
}

impl RecordingError {
    /// Whether the file is fine and the engine is not.
    pub fn is_engine_fault(&self) -> bool {
        let is_bad_input = matches!(
            self,
            RecordingError::Audio(_)
                | RecordingError::Stream(StreamError::NotFinite { .. } | StreamError::Amplitude { .. })
        );
        !is_bad_input
    }

    /// The message with the file's name in it.
    pub fn of(&self, path: &Path) -> String {
        match self {
            RecordingError::Audio(error) => error.to_string(),
            error => format!("{}: {error}", path.display()),
        }
    }
}

/// Takes a file through a stream of its own, in bounded memory. Nothing if `is_stopped` was set on the way.
pub fn hear(engine: &Engine, path: &Path, is_stopped: &AtomicBool) -> Option<Result<Heard, RecordingError>> {
    try_hear(engine, path, is_stopped).transpose()
}

fn try_hear(engine: &Engine, path: &Path, is_stopped: &AtomicBool) -> Result<Option<Heard>, RecordingError> {
    let mut reader = Reader::open(path)?;
    let sample_rate = reader.sample_rate();
    let mut stream = open(engine, sample_rate)?;
    let mut events = Events { segments: Vec::new(), done: None };
    let mut begun = None;
    let mut samples = 0;
    let block = (sample_rate / BLOCKS_PER_SECOND) as usize;
    while let Some(read) = reader.next_block()? {
        if is_stopped.load(Ordering::Relaxed) {
            return Ok(None);
        }
        begun.get_or_insert_with(Instant::now);
        samples += match read {
            Block::I16(read) => push(&mut stream, read, block, &mut events)?,
            Block::F32(read) => push(&mut stream, read, block, &mut events)?,
        };
    }
    let begun = begun.unwrap_or_else(Instant::now);
    stream.finish()?;
    while !stream.is_closed() {
        if let Some(event) = stream.next_timeout(Duration::from_secs(1)) {
            events.take(event)?;
        }
    }
    let end = events.done.unwrap_or_else(Instant::now);
    Ok(Some(Heard {
        segments: events.segments,
        audio_s: samples as f64 / f64::from(sample_rate),
        wall_s: end.duration_since(begun).as_secs_f64(),
    }))
}

/// Opens a stream; waits for a slot that an earlier stream is about to leave.
fn open(engine: &Engine, sample_rate: u32) -> Result<Stream, OpenError> {
    let limit = Instant::now() + OPEN_LIMIT;
    loop {
        match engine.open(StreamOptions { sample_rate, ..StreamOptions::default() }) {
            Err(OpenError::Saturated { .. }) if Instant::now() < limit => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

/// Pushes samples block by block; how many.
fn push<S: Sample>(
    stream: &mut Stream,
    samples: &[S],
    block: usize,
    events: &mut Events,
) -> Result<usize, RecordingError> {
    for part in samples.chunks(block) {
        if let Err(error) = stream.push_wait(part) {
            // The events say more about a lane that failed.
            events.drain(stream)?;
            return Err(error.into());
        }
        events.drain(stream)?;
    }
    Ok(samples.len())
}

/// What has come out so far.
struct Events {
    segments: Vec<Transcript>,
    /// When the last final came.
    done: Option<Instant>,
}

impl Events {
    fn drain(&mut self, stream: &mut Stream) -> Result<(), StreamFault> {
        while let Some(event) = stream.try_next() {
            self.take(event)?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), StreamFault> {
        match event {
            Event::Final(transcript) => {
                self.done = Some(Instant::now());
                self.segments.push(transcript);
            }
            Event::Error { error, .. } if !error.is_notice() => return Err(error),
            _ => {}
        }
        Ok(())
    }
}
