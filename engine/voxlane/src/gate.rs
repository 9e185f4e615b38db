//! Letting streams into a lane, and the slots' way back.

use crate::config::StreamRules;
use crate::decode_options::OptionsSender;
use crate::message::{RequestMessage, TokensMessage};
use crate::settings::SettingSender;
use crate::slot_state::Slots;
use crossbeam_channel::{Receiver as Inbox, Sender as Outbox, unbounded};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use voxlane_runtime::eventcount::{Notifier, Waiter};
use voxlane_runtime::host::fork::Process;
use voxlane_runtime::ring::{Receiver, Sender};

/// Whether a lane serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum LaneState {
    /// It does.
    Running,
    /// A stage failed; another lane takes its place.
    Failed,
    /// The engine was shut down.
    Stopped,
    /// The engine is being shut down: what was pushed is decoded, nothing more is taken.
    Draining,
}

/// What all streams of one running lane share.
#[derive(Debug)]
pub(crate) struct LaneStatus(AtomicU8);

impl LaneStatus {
    pub(crate) fn get(&self) -> LaneState {
        match self.0.load(Ordering::SeqCst) {
            0 => LaneState::Running,
            1 => LaneState::Failed,
            2 => LaneState::Stopped,
            _ => LaneState::Draining,
        }
    }

    pub(crate) fn set(&self, state: LaneState) {
        self.0.store(state as u8, Ordering::SeqCst);
    }
}

/// A client's ends of what goes into a slot.
pub(crate) struct Inputs {
    pub(crate) audio: Sender<RequestMessage>,
    /// How the stream is to be treated, to ingest.
    pub(crate) rules: SettingSender<StreamRules>,
    /// What the stream asks, to the decoder of each chain.
    pub(crate) options: Vec<OptionsSender>,
    /// Where a client waits for room.
    pub(crate) room: Waiter,
}

/// A client's ends of one slot.
pub(crate) struct Endpoints {
    pub(crate) inputs: Inputs,
    pub(crate) events: Receiver<TokensMessage>,
    pub(crate) waiter: Waiter,
}

/// A part of a slot's endpoints on its way back. A slot is free when both have come and its lane is done.
pub(crate) enum Returned {
    Inputs(usize, Inputs),
    Events(usize, Receiver<TokensMessage>, Waiter),
}

/// What the two sides of a stream share.
pub(crate) struct Shared {
    pub(crate) slot: usize,
    pub(crate) generation: u32,
    pub(crate) sample_rate: u64,
    pub(crate) slots: Arc<Slots>,
    pub(crate) status: Arc<LaneStatus>,
    /// The process that the lane runs in.
    pub(crate) process: Process,
    /// Markers that have not been answered.
    pub(crate) marks: AtomicU32,
    returns: Outbox<Returned>,
}

impl Shared {
    /// Gives a part of the endpoints back. After a restart of the lane nobody takes it, and it is dropped.
    pub(crate) fn give_back(&self, part: Returned) {
        let _ = self.returns.send(part);
    }
}

/// Everything a new stream gets.
pub(crate) struct Admission {
    pub(crate) inputs: Inputs,
    pub(crate) events: Receiver<TokensMessage>,
    pub(crate) waiter: Waiter,
    pub(crate) notifier: Arc<Notifier>,
    pub(crate) shared: Arc<Shared>,
}

/// One lane's entrance. Survives the lane's restarts.
pub(crate) struct Gate {
    inside: Mutex<Inside>,
}

struct Inside {
    slots: Arc<Slots>,
    status: Arc<LaneStatus>,
    notifier: Arc<Notifier>,
    places: Vec<Place>,
    /// Wakes every client, whatever it waits for.
    clients: Arc<[Arc<Notifier>]>,
    returns: Inbox<Returned>,
    outbox: Outbox<Returned>,
    is_open: bool,
}

#[derive(Default)]
struct Place {
    generation: u32,
    inputs: Option<Inputs>,
    events: Option<(Receiver<TokensMessage>, Waiter)>,
}

impl Gate {
    /// That of a lane that is not there yet.
    pub(crate) fn closed() -> Self {
        let (slots, notifier) = (Arc::new(Slots::new(0)), Waiter::fenced().notifier());
        Gate { inside: Mutex::new(Inside { is_open: false, ..Inside::new(slots, notifier, Vec::new()) }) }
    }

