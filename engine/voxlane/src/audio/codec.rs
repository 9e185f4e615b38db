//! Compressed audio: packets from a [`Demuxer`], decoded and put together.
//!
//! Where audio is damaged or missing, reading goes on behind it: a warning says where, and so does the error at
//! the end of the file. MPEG audio alone is forgiving: its frames have no numbers and mostly no checksums, and a
//! file cut from the middle of another begins with frames that nobody can decode.

use std::collections::VecDeque;

use super::block::{Block, Samples};
use super::demux::{Demuxer, Packet, Stream, Unit};
use super::error::{Place, PlacedProblem, Problem};
use super::pcm;
use super::rate::RateChange;
use super::resample::ResampleError;
use super::source::{Part, Shape, Source};
use super::track::Track;
use super::warning::{Oddity, Warnings};

/// The longest silence that is put where timestamps leave audio out.
const MAX_SILENCE_S: f64 = 300.0;

/// Sample frames of silence that are given out at once.
const SILENCE_FRAMES: u64 = 8192;

/// A compressed file, decoded up to its first samples.
pub(super) struct Codec {
    demuxer: Box<dyn Demuxer>,
    /// `None` before the first stream, and while one goes by that cannot be decoded.
    track: Option<Track>,
    /// Whether audio of the track is missing.
    is_damaged: bool,
    /// That of the first samples.
    shape: Option<Shape>,
    /// For audio of another rate than that.
    rate: Option<RateChange>,
    /// Sample frames so far.
    given: u64,
    /// The first place where audio is missing.
    missing: Option<PlacedProblem>,
    /// Channels and samples to give out.
    ready: VecDeque<(usize, Samples)>,
    /// Sample frames of silence to give out before them.
    silence: u64,
    /// The samples that were given out last.
    current: Samples,
}

impl Codec {
    /// Decodes up to the first samples.
    ///
    /// # Errors
    /// If there are none, why.
    pub fn open(demuxer: impl Demuxer + 'static, warnings: &mut Warnings) -> Result<Self, PlacedProblem> {
        let mut codec = Codec {
            demuxer: Box::new(demuxer),
            track: None,
            is_damaged: false,
            shape: None,
            rate: None,
            given: 0,
            missing: None,
            ready: VecDeque::new(),
            silence: 0,
            current: Samples::F32(Vec::new()),
        };
        if codec.advance(warnings)? {
            return Ok(codec);
        }
        Err(codec.missing.take().unwrap_or((Problem::Empty, Place::File)))
    }

    /// Decodes until samples are ready; `false` at the end of the file.
    fn advance(&mut self, warnings: &mut Warnings) -> Result<bool, PlacedProblem> {
        while self.ready.is_empty() {
            match self.demuxer.next().map_err(|(problem, place)| self.fault(problem, place))? {
                Some(Unit::Packet(packet)) => self.packet(&packet, warnings)?,
                Some(Unit::Stream(stream)) => self.begin(stream, warnings)?,
                Some(Unit::Odd(oddity, place)) => warnings.push(oddity, place),
                Some(Unit::Missing(problem)) => self.miss(problem, warnings),
                Some(Unit::Silence(frames)) => {
                    if let Some(track) = &mut self.track {
                        track.stand_in(&Packet::default(), frames);
                        self.take(warnings)?;
                    }
                }
                None => {
                    self.end_track(warnings)?;
                    break;
                }
            }
        }
        Ok(!self.ready.is_empty())
    }

    /// Where the audio has come to.
    fn here(&self) -> Place {
        self.shape.map_or(Place::File, |shape| Place::Time(self.given as f64 / f64::from(shape.sample_rate)))
    }

    /// The error that ends reading: the first of those that were found.
    fn fault(&mut self, problem: Problem, place: Place) -> PlacedProblem {
        let place = if place == Place::File { self.here() } else { place };
        self.missing.take().unwrap_or((problem, place))
    }

    /// Notes that audio is missing here.
    fn miss(&mut self, problem: Problem, warnings: &mut Warnings) {
        let here = self.here();
        warnings.push(Oddity::Missing(problem.to_string()), here);
        self.missing.get_or_insert((problem, here));
        self.is_damaged = true;
    }

    fn begin(&mut self, stream: Stream, warnings: &mut Warnings) -> Result<(), PlacedProblem> {
        self.end_track(warnings)?;
        match Track::new(stream) {
            Ok(track) => self.track = Some(track),
            // A later stream is passed over: what came before it was given out.
            Err(problem) if self.given > 0 => self.miss(problem, warnings),
            Err(problem) => return Err((problem, Place::File)),
        }
        self.is_damaged = false;
        Ok(())
    }

    fn packet(&mut self, packet: &Packet, warnings: &mut Warnings) -> Result<(), PlacedProblem> {
        let Some(track) = &mut self.track else { return Ok(()) };
        match (track.decode(packet), packet.stand_in) {
            (Ok(()), _) => self.take(warnings),
            (Err(problem), 0) => {
                self.miss(Problem::Malformed(problem), warnings);
                Ok(())
            }
            (Err(problem), frames) => {
                warnings.push(Oddity::Silence(problem), self.here());
                if let Some(track) = &mut self.track {
                    track.stand_in(packet, frames);
                }
                self.take(warnings)
            }
        }
    }

