//! The lane's helper thread as models know it: it takes half of the rows of the encoder's large kernel calls.

use std::sync::Arc;
use voxlane_models::team::{Assistant, Team};
use voxlane_runtime::fork_join::ForkJoin;

struct Helper(Arc<ForkJoin>);

impl Assistant for Helper {
    fn both(&self, theirs: &mut (dyn FnMut() + Send), mine: &mut dyn FnMut()) {
        self.0.join(theirs, mine);
    }
}

/// The encoder alone, or with the helper that serves `fork_join`.
pub(super) fn team(fork_join: Option<&Arc<ForkJoin>>) -> Team {
    fork_join.map_or(Team::alone(), |fork_join| Team::with(Arc::new(Helper(Arc::clone(fork_join)))))
}