    /// A lane has started: streams of the one before get the error that it failed, later ones go to the new one.
    pub(crate) fn replace(&self, slots: Arc<Slots>, notifier: Arc<Notifier>, endpoints: Vec<Endpoints>) {
        self.change(|inside| {
            inside.status.set(LaneState::Failed);
            *inside = Inside::new(slots, notifier, endpoints);
        });
    }

    /// Lets no further stream in and sets `state` for the present ones.
    pub(crate) fn close(&self, state: LaneState) {
        self.change(|inside| {
            inside.is_open = false;
            inside.status.set(state);
        });
    }

    /// Lets no further stream in and takes no further audio of the present ones.
    pub(crate) fn drain(&self) {
        self.change(|inside| {
            inside.is_open = false;
            if inside.status.get() == LaneState::Running {
                inside.status.set(LaneState::Draining);
            }
        });
    }

    /// Changes what becomes of the lane, and wakes every client that waits, to see it. Not under the lock: what an executor
    /// does to wake a task is its own affair, and may ask the engine for a stream.
    fn change(&self, change: impl FnOnce(&mut Inside)) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = Arc::clone(&inside.clients);
        change(&mut inside);
        drop(inside);
        clients.iter().for_each(|client| client.notify());
    }

    /// Whether the lane serves.
    pub(crate) fn state(&self) -> LaneState {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).status.get()
    }

    /// How many streams could be let in now.
    pub(crate) fn vacancies(&self) -> usize {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.collect();
        if inside.is_open { (0..inside.places.len()).filter(|&slot| inside.is_free(slot)).count() } else { 0 }
    }

    /// The slots and generations of the streams inside, for shutdown.
    pub(crate) fn present(&self) -> (Arc<Slots>, Arc<Notifier>, Vec<(usize, u32)>) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.collect();
        let present = inside
            .places
            .iter()
            .enumerate()
            .filter(|(slot, place)| place.generation > inside.slots.closed(*slot))
            .map(|(slot, place)| (slot, place.generation))
            .collect();
        (Arc::clone(&inside.slots), Arc::clone(&inside.notifier), present)
    }

    /// Lets a stream in, if a slot is free.
    pub(crate) fn admit(&self, sample_rate: u32) -> Option<Admission> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.collect();
        if !inside.is_open {
            return None;
        }
        let slot = (0..inside.places.len()).find(|&slot| inside.is_free(slot))?;
        let place = &mut inside.places[slot];
        let (inputs, (mut events, waiter)) = (place.inputs.take()?, place.events.take()?);
        place.generation += 1;
        let generation = place.generation;
        while events.take().is_some() {} // left unread by the stream before
        let shared = Arc::new(Shared {
            slot,
            generation,
            sample_rate: u64::from(sample_rate),
            slots: Arc::clone(&inside.slots),
            status: Arc::clone(&inside.status),
            process: Process::current(),
            marks: AtomicU32::new(0),
            returns: inside.outbox.clone(),
        });
        Some(Admission { inputs, events, waiter, notifier: Arc::clone(&inside.notifier), shared })
    }
}

impl Inside {
    fn new(slots: Arc<Slots>, notifier: Arc<Notifier>, endpoints: Vec<Endpoints>) -> Self {
        let (outbox, returns) = unbounded();
        let notifiers = |ends: &Endpoints| [ends.waiter.notifier(), ends.inputs.room.notifier()];
        let clients = endpoints.iter().flat_map(notifiers).collect();
        let places = endpoints
            .into_iter()
            .map(|ends| Place {
                generation: 0,
                inputs: Some(ends.inputs),
                events: Some((ends.events, ends.waiter)),
            })
            .collect();
        let status = Arc::new(LaneStatus(AtomicU8::new(LaneState::Running as u8)));
        Inside { slots, status, notifier, places, clients, returns, outbox, is_open: true }
    }

    fn collect(&mut self) {
        for part in self.returns.try_iter() {
            match part {
                Returned::Inputs(slot, inputs) => self.places[slot].inputs = Some(inputs),
                Returned::Events(slot, events, waiter) => self.places[slot].events = Some((events, waiter)),
            }
        }
    }

    fn is_free(&self, slot: usize) -> bool {
        let place = &self.places[slot];
        place.inputs.is_some() && place.events.is_some() && self.slots.closed(slot) >= place.generation
    }
}
