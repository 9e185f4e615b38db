//! One thread of this process, as the operating system sees it: its state and the processor time it has used.

use std::time::Duration;

/// The state of a thread, as the scheduler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadState {
    /// It runs, or would if it were given a core.
    Runnable,
    /// It waits for something and can be interrupted.
    Sleeping,
    /// It waits in the kernel and cannot be interrupted: for a disk, or frozen by its cgroup.
    Uninterruptible,
    /// A signal or a debugger has stopped it.
    Stopped,
}

/// The state of a thread at one moment, and the time it has used.
///
/// ```
/// use voxlane_runtime::host::thread::{ThreadState, current_thread, thread_status};
///
/// // Nothing on systems that do not say.
/// if let Some(status) = thread_status(current_thread()) {
///     assert_eq!(status.state, ThreadState::Runnable);
/// }
/// assert_eq!(thread_status(0), None, "there is no such thread");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadStatus {
    /// The state.
    pub state: ThreadState,
    /// The processor time that it has used since it began.
    pub cpu: Duration,
}

/// Returns the kernel's number of the calling thread; 0 where there is none.
pub fn current_thread() -> i32 {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: gettid takes nothing and touches no memory of ours.
        unsafe { libc::gettid() }
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// Returns the status of thread `number` of this process; `None` if there is no such thread or the system does not say.
/// Allocates and makes system calls.
pub fn thread_status(number: i32) -> Option<ThreadStatus> {
    if number <= 0 {
        return None;
    }
    let folder = format!("/proc/self/task/{number}");
    let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
    let (state, ticks) = parse_stat(&stat)?;
    // Nanoseconds where the kernel keeps them, else its clock ticks of 10 ms.
    let nanos = std::fs::read_to_string(format!("{folder}/schedstat"))
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .filter(|&nanos: &u64| nanos > 0);
    let cpu = nanos.map_or_else(|| Duration::from_millis(ticks.saturating_mul(10)), Duration::from_nanos);
    Some(ThreadStatus { state, cpu })
}

/// The state and the clock ticks of user and system time in a line of `/proc/PID/task/TID/stat`. The name, in
/// parentheses, may itself hold spaces and parentheses.
fn parse_stat(line: &str) -> Option<(ThreadState, u64)> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let state = match *fields.first()? {
        "R" => ThreadState::Runnable,
        "D" => ThreadState::Uninterruptible,
        "T" | "t" => ThreadState::Stopped,
        "S" | "I" => ThreadState::Sleeping,
        _ => return None, // it has ended
    };
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some((state, ticks(11)?.saturating_add(ticks(12)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_thread_is_called() {
        let line = "17 (a) b (c) D 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(parse_stat(line), Some((ThreadState::Uninterruptible, 300)));
        assert_eq!(parse_stat("17 (x) Z 1 2 3 4 5 6 7 8 9 10 250 50"), None);
        assert_eq!(parse_stat("17 (x) R 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_that_works_uses_time_and_one_that_sleeps_does_not() {
        let (sender, numbers) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            sender.send(current_thread()).unwrap();
            let _ = stopped.recv();
        });
        let number = numbers.recv().unwrap();
        while thread_status(number).unwrap().state != ThreadState::Sleeping {
            std::thread::yield_now();
        }
        let before = thread_status(number).unwrap().cpu;
        let mine = thread_status(current_thread()).unwrap().cpu;
        while thread_status(current_thread()).unwrap().cpu < mine + Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        assert_eq!(thread_status(number).unwrap().cpu, before);
        drop(stop);
        sleeper.join().unwrap();
        assert_eq!(thread_status(number), None);
    }
}
