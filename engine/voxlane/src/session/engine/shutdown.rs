//! The end of an engine, within a deadline.

use super::Engine;
use crate::gate::{Gate, LaneState};
use crossbeam_channel::bounded;
use std::time::{Duration, Instant};
use voxlane_runtime::supervisor::{Command, LONGEST_SHUTDOWN, ShutdownReport};

/// How long threads may take to end after a shutdown's deadline.
const END_LIMIT: Duration = Duration::from_secs(1);

/// How long dropping an engine waits for what is open.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// How often a shutdown looks whether streams have ended.
const POLL: Duration = Duration::from_micros(500);

impl Engine {
    /// Lets no further stream in, decodes what has been pushed, and ends every thread; all within `deadline`, and a
    /// second for threads to end. The resampler of a stream that is not 16 kHz holds its last few milliseconds: finish such
    /// streams first. If a lane is restarting at the deadline, the supervisor is left behind, counted as an abandoned thread,
    /// and ends that lane later.
    pub fn shutdown(mut self, deadline: Duration) -> ShutdownReport {
        self.end(deadline)
    }

    fn end(&mut self, deadline: Duration) -> ShutdownReport {
        let Some(supervisor) = self.supervisor.take() else { return ShutdownReport::default() };
        if !self.process.is_current() {
            return ShutdownReport::default(); // the threads are the parent's
        }
        let (reply, answer) = bounded(1);
        let deadline = deadline.min(LONGEST_SHUTDOWN);
        let asked = self.commands.try_send(Command::Shutdown { deadline, reply }).is_ok();
        let answer = asked.then(|| answer.recv_timeout(deadline + END_LIMIT).ok()).flatten();
        if answer.is_some() || supervisor.is_finished() {
            // It ends right after its answer.
            let _ = supervisor.join();
        }
        let cut_streams = || self.gates.iter().map(|gate| gate.present().2.len()).sum();
        let report =
            answer.unwrap_or_else(|| ShutdownReport { cut_streams: cut_streams(), abandoned_threads: 1 });
        self.gates.iter().for_each(|gate| gate.close(LaneState::Stopped));
        report
    }
}

/// Lets no further stream in, waits until `limit` for what has been pushed to be decoded, unless no lane is up, and says how
/// many streams were cut.
pub(super) fn drain(gates: &[Gate], limit: Instant, is_up: bool) -> usize {
    gates.iter().for_each(Gate::drain);
    for gate in gates {
        let (slots, notifier, present) = gate.present();
        for (slot, generation) in present {
            // A client in the middle of a push was let in before the gate closed: its samples count. One that is
            // stopped there keeps nobody waiting beyond the deadline.
            while slots.is_pushing(slot) && Instant::now() < limit {
                std::thread::yield_now();
            }
            slots.finish(slot, generation);
        }
        notifier.notify();
    }
    let open = || gates.iter().map(|gate| gate.present().2.len()).sum::<usize>();
    while open() > 0 && Instant::now() < limit && is_up {
        std::thread::sleep(POLL);
    }
    let cut_streams = open();
    gates.iter().for_each(|gate| gate.close(LaneState::Stopped));
    cut_streams
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end(DROP_DEADLINE);
    }
}
