//! A lane for speech: five stages, of which the three that compute may be there twice.
//!
//! Where batch streams are to make way, they have features, encoder and decoder of their own, which a thread steps only while
//! those of the live streams have nothing to do: so a live stream waits for one step of a batch pass at most, on each
//! thread.

mod helper;
mod wait;
mod wiring;

use crate::config::{Config, Placement};
use crate::fault_plan::FaultPlan;
use crate::gate::{Gate, LaneState};
use crate::memory::say_unlocked;
use crate::punctuation::Punctuation;
use crate::voice::Voice;
use crossbeam_channel::Sender;
use std::sync::Arc;
use voxlane_models::model::Model;
use voxlane_models::turn::SmartTurn;
use voxlane_runtime::clock::Clock;
use voxlane_runtime::lane::{Exit, Lane, LaneError};
use voxlane_runtime::supervisor::LaneFactory;
use wiring::Wiring;

/// Everything needed to start lane number `number` with model `M`.
pub(crate) struct LaneSpec<M> {
    pub(crate) number: usize,
    pub(crate) model: Arc<M>,
    pub(crate) config: Arc<Config>,
    pub(crate) placement: Placement,
    pub(crate) clock: Clock,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) voice: Voice,
    /// What hears whether a speaker has finished, if the rules ask for it.
    pub(crate) turn: Option<Arc<SmartTurn>>,
    /// Which tokens are punctuation.
    pub(crate) punctuation: Arc<Punctuation>,
    /// Of all lanes.
    pub(crate) gates: Arc<[Gate]>,
}

impl<M: Model> LaneFactory for LaneSpec<M> {
    fn start(&mut self, epoch: u64, exits: &Sender<Exit>) -> Result<Lane, LaneError> {
        let (wiring, unlocked) = self.config.memory.residency().apply(|| Wiring::new(self));
        say_unlocked("rings", unlocked);
        let Wiring { plan, endpoints, slots, notifier } = wiring;
        let lane = wait::start(plan, self.config.lanes[self.number].wait, epoch, exits)?;
        self.gates[self.number].replace(slots, notifier, endpoints);
        Ok(lane)
    }

    fn failed(&mut self) {
        self.gates[self.number].close(LaneState::Failed);
    }
}
