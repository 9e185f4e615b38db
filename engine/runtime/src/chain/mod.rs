//! A straight pipeline: one stage after the other, each with its own type of message.
//!
//! ```
//! use voxlane_runtime::chain::{Chain, Handle, Handling, Settings};
//! use voxlane_runtime::message::Message;
//! use voxlane_runtime::wait::SpinPark;
//!
//! struct Double;
//! impl Handle for Double {
//!     type Control = ();
//!     type In = u64;
//!     type Out = u64;
//!     fn handle(&mut self, input: &Message<(), u64>, output: &mut Message<(), u64>) -> Handling {
//!         output.payload = 2 * input.payload;
//!         Handling::SendOn
//!     }
//! }
//!
//! # let core = voxlane_runtime::host::allowed_cores().unwrap()[0];
//! let chain = Chain::new("double", || Double).then("double again", || Double);
//! // Both on one core; on two, `&[core, other]`.
//! let mut pipeline = chain.start::<SpinPark>(&[core, core], Settings::default())?;
//! pipeline.send(|message| message.payload = 3);
//! assert_eq!(pipeline.receive_within(std::time::Duration::from_secs(60)).unwrap().payload, 12);
//! println!("{}", pipeline.shutdown());
//! # Ok::<(), voxlane_runtime::lane::LaneError>(())
//! ```
//!
//! A stage takes a message only when the next ring has room. If the next stage falls behind, messages wait in the ring
//! before, up to the client, whose [`send`](Pipeline::send) is refused. Pipelines of another shape, with many clients, rings
//! back, or two chains of which one pauses for the other, are built by implementing
//! [`Stage`](crate::stage::Stage) and listing the stages in a [`LanePlan`].

mod link;
mod pipeline;

pub use link::{Handle, Handling, TOTAL};
pub use pipeline::Pipeline;

use crate::clock::Clock;
use crate::eventcount::{Notifier, Waiter};
use crate::lane::{LaneError, LanePlan, StagePlan, ThreadPlan, Timing};
use crate::message::{Header, Message, WARM_SLOT};
use crate::placement::by_core;
use crate::ring::{Receiver, ring};
use crate::stage::Turn;
use crate::telemetry::recorder::{Reader, STAGE_MEASURES, recorder};
use crate::wait::Wait;
use crate::warm_up::{Rhythm, WarmFeedback, WarmUp};
use crossbeam_channel::unbounded;
use link::{End, Link, Warmer};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The settings of a pipeline.
///
/// ```
/// use voxlane_runtime::chain::Settings;
///
/// let settings = Settings { capacity: 8, ..Settings::default() };
/// assert_eq!((settings.capacity, settings.slice.as_micros()), (8, 200));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The number of messages that may wait in front of each stage, and in front of the client. Default 64.
    pub capacity: usize,
    /// The time that a stage may work before the others of its thread have their turn. Default 200 µs.
    pub slice: Duration,
    /// The time for which a thread without work spins before it sleeps; [`Spin`](crate::wait::Spin) ignores it. Default 50 µs.
    pub spin: Duration,
    /// The rhythm of dummies, for a chain that is [warmed](Chain::warmed). Default: 1 ms after work, at most a quarter of the
    /// time, for ever.
    pub rhythm: Rhythm,
}

impl Default for Settings {
    fn default() -> Self {
        let rhythm = Rhythm { after: Duration::from_millis(1), duty: 0.25, stop_after: None };
        Settings { capacity: 64, slice: Duration::from_micros(200), spin: Duration::from_micros(50), rhythm }
    }
}

/// A number of stages.
#[derive(Debug)]
pub struct Length<const N: usize>;

/// A number of stages to which another can be added.
#[diagnostic::on_unimplemented(message = "a chain has at most six stages")]
pub trait Extend {
    /// The number that is greater by one.
    type Next;
}

macro_rules! extend {
    ($($n:literal => $next:literal),+) => { $(impl Extend for Length<$n> { type Next = Length<$next>; })+ };
}

