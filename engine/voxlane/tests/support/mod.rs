//! A model small enough to test the engine with: every 100 ms of a segment becomes one token, whose id is a
//! checksum of its samples. Results are a pure function of a segment's samples, passes are resumable, and
//! decoding can be made slow.

#![allow(dead_code, reason = "each test program uses its part")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use voxlane::config::{LaneConfig, Source};
use voxlane::{Config, Engine, Event, Stream, StreamError, StreamOptions};
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::families::emformer::{Emformer, from_state_dict, prepare};
use voxlane_models::fault::Faults;
use voxlane_models::formats::checkpoint::{self, Statistics};
use voxlane_models::hypothesis::{Hypothesis, Token};
use voxlane_models::layers::linear::Precision;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Limits, Model, ModelInfo, Request, Slot};
use voxlane_models::team::Team;
use voxlane_models::tokenizers::vocabulary::Vocabulary;

/// Samples that make one token.
pub const TOKEN_SAMPLES: usize = 1600;
const MAX_SAMPLES: usize = 480_000;

/// See the module.
pub struct Toy {
    /// Samples per second that it says it wants.
    pub sample_rate: u32,
    /// How long each token takes to decode.
    pub decode: Duration,
    /// Segments decoded at the same time; 0 is 1.
    pub batch: usize,
    /// Gives no token for what the segment holds beyond so many; `None` is without limit.
    pub most_tokens: Option<usize>,
    /// Ids are below this; `None` is without limit.
    pub ids_below: Option<u32>,
    /// Its decoder can go on from a text: what it then says depends on that text and on all samples.
    pub follows: bool,
    /// What it does, in order, for tests that ask.
    pub log: Option<Arc<Mutex<Vec<Work>>>>,
}

/// What the model does for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Features begin a pass.
    Pass(Slot),
    /// The decoder finds a token.
    Token(Slot),
}

impl Default for Toy {
    fn default() -> Self {
        Toy {
            sample_rate: 16_000,
            decode: Duration::ZERO,
            batch: 0,
            most_tokens: None,
            ids_below: None,
            follows: false,
            log: None,
        }
    }
}

fn note(log: &Option<Arc<Mutex<Vec<Work>>>>, work: Work) {
    if let Some(log) = log {
        log.lock().unwrap().push(work);
    }
}

#[derive(Default)]
pub struct ToySpan {
    samples: Vec<i16>,
    sums: Vec<u32>,
    slot: Slot,
}

pub struct ToyFrontEnd {
    slots: Vec<Vec<i16>>,
    pass: (Slot, usize, usize),
    log: Option<Arc<Mutex<Vec<Work>>>>,
}

pub struct ToyEncoder(Team);

pub struct ToyDecoder {
    slots: Vec<Hypothesis>,
    /// Tokens of each slot's pass that are done.
    done: Vec<usize>,
    decode: Duration,
    most_tokens: usize,
    ids_below: u32,
    /// What each slot's segment follows: a sum of the tokens, and samples.
    follows: Option<Vec<(u32, usize)>>,
    log: Option<Arc<Mutex<Vec<Work>>>>,
}

impl Model for Toy {
    type Span = ToySpan;
    type FrontEnd = ToyFrontEnd;
    type Encoder = ToyEncoder;
    type Decoder = ToyDecoder;

    fn info(&self) -> ModelInfo {
        let mut info = ModelInfo::new(Limits {
            sample_rate: self.sample_rate,
            min_segment_samples: 0,
            max_segment_samples: MAX_SAMPLES,
            max_segment_tokens: MAX_SAMPLES / TOKEN_SAMPLES,
        });
        info.batch = self.batch.max(1);
        info.follows = self.follows;
        info
    }

    fn span(&self) -> ToySpan {
        let tokens = MAX_SAMPLES / TOKEN_SAMPLES + 1;
        ToySpan { samples: Vec::with_capacity(MAX_SAMPLES + 320), sums: Vec::with_capacity(tokens), slot: 0 }
    }

    fn front_end(&self, slots: usize) -> ToyFrontEnd {
        let slots = (0..slots).map(|_| Vec::with_capacity(MAX_SAMPLES + 320)).collect();
        ToyFrontEnd { slots, pass: (0, 0, 0), log: self.log.clone() }
    }

    fn encoder(&self, _: usize, team: Team) -> ToyEncoder {
        ToyEncoder(team)
    }

    fn decoder(&self, slots: usize) -> ToyDecoder {
        let hypothesis = Hypothesis::with_capacity(self.info().limits.max_segment_tokens + 1);
        let most_tokens = self.most_tokens.unwrap_or(usize::MAX);
        let ids_below = self.ids_below.unwrap_or(u32::MAX);
        let (slots_done, follows) = (vec![0; slots], self.follows.then(|| vec![(0, 0); slots]));
        let (slots, decode, log) = (vec![hypothesis; slots], self.decode, self.log.clone());
        ToyDecoder { slots, done: slots_done, decode, most_tokens, ids_below, follows, log }
    }
}

