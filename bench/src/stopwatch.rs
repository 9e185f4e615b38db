//! Two ways to measure how long something took.

use clap::ValueEnum;
use std::time::Duration;

/// What is counted. On a machine that others use too, only the second says what the work itself costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Stopwatch {
    /// The time that passes.
    #[default]
    Wall,
    /// The processor time of all threads of this process, spinning included.
    Cpu,
}

impl Stopwatch {
    /// The present, from a beginning that never changes. A read of the processor time is a system call.
    pub fn now(self) -> Duration {
        let clock = match self {
            Stopwatch::Wall => libc::CLOCK_MONOTONIC,
            Stopwatch::Cpu => libc::CLOCK_PROCESS_CPUTIME_ID,
        };
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place for the result, and nothing else is touched.
        let code = unsafe { libc::clock_gettime(clock, &mut time) };
        assert_eq!(code, 0, "both clocks exist on every Unix system that Rust knows");
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_takes_wall_time_and_work_takes_both() {
        let pause = Duration::from_millis(20);
        let (wall, cpu) = (Stopwatch::Wall.now(), Stopwatch::Cpu.now());
        while Stopwatch::Cpu.now() - cpu < pause {}
        assert!(Stopwatch::Wall.now() > wall);
        let wall = Stopwatch::Wall.now();
        std::thread::sleep(pause);
        assert!(Stopwatch::Wall.now() - wall >= pause);
    }
}
