//! Planned faults for tests: a stage that panics or hangs at a stated message. Only under the Cargo feature
//! `fault-injection`; without it a plan is empty and costs nothing.

#[cfg(feature = "fault-injection")]
mod plan {
    use crate::config::{FaultConfig, FaultKind};
    use crate::stage_kind::StageKind;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    /// One kind of fault, which strikes as often as planned however often lanes restart.
    #[derive(Debug, Default)]
    pub(crate) struct FaultPlan {
        fault: Option<FaultConfig>,
        messages: AtomicU64,
    }

    impl FaultPlan {
        pub(crate) fn new(fault: Option<FaultConfig>) -> Self {
            FaultPlan { fault, messages: AtomicU64::new(0) }
        }

        /// Counts a real message of `stage`; panics or hangs if it is the one.
        pub(crate) fn strike(&self, stage: StageKind) {
            let Some(fault) = &self.fault else { return };
            if fault.stage != stage {
                return;
            }
            let message = self.messages.fetch_add(1, Ordering::Relaxed);
            if !(fault.at_message..fault.at_message.saturating_add(fault.times)).contains(&message) {
                return;
            }
            match fault.kind {
                // What the feature is for; it is never in what ships.
                FaultKind::Panic => panic!("planned fault in {}", stage.name()),
                FaultKind::Hang => std::thread::sleep(Duration::from_millis(fault.hang_ms)),
                FaultKind::Spin => {
                    let begun = Instant::now();
                    while begun.elapsed() < Duration::from_millis(fault.hang_ms) {
                        std::hint::spin_loop();
                    }
                }
            }
        }
    }
}

#[cfg(not(feature = "fault-injection"))]
mod plan {
    use crate::stage_kind::StageKind;

    /// Nothing: faults are only planned in tests.
    #[derive(Debug, Default)]
    pub(crate) struct FaultPlan;

    impl FaultPlan {
        #[inline]
        pub(crate) fn strike(&self, _stage: StageKind) {}
    }
}

pub(crate) use plan::FaultPlan;