    /// Makes what the last packet brought ready.
    fn take(&mut self, warnings: &mut Warnings) -> Result<(), PlacedProblem> {
        let Some(shape) = self.track.as_ref().and_then(Track::shape) else { return Ok(()) };
        let here = self.here();
        if self.shape.is_none() {
            self.shape = Some(shape.check(here)?);
        }
        self.change_rate(shape, warnings)?;
        if self.track.as_ref().and_then(Track::part).is_some() {
            let gap = self.track.as_mut().map_or(0, Track::take_gap);
            self.keep_silent(gap, shape, warnings);
        }
        let Some(part) = self.track.as_ref().and_then(Track::part) else { return Ok(()) };
        let samples = match (&mut self.rate, part.samples) {
            (None, Block::I16(samples)) => Samples::I16(samples.to_vec()),
            (None, Block::F32(samples)) => Samples::F32(samples.to_vec()),
            (Some(rate), Block::I16(samples)) => {
                let mut float = vec![0.0; samples.len()];
                pcm::to_f32(samples, &mut float);
                Samples::F32(rate.process(&float).map_err(|error| unresampled(error, here))?.to_vec())
            }
            (Some(rate), Block::F32(samples)) => {
                Samples::F32(rate.process(samples).map_err(|error| unresampled(error, here))?.to_vec())
            }
        };
        let channels = part.channels;
        self.give(channels, samples);
        Ok(())
    }

    /// Puts silence where the timestamps say that there is no audio.
    fn keep_silent(&mut self, frames: u64, shape: Shape, warnings: &mut Warnings) {
        if frames == 0 {
            return;
        }
        let seconds = frames as f64 / f64::from(shape.sample_rate);
        let is_long = seconds > MAX_SILENCE_S;
        let what = if is_long { "nothing" } else { "silence" };
        let what = format!("by the timestamps {seconds:.3} s of audio are missing; {what} in their place");
        warnings.push(Oddity::Irregular(what), self.here());
        if !is_long {
            let rate = self.shape.map_or(shape.sample_rate, |first| first.sample_rate);
            let frames = (seconds * f64::from(rate)).round() as u64;
            self.silence += frames;
            self.given += frames;
        }
    }

    /// What is given out next.
    fn following(&mut self) -> Option<(usize, Samples)> {
        if self.silence == 0 {
            return self.ready.pop_front();
        }
        let (channels, samples) = self.ready.front()?;
        let frames = self.silence.min(SILENCE_FRAMES);
        self.silence -= frames;
        let count = frames as usize * channels;
        let silence = match samples {
            Samples::I16(_) => Samples::I16(vec![0; count]),
            Samples::F32(_) => Samples::F32(vec![0.0; count]),
        };
        Some((*channels, silence))
    }

    fn give(&mut self, channels: usize, samples: Samples) {
        if !samples.is_empty() {
            self.given += (samples.len() / channels) as u64;
            self.ready.push_back((channels, samples));
        }
    }

    /// Sees to it that audio of this shape comes out at the rate of the first.
    fn change_rate(&mut self, shape: Shape, warnings: &mut Warnings) -> Result<(), PlacedProblem> {
        let Some(first) = self.shape else { return Ok(()) };
        let wanted = (shape.sample_rate != first.sample_rate).then_some(shape);
        if self.rate.as_ref().map(RateChange::from) == wanted {
            return Ok(());
        }
        self.end_rate()?;
        if let Some(shape) = wanted {
            let here = self.here();
            let change =
                RateChange::new(shape, first.sample_rate).map_err(|error| unresampled(error, here))?;
            self.rate = Some(change);
            let what =
                format!("the sample rate changes from {} to {} Hz", first.sample_rate, shape.sample_rate);
            warnings.push(Oddity::Irregular(what), here);
        }
        Ok(())
    }

    /// Gives out what is left in the resampler.
    fn end_rate(&mut self) -> Result<(), PlacedProblem> {
        let here = self.here();
        let Some(mut rate) = self.rate.take() else { return Ok(()) };
        let rest = rate.finish().map_err(|error| unresampled(error, here))?.to_vec();
        self.give(rate.from().channels, Samples::F32(rest));
        Ok(())
    }

    /// Ends the track: what can only be known when all of it is decoded.
    fn end_track(&mut self, warnings: &mut Warnings) -> Result<(), PlacedProblem> {
        self.end_rate()?;
        let Some(mut track) = self.track.take() else { return Ok(()) };
        if self.is_damaged {
            return Ok(());
        }
        let (verified, here) = (track.verify(), self.here());
        match track.imbalance() {
            Some((claimed, found)) if claimed > found && verified != Some(true) => {
                let rate = track.shape().map_or(1.0, |shape| f64::from(shape.sample_rate));
                let (claimed, found) = (claimed as f64 / rate, found as f64 / rate);
                let what = format!("the header promises {claimed:.3} s, the file holds {found:.3} s");
                self.miss(Problem::Truncated(what), warnings);
            }
            Some((claimed, found)) => {
                warnings.push(Oddity::WrongCount { claimed, found, unit: "sample frames" }, here);
            }
            None if verified == Some(false) => warnings.push(Oddity::Checksum, here),
            None => {}
        }
        Ok(())
    }
}

impl Source for Codec {
    fn shape(&self) -> Shape {
        self.shape.unwrap_or(Shape { sample_rate: super::MIN_RATE_HZ, channels: 1 })
    }

    fn next_part(&mut self, warnings: &mut Warnings) -> Result<Option<Part<'_>>, PlacedProblem> {
        if self.advance(warnings)?
            && let Some((channels, samples)) = self.following()
        {
            self.current = samples;
            let samples = match &self.current {
                Samples::I16(samples) => Block::I16(samples),
                Samples::F32(samples) => Block::F32(samples),
            };
            return Ok(Some(Part { channels, samples }));
        }
        self.missing.take().map_or(Ok(None), Err)
    }
}

fn unresampled(error: ResampleError, place: Place) -> PlacedProblem {
    match error {
        ResampleError::Rate(rate) => (Problem::SampleRate(rate), place),
        ResampleError::Filter(what) => (Problem::Malformed(what), place),
    }
}