extend!(1 => 2, 2 => 3, 3 => 4, 4 => 5, 5 => 6);

type Input<C, P> = Receiver<Message<C, P>>;

/// Connects the stages so far: from where messages come in to where they come out.
type Connect<C, First, Last> = Box<dyn FnOnce(&mut Wiring, Input<C, First>) -> Input<C, Last>>;

/// Stages in order. The message type of each edge is checked when compiling, and so is their number:
///
/// ```compile_fail,E0277
/// # use voxlane_runtime::chain::{Chain, Handle, Handling};
/// # use voxlane_runtime::message::Message;
/// # struct Same;
/// # impl Handle for Same {
/// #     type Control = ();
/// #     type In = ();
/// #     type Out = ();
/// #     fn handle(&mut self, _: &Message<(), ()>, _: &mut Message<(), ()>) -> Handling { Handling::SendOn }
/// # }
/// let six = Chain::new("1", || Same).then("2", || Same).then("3", || Same)
///     .then("4", || Same).then("5", || Same).then("6", || Same);
/// six.then("7", || Same);
/// ```
pub struct Chain<C, First, Last, L> {
    names: Vec<&'static str>,
    is_warmed: bool,
    connect: Connect<C, First, Last>,
    length: PhantomData<L>,
}

impl<C, First, Last> Chain<C, First, Last, Length<1>>
where
    C: Copy + Default + Send + 'static,
    First: Copy + Default + Send + 'static,
    Last: Copy + Default + Send + 'static,
{
    /// Creates a chain of one stage, which `build` makes on the thread that runs it.
    pub fn new<H: Handle<Control = C, In = First, Out = Last>>(
        name: &'static str,
        build: impl FnOnce() -> H + Send + 'static,
    ) -> Self {
        Chain::warmed(name, build, [])
    }

    /// Creates a chain as [`new`](Self::new) does that is kept warm with a dummy of these payloads: while there is nothing to do
    /// they go all the way like any others, in the slot [`WARM_SLOT`], and no client sees them. Stages that keep state keep
    /// a scratch state for that slot. Choose payloads that every stage sends on: what a handler drops warms no stage after it.
    pub fn warmed<H: Handle<Control = C, In = First, Out = Last>>(
        name: &'static str,
        build: impl FnOnce() -> H + Send + 'static,
        dummy: impl IntoIterator<Item = First>,
    ) -> Self {
        const { Header::<C>::FITS };
        let message = |payload| {
            let header = Header { slot: WARM_SLOT, ..Header::default() };
            Message { header, payload }
        };
        let dummy: Vec<_> = dummy.into_iter().map(message).collect();
        let is_warmed = !dummy.is_empty();
        let connect: Connect<C, First, Last> =
            Box::new(move |wiring, input| wiring.add((name, 0), build, input, dummy));
        Chain { names: vec![name], is_warmed, connect, length: PhantomData }
    }
}

/// The threads of a pipeline, as its stages come to them.
struct Wiring {
    threads: Vec<ThreadPlan>,
    /// The thread of each stage.
    places: Vec<usize>,
    /// Who reads what comes out.
    client: Waiter,
    capacity: usize,
    clock: Clock,
    readers: Vec<(&'static str, Reader)>,
    rhythm: Rhythm,
    /// Where dummies end, if there are any.
    feedback: Option<Arc<WarmFeedback>>,
}

impl Wiring {
    /// Wakes the reader of what stage number `position - 1` writes.
    fn notifier(&self, position: usize) -> Arc<Notifier> {
        let waiter = self.places.get(position).map_or(&self.client, |&place| &self.threads[place].waiter);
        waiter.notifier()
    }

