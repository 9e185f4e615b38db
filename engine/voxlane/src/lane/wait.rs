//! The wait strategies that are compiled: what a configuration says in a word becomes a type here, once, before a lane
//! starts.

use crate::config::WaitKind;
use crossbeam_channel::Sender;
use voxlane_runtime::lane::{Exit, Lane, LaneError, LanePlan};
use voxlane_runtime::wait::{Spin, SpinPark};

/// `word => type` for the wait strategies.
macro_rules! waits {
    ($($word:path => $wait:ty),+ $(,)?) => {
        /// Starts a lane with the wait strategy that its configuration names.
        pub(super) fn start(
            plan: LanePlan,
            wait: WaitKind,
            epoch: u64,
            exits: &Sender<Exit>,
        ) -> Result<Lane, LaneError> {
            match wait {
                $($word => plan.start::<$wait>(epoch, exits),)+
            }
        }
    };
}

waits! {
    WaitKind::Spin => Spin,
    WaitKind::Park => SpinPark,
}
