//! The arms of the experiment, and a thread that runs a model's parts with something to do in its gaps.

use super::super::open_loop::OpenLoop;
use anyhow::{Context as _, Result, ensure};
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use voxlane::{Clock, Time};
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::fault::Faults;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model};
use voxlane_models::team::Team;

/// Samples of a frame of the engine.
pub const FRAME_SAMPLES: usize = 320;
/// Slots: the real stream's, and the dummy's.
const REAL: usize = 0;
const SCRATCH: usize = 1;
/// What the generator streams through: twice the largest cache in sight.
const STREAMED_BYTES: usize = 64 << 20;
/// What the thread itself sweeps: several times its L2.
const SWEPT_BYTES: usize = 8 << 20;

/// What a thread does in a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sleeps until it is woken.
    Off,
    /// Spins.
    Spin,
    /// Runs the same code on little data.
    Code,
    /// Runs the same code on the same data.
    Full,
}

/// What works against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Nothing.
    None,
    /// Another core streams memory.
    OtherCore,
    /// The same core sweeps memory at the beginning of the gap.
    SameCore,
}

impl Mode {
    /// All modes.
    pub const ALL: [Mode; 4] = [Mode::Off, Mode::Spin, Mode::Code, Mode::Full];

    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Spin => "spin",
            Mode::Code => "code",
            Mode::Full => "full",
        }
    }
}

impl Eviction {
    /// All kinds.
    pub const ALL: [Eviction; 3] = [Eviction::None, Eviction::OtherCore, Eviction::SameCore];

    /// The words in tables.
    pub fn name(self) -> &'static str {
        match self {
            Eviction::None => "no eviction",
            Eviction::OtherCore => "other core streams",
            Eviction::SameCore => "same core swept",
        }
    }
}

/// What the generator and the working thread share.
pub struct Mailbox {
    /// When the work is due, in nanoseconds; zero: nothing is due.
    due: AtomicU64,
    ended: AtomicBool,
}

impl Mailbox {
    fn peek(&self) -> Option<Time> {
        let due = self.due.load(Ordering::Acquire);
        (due > 0).then(|| Time::from_nanos(due))
    }
}

/// How long a piece of work took, in nanoseconds from when it was due.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Until its first frame had been taken.
    pub first_frame: u64,
    /// Until its last token.
    pub all: u64,
}

/// A model's parts with a slot for dummies.
pub struct Parts<M: Model> {
    front_end: M::FrontEnd,
    encoder: M::Encoder,
    decoder: M::Decoder,
    span: M::Span,
    unlimited: Budget,
    unit: Budget,
}

impl<M: Model> Parts<M> {
    /// The parts of `model`.
    pub fn new(model: &M) -> Self {
        Parts {
            front_end: model.front_end(2),
            encoder: model.encoder(2, Team::alone()),
            decoder: model.decoder(2),
            span: model.span(),
            unlimited: Budget::unlimited(),
            unit: Budget::one_unit(),
        }
    }

    /// Runs `samples` to the end; when the first frame was taken.
    fn work(&mut self, samples: &[i16], clock: &Clock) -> Result<Time> {
        let Parts { front_end, encoder, decoder, span, unlimited, .. } = self;
        let mut faults = Faults::NONE;
        front_end.reset(REAL);
        let (first, rest) = samples.split_at(FRAME_SAMPLES.min(samples.len()));
        front_end.push(REAL, first, &mut faults);
        let taken = clock.now();
        rest.chunks(FRAME_SAMPLES).for_each(|frame| front_end.push(REAL, frame, &mut faults));
        front_end.begin(REAL, samples.len(), Goal::Final);
        while front_end.step(span, unlimited, &mut faults) == Progress::More {}
        encoder.reset(REAL);
        encoder.begin(REAL, span);
        while encoder.step(span, unlimited, &mut faults) == Progress::More {}
        decoder.reset(REAL);
        decoder.begin(REAL, span, Goal::Final.into());
        while decoder.step(span, unlimited, &mut faults) == Progress::More {}
        ensure!(!faults.has(Faults::NOT_FINITE), "the network's output was not finite");
        black_box(decoder.hypothesis(REAL));
        Ok(taken)
    }

    /// Runs dummies until `is_over`, which is asked after every unit of work.
    fn warm(&mut self, samples: &[i16], mut is_over: impl FnMut() -> bool) {
        let Parts { front_end, encoder, decoder, span, unit, .. } = self;
        let mut faults = Faults::NONE;
        loop {
            front_end.reset(SCRATCH);
            for frame in samples.chunks(FRAME_SAMPLES) {
                front_end.push(SCRATCH, frame, &mut faults);
                if is_over() {
                    return;
                }
            }
            front_end.begin(SCRATCH, samples.len(), Goal::Final);
            while front_end.step(span, unit, &mut faults) == Progress::More {
                if is_over() {
                    return;
                }
            }
            encoder.begin(SCRATCH, span);
            while encoder.step(span, unit, &mut faults) == Progress::More {
                if is_over() {
                    return;
                }
            }
            decoder.begin(SCRATCH, span, Goal::Final.into());
            while decoder.step(span, unit, &mut faults) == Progress::More {
                if is_over() {
                    return;
                }
            }
            if is_over() {
                return;
            }
        }
    }
}

/// One arm.
#[derive(Clone, Copy, Debug)]
pub struct Arm {
    /// In the gaps.
    pub mode: Mode,
    /// Against it.
    pub eviction: Eviction,
    /// Zero: the work is due at once.
    pub gap: Duration,
}