impl FrontEnd for ToyFrontEnd {
    type Span = ToySpan;

    fn push(&mut self, slot: Slot, samples: &[i16], faults: &mut Faults) {
        if self.slots[slot].len() + samples.len() > MAX_SAMPLES + 320 {
            *faults |= Faults::TOO_LONG;
            return;
        }
        self.slots[slot].extend_from_slice(samples);
    }

    fn is_ready(&self, _: Slot) -> bool {
        false
    }

    fn begin(&mut self, slot: Slot, samples: usize, _: Goal) {
        note(&self.log, Work::Pass(slot));
        self.pass = (slot, samples, 0);
    }

    fn step(&mut self, span: &mut ToySpan, budget: &Budget, _: &mut Faults) -> Progress {
        let (slot, end, done) = &mut self.pass;
        if *done == 0 {
            span.samples.clear();
        }
        while *done < *end {
            let next = (*done + 8000).min(*end);
            span.samples.extend_from_slice(&self.slots[*slot][*done..next]);
            *done = next;
            if budget.is_spent() && *done < *end {
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn reset(&mut self, slot: Slot) {
        self.slots[slot].clear();
    }
}

impl Encoder for ToyEncoder {
    type Span = ToySpan;

    fn begin(&mut self, _: Slot, span: &mut ToySpan) {
        span.sums.clear();
    }

    fn step(&mut self, span: &mut ToySpan, budget: &Budget, _: &mut Faults) -> Progress {
        while span.sums.len() * TOKEN_SAMPLES < span.samples.len() {
            let mut chunks = span.samples.chunks(TOKEN_SAMPLES).skip(span.sums.len());
            let (mine, theirs) = (chunks.next(), chunks.next());
            let (mut first, mut second) = (None, None);
            self.0.both(|| second = theirs.map(checksum), || first = mine.map(checksum));
            span.sums.extend(first.into_iter().chain(second));
            if budget.is_spent() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn reset(&mut self, _: Slot) {}
}

impl Decoder for ToyDecoder {
    type Span = ToySpan;

    fn begin(&mut self, slot: Slot, span: &mut ToySpan, _: Request) {
        self.slots[slot].clear();
        self.done[slot] = 0;
        span.slot = slot;
    }

    fn step(&mut self, span: &mut ToySpan, budget: &Budget, _: &mut Faults) -> Progress {
        let done = &mut self.done[span.slot];
        let (text, before) = self.follows.as_ref().map_or((0, 0), |follows| follows[span.slot]);
        while let Some(&id) =
            span.sums.get(before.div_ceil(TOKEN_SAMPLES) + *done).filter(|_| *done < self.most_tokens)
        {
            let start = (*done * TOKEN_SAMPLES) as u32;
            let id = id.wrapping_add(text) % self.ids_below;
            let log_prob = if self.follows.is_some() { log_prob_behind(text) } else { 0.0 };
            let token = Token { id, log_prob, start, end: start + TOKEN_SAMPLES as u32 };
            note(&self.log, Work::Token(span.slot));
            self.slots[span.slot].push(token);
            *done += 1;
            if !self.decode.is_zero() {
                std::thread::sleep(self.decode);
            }
            if budget.is_spent() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn follow(&mut self, slot: Slot, tokens: &[u32], samples: usize) -> bool {
        let Some(follows) = &mut self.follows else { return false };
        follows[slot] = (sum_of(tokens), samples);
        true
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        &self.slots[slot]
    }

    fn reset(&mut self, slot: Slot) {
        self.slots[slot].clear();
        if let Some(follows) = &mut self.follows {
            follows[slot] = (0, 0);
        }
    }
}

/// A small streaming network with random weights, whose text is nonsense and always the same.
pub fn emformer() -> Emformer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tests/data/emformer");
    let file = folder.join("base-like.pt");
    let config = prepare::config(&folder.join("base-like.config.json")).unwrap();
    let Statistics { mean, invstddev } = Statistics::read(&folder.join("base-like.stats.json")).unwrap();
    let tensors = checkpoint::read(&file).unwrap();
    let weights = from_state_dict(tensors, config, Some((mean, invstddev)), &file).unwrap();
    Emformer::new(&weights, Precision::Int8)
}

/// Ids as hexadecimal words.
pub struct Hex;

impl Vocabulary for Hex {
    fn text(&self, ids: &[u32]) -> String {
        ids.iter().map(|id| format!("{id:08x}")).collect::<Vec<_>>().join(" ")
    }

    fn begins_word(&self, _: u32) -> bool {
        true
    }

    fn encode(&self, text: &str) -> Option<Vec<u32>> {
        text.split_whitespace().map(|word| u32::from_str_radix(word, 16).ok()).collect()
    }
}

/// Ids of [`Marks`] are below this, and those of the lower half end a sentence.
pub const IDS: u32 = 64;

/// A vocabulary with punctuation.
pub struct Marks;

impl Vocabulary for Marks {
    fn text(&self, ids: &[u32]) -> String {
        ids.iter().map(|id| format!("{id}{}", if *id < IDS / 2 { ". " } else { " " })).collect()
    }

    fn size(&self) -> u32 {
        IDS
    }

    fn begins_word(&self, _: u32) -> bool {
        true
    }
}

/// What a text adds to the tokens that follow it; never 0.
pub fn sum_of(tokens: &[u32]) -> u32 {
    tokens.iter().fold(1u32, |sum, id| sum.wrapping_mul(33).wrapping_add(*id)) | 1
}

/// The probability of tokens behind a text of this sum: alone they are in doubt, and behind it more likely or less.
pub fn log_prob_behind(text: u32) -> f32 {
    match text {
        0 => -0.5,
        text if text & 2 == 0 => -0.2,
        _ => -0.8,
    }
}

fn checksum(chunk: &[i16]) -> u32 {
    chunk.iter().fold(17u32, |sum, &s| sum.wrapping_mul(31).wrapping_add(s as u16 as u32))
}

/// The tokens that a segment of these samples should give.
pub fn expected(samples: &[i16]) -> Vec<u32> {
    samples.chunks(TOKEN_SAMPLES).map(checksum).collect()
}

/// A lane that parks, placed by the affinity mask, without warming.
pub fn config(slots: usize) -> Config {
    let mut config = Config { lanes: vec![LaneConfig::with_slots(slots)], ..Config::default() };
    config.warm.enabled = false;
    config
}

pub fn engine(config: impl Into<Source>) -> Engine {
    Engine::with_model(config, Arc::new(Toy::default()), Arc::new(Hex)).unwrap()
}

pub fn open(engine: &Engine) -> Stream {
    engine.open(StreamOptions::default()).unwrap()
}

/// Opens a stream as soon as one that was dropped has left its slot.
pub fn open_soon(engine: &Engine) -> Stream {
    loop {
        match engine.open(StreamOptions::default()) {
            Ok(stream) => return stream,
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// Asks again while the audio ring is full.
pub fn when_there_is_room<T>(mut ask: impl FnMut() -> Result<T, StreamError>) -> T {
    loop {
        match ask() {
            Err(StreamError::Full) => std::thread::sleep(Duration::from_millis(1)),
            answer => return answer.unwrap(),
        }
    }
}

/// Reproducible noise that differs by seed.
pub fn noise(samples: usize, seed: u32) -> Vec<i16> {
    let mut state = seed.wrapping_mul(2_654_435_769) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 16) as i16
    };
    (0..samples).map(|_| next()).collect()
}

/// Pushes audio in chunks of the given sizes, over and over, reads as it goes, and finishes. All events up to the close.
pub fn in_chunks(engine: &Engine, audio: &[i16], chunks: &[usize]) -> Vec<Event> {
    let mut stream = open_soon(engine);
    let mut events = Vec::new();
    let (mut rest, mut sizes) = (audio, chunks.iter().cycle());
    while let (false, Some(&size)) = (rest.is_empty(), sizes.next()) {
        let (now, later) = rest.split_at(size.min(rest.len()));
        stream.push_wait(now).unwrap();
        events.extend(std::iter::from_fn(|| stream.try_next()));
        rest = later;
    }
    stream.finish().unwrap();
    events.extend(drain(&mut stream));
    events
}

/// Pushes half a second at a time and is never more than a second ahead of the events: no partial is passed over
/// because the machine is slow. All events up to the close.
pub fn follow(engine: &Engine, audio: &[i16]) -> Vec<Event> {
    let mut stream = open_soon(engine);
    let (mut events, mut unanswered) = (Vec::new(), 0);
    for part in audio.chunks(8000) {
        stream.push_wait(part).unwrap();
        when_there_is_room(|| stream.mark());
        unanswered += 1;
        while unanswered > 2 {
            let Some(event) = stream.next_timeout(Duration::from_secs(20)) else {
                panic!("a marker is not answered after {events:?}: {:?}", engine.report());
            };
            unanswered -= usize::from(matches!(event, Event::Marker { .. }));
            events.push(event);
        }
    }
    stream.finish().unwrap();
    events.extend(drain(&mut stream));
    events
}

/// Reads events until the stream is closed.
pub fn drain(stream: &mut Stream) -> Vec<Event> {
    let mut events = Vec::new();
    while !stream.is_closed() {
        events.extend(stream.next_timeout(Duration::from_secs(20)));
    }
    events
}

/// The token ids of each final, in order.
pub fn finals(events: &[Event]) -> Vec<Vec<u32>> {
    let ids = |event: &Event| match event {
        Event::Final(transcript) => Some(transcript.tokens.iter().map(|token| token.id).collect()),
        _ => None,
    };
    events.iter().filter_map(ids).collect()
}