    /// Adds the stage at `position` to its thread; where its messages come out.
    fn add<H: Handle>(
        &mut self,
        (name, position): (&'static str, usize),
        build: impl FnOnce() -> H + Send + 'static,
        input: Input<H::Control, H::In>,
        dummy: Vec<Message<H::Control, H::In>>,
    ) -> Input<H::Control, H::Out> {
        let (output, outcome) = ring(self.capacity, self.notifier(position + 1));
        let is_last = position + 1 == self.places.len();
        let measures = if is_last { link::LAST_MEASURES } else { STAGE_MEASURES };
        let (recorder, reader) = recorder(measures, self.notifier(position));
        self.readers.push((name, reader));
        let end =
            is_last.then(|| End { feedback: self.feedback.clone(), spent: 0, scratch: Message::default() });
        let (clock, rhythm) = (self.clock.clone(), self.rhythm);
        let warmer = self.feedback.clone().filter(|_| !dummy.is_empty()).map(|feedback| {
            let warm_up = WarmUp::new(rhythm, dummy.len(), clock.now());
            Warmer { warm_up, dummy, feedback }
        });
        let make = move || Link {
            handler: build(),
            input,
            output,
            position,
            recorder,
            clock,
            warmer,
            end,
            is_blocked: false,
        };
        self.threads[self.places[position]].stages.push(StagePlan::new(name, Turn::Always, make));
        outcome
    }
}

impl<C, First, Last, L> Chain<C, First, Last, L>
where
    C: Copy + Default + Send + 'static,
    First: Copy + Default + Send + 'static,
    Last: Copy + Default + Send + 'static,
{
    /// Adds a stage, which `build` makes on the thread that runs it.
    pub fn then<H>(
        self,
        name: &'static str,
        build: impl FnOnce() -> H + Send + 'static,
    ) -> Chain<C, First, H::Out, L::Next>
    where
        H: Handle<Control = C, In = Last>,
        L: Extend,
    {
        let Chain { mut names, is_warmed, connect, .. } = self;
        let position = names.len();
        names.push(name);
        let connect: Connect<C, First, H::Out> = Box::new(move |wiring, first| {
            let input = connect(wiring, first);
            wiring.add((name, position), build, input, Vec::new())
        });
        Chain { names, is_warmed, connect, length: PhantomData }
    }

    /// Starts the stages on `cores`, one core a stage, in order: those on the same core share a thread. Returns when every
    /// thread is pinned, built and warm. Threads wait by `W` when they have no work.
    ///
    /// # Errors
    /// [`LaneError`] naming the core or the stage at fault, or [`LaneError::Cores`] if there are not as many cores as stages.
    /// Nothing is left running.
    pub fn start<W: Wait + 'static>(
        self,
        cores: &[usize],
        settings: Settings,
    ) -> Result<Pipeline<C, First, Last>, LaneError> {
        let Chain { names, is_warmed, connect, .. } = self;
        if cores.len() != names.len() {
            return Err(LaneError::Cores { expected: names.len(), found: cores.len() });
        }
        let placed = by_core(cores);
        let place = |stage| placed.iter().position(|thread| thread.stages.contains(&stage)).unwrap_or(0);
        let mut wiring = Wiring {
            places: (0..names.len()).map(place).collect(),
            threads: placed.iter().map(|thread| ThreadPlan::new(thread.core)).collect(),
            client: Waiter::fenced(),
            capacity: settings.capacity,
            clock: Clock::new(),
            readers: Vec::new(),
            rhythm: settings.rhythm,
            feedback: is_warmed.then(Arc::default),
        };
        let (input, first) = ring(settings.capacity, wiring.notifier(0));
        let output = connect(&mut wiring, first);
        let Wiring { threads, client, clock, readers, feedback, .. } = wiring;
        let plan = LanePlan {
            number: 0,
            prefix: "lane",
            threads,
            helper: None,
            readers,
            timing: Timing { clock: clock.clone(), slice: settings.slice, spin: settings.spin },
            warm_up: feedback,
        };
        let (exits, ended) = unbounded();
        let lane = plan.start::<W>(0, &exits)?;
        Ok(Pipeline::new(lane, input, (output, client), clock, ended))
    }
}