/// The working thread's and the generator's things, made once for all arms.
pub struct Bench<M: Model, C: Model> {
    /// The real network.
    pub real: Parts<M>,
    /// The one with little data.
    pub small: Parts<C>,
    /// What is said.
    pub samples: Vec<i16>,
    /// Swept by the working thread.
    swept: Vec<u64>,
    /// Streamed by the generator.
    streamed: Vec<u64>,
    clock: Clock,
}

impl<M: Model, C: Model> Bench<M, C> {
    /// Of two models.
    pub fn new(real: &M, small: &C, samples: Vec<i16>) -> Self {
        Bench {
            real: Parts::new(real),
            small: Parts::new(small),
            samples,
            swept: vec![1; SWEPT_BYTES / size_of::<u64>()],
            streamed: vec![1; STREAMED_BYTES / size_of::<u64>()],
            clock: Clock::new(),
        }
    }
}

impl<M: Model, C: Model> Bench<M, C>
where
    Parts<M>: Send,
    Parts<C>: Send,
{
    /// Runs `count` pieces of work of one arm: the work on `core`, the generator on the calling thread, which should be
    /// pinned to another core.
    ///
    /// # Errors
    /// If the core may not be used or the network fails.
    pub fn run(&mut self, arm: Arm, count: usize, core: usize, sample: &mut dyn FnMut(Sample)) -> Result<()> {
        let mailbox = Mailbox { due: AtomicU64::new(0), ended: AtomicBool::new(false) };
        let Bench { real, small, samples, swept, streamed, clock } = self;
        let (samples, swept) = (&samples[..], &swept[..]);
        std::thread::scope(|scope| {
            let (sender, results) = crossbeam_channel::bounded::<Sample>(1);
            let (worker_mailbox, worker_clock) = (&mailbox, &*clock);
            let worker = scope.spawn(move || {
                let result = super::super::pin::pin(core).and_then(|()| {
                    // The first piece of work is not counted.
                    real.work(samples, worker_clock)?;
                    while !worker_mailbox.ended.load(Ordering::Acquire) {
                        if let Some(sample) =
                            serve(arm, worker_mailbox, (real, small), samples, swept, worker_clock)?
                        {
                            // The generator has gone if nobody takes it.
                            let _ = sender.send(sample);
                        }
                    }
                    Ok(())
                });
                drop(sender);
                result
            });
            for _ in 0..count {
                let mut generator = OpenLoop::new(clock, arm.gap);
                if arm.eviction == Eviction::OtherCore {
                    stream_until(streamed, clock, generator.due());
                }
                let due = generator.wait();
                mailbox.due.store(due.nanos(), Ordering::Release);
                worker.thread().unpark();
                let Ok(taken) = results.recv() else { break };
                sample(taken);
            }
            mailbox.ended.store(true, Ordering::Release);
            worker.thread().unpark();
            worker.join().ok().context("the working thread panicked")?
        })
    }
}

/// Waits for one piece of work as the arm says, and does it; nothing if it is over.
fn serve<M: Model, C: Model>(
    arm: Arm,
    mailbox: &Mailbox,
    (real, small): (&mut Parts<M>, &mut Parts<C>),
    samples: &[i16],
    swept: &[u64],
    clock: &Clock,
) -> Result<Option<Sample>> {
    if arm.eviction == Eviction::SameCore {
        black_box(black_box(swept).iter().fold(0u64, |sum, word| sum.wrapping_add(*word)));
    }
    let is_over = || mailbox.peek().is_some() || mailbox.ended.load(Ordering::Acquire);
    match arm.mode {
        Mode::Off => {
            while !is_over() {
                std::thread::park();
            }
        }
        Mode::Spin => {
            while !is_over() {
                spin_loop();
            }
        }
        Mode::Code => small.warm(samples, is_over),
        Mode::Full => real.warm(samples, is_over),
    }
    let Some(due) = mailbox.peek() else { return Ok(None) };
    let taken = real.work(samples, clock)?;
    let done = clock.now();
    mailbox.due.store(0, Ordering::Release);
    Ok(Some(Sample { first_frame: taken.nanos_since(due), all: done.nanos_since(due) }))
}

/// Reads through a block again and again, until shortly before `end`.
fn stream_until(block: &[u64], clock: &Clock, end: Time) {
    const CHUNK: usize = 8_192;
    let mut chunks = block.chunks(CHUNK).cycle();
    while clock.now().after(Duration::from_micros(50)) < end {
        if let Some(chunk) = chunks.next() {
            black_box(black_box(chunk).iter().fold(0u64, |sum, word| sum.wrapping_add(*word)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::small::network;
    use super::*;
    use voxlane_models::layers::linear::Precision;

    #[test]
    fn every_arm_does_all_its_work() {
        let model = network(Precision::Int8);
        let mut bench = Bench::new(&model, &model, vec![1_000; 4_000]);
        for mode in Mode::ALL {
            for eviction in Eviction::ALL {
                let mut samples = Vec::new();
                let arm = Arm { mode, eviction, gap: Duration::from_micros(300) };
                bench.run(arm, 3, 0, &mut |sample| samples.push(sample)).unwrap();
                assert_eq!(samples.len(), 3, "{arm:?}");
                assert!(samples.iter().all(|sample| sample.first_frame <= sample.all), "{samples:?}");
            }
        }
    }
}
