//! A thread that does not get the processor is not dead: pauses cost time, never text.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "a test says what the machine does not let it try")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use support::{Hex, Toy, drain, engine, expected, finals, noise, open};
use voxlane::{Config, Engine, Stream, StreamError};

const WATCHDOG_MS: u64 = 300;

/// One at a time: a process that is stopped stops all its tests.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn config() -> Config {
    let mut config = support::config(1);
    config.supervise.watchdog_ms = WATCHDOG_MS;
    config
}

/// Pushes segments of half a second while `disturb` runs; every segment's tokens come out, and no lane was restarted.
fn speak_while(engine: &Engine, disturb: impl FnOnce() + Send) {
    let mut stream = open(engine);
    let mut wanted = Vec::new();
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let disturbance = scope.spawn(disturb);
        let mut seed = 1;
        while !disturbance.is_finished() || seed < 4 {
            let audio = noise(8000, seed);
            push(&mut stream, &audio);
            wanted.push(expected(&audio));
            seed += 1;
            seen.extend(std::iter::from_fn(|| stream.next_timeout(Duration::from_millis(20))));
        }
        disturbance.join().unwrap();
    });
    stream.finish().unwrap();
    seen.extend(drain(&mut stream));
    assert_eq!(finals(&seen), wanted);
}

/// Pushes one segment.
fn push(stream: &mut Stream, audio: &[i16]) {
    stream.push_wait(audio).unwrap();
    loop {
        match stream.end_segment() {
            Err(StreamError::Full) => std::thread::sleep(Duration::from_millis(1)),
            ended => return ended.unwrap(),
        }
    }
}

/// The kernel's numbers of the lane's threads.
fn lane_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let is_lane =
        |path: &Path| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("vox0-"));
    tasks
        .map(|task| task.unwrap().path())
        .filter(|path| is_lane(path))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// A control group of version 1 of this test's own, removed at the end.
struct Group(PathBuf);

impl Group {
    /// Nothing where the machine has none or does not let us.
    fn new(controller: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let mount = mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let is_it = fields[2] == "cgroup" && fields[3].split(',').any(|option| option == controller);
            is_it.then(|| PathBuf::from(fields[1]))
        });
        let folder = mount.map(|mount| mount.join(format!("voxlane-test-{}", std::process::id())));
        let group = folder.filter(|folder| fs::create_dir(folder).is_ok()).map(Group);
        if group.is_none() {
            println!("no {controller} cgroup of version 1 that this test may use: not tried");
        }
        group
    }

    fn set(&self, file: &str, value: &str) {
        fs::write(self.0.join(file), value).unwrap_or_else(|error| panic!("{file} = {value}: {error}"));
    }

    fn take_in(&self, thread: &str) {
        self.set("tasks", thread);
    }

    fn let_go(&self, thread: &str) {
        // One that has ended is gone.
        let _ = fs::write(self.0.parent().unwrap().join("tasks"), thread);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let tasks = fs::read_to_string(self.0.join("tasks")).unwrap_or_default();
        tasks.lines().for_each(|thread| self.let_go(thread));
        while fs::remove_dir(&self.0).is_err_and(|error| error.raw_os_error() == Some(libc_ebusy())) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// "Device or resource busy": a task is still on its way out.
fn libc_ebusy() -> i32 {
    16
}

#[test]
fn a_process_that_is_stopped_many_times_loses_nothing() {
    let _alone = alone();
    let engine = engine(config());
    speak_while(&engine, || {
        let script =
            "for i in 1 2 3 4 5 6 7 8 9 10; do kill -STOP $0; sleep 0.5; kill -CONT $0; sleep 0.2; done";
        let pid = std::process::id().to_string();
        assert!(Command::new("sh").args(["-c", script, &pid]).status().unwrap().success());
    });
    assert_eq!((engine.report().restarts, engine.report().lanes_down), (0, 0));
}

#[test]
fn a_lane_thread_that_is_frozen_loses_nothing_and_is_reported() {
    let _alone = alone();
    let Some(group) = Group::new("freezer") else { return };
    let engine = engine(config());
    for thread in lane_threads() {
        let before = engine.report().starvations;
        speak_while(&engine, || {
            group.take_in(&thread);
            group.set("freezer.state", "FROZEN");
            std::thread::sleep(Duration::from_millis(5 * WATCHDOG_MS));
            group.set("freezer.state", "THAWED");
            group.let_go(&thread);
        });
        let report = engine.report();
        assert_eq!((report.restarts, report.lanes_down), (0, 0));
        assert!(report.starvations > before, "thread {thread}");
    }
}

#[test]
fn a_lane_thread_that_stays_frozen_is_given_up() {
    let _alone = alone();
    let Some(group) = Group::new("freezer") else { return };
    let mut config = config();
    config.supervise.watchdog_ms = 200;
    let engine = engine(config);
    let thread = lane_threads().pop().unwrap();
    group.take_in(&thread);
    group.set("freezer.state", "FROZEN");
    while engine.report().restarts == 0 {
        std::thread::sleep(Duration::from_millis(50));
    }
    group.set("freezer.state", "THAWED");
    group.let_go(&thread);
    speak_while(&engine, || {});
    assert_eq!((engine.report().restarts, engine.report().lanes_down), (1, 0));
}

#[test]
fn a_lane_with_a_fifth_of_a_core_loses_nothing() {
    let _alone = alone();
    let Some(group) = Group::new("cpu") else { return };
    group.set("cpu.cfs_period_us", "100000");
    group.set("cpu.cfs_quota_us", "20000");
    let engine = engine(config());
    lane_threads().iter().for_each(|thread| group.take_in(thread));
    speak_while(&engine, || std::thread::sleep(Duration::from_secs(3)));
    assert_eq!((engine.report().restarts, engine.report().lanes_down), (0, 0));
    lane_threads().iter().for_each(|thread| group.let_go(thread));
}

/// Whether the thread that gets the signal stays in its handler.
static IS_FROZEN: AtomicBool = AtomicBool::new(false);

extern "C" fn stay(_: libc::c_int) {
    while IS_FROZEN.load(Ordering::SeqCst) {
        // SAFETY: allowed in a handler of signals.
        unsafe { libc::usleep(500) };
    }
}

#[test]
fn a_client_that_is_stopped_anywhere_holds_up_nobody_else() {
    let _alone = alone();
    let handler = stay as extern "C" fn(libc::c_int);
    // SAFETY: the handler calls nothing but what a handler may call.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    let engine = Engine::with_model(support::config(2), Arc::new(Toy::default()), Arc::new(Hex)).unwrap();
    let (number, numbers) = std::sync::mpsc::channel();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopped = scope.spawn(|| {
            // SAFETY: takes nothing.
            number.send(unsafe { libc::pthread_self() }).unwrap();
            let (mut stream, mut seen, mut wanted) = (open(&engine), Vec::new(), Vec::new());
            while !is_over.load(Ordering::SeqCst) {
                let audio = noise(3200, 1000 + wanted.len() as u32);
                push(&mut stream, &audio);
                wanted.push(expected(&audio));
                seen.extend(std::iter::from_fn(|| stream.next_timeout(Duration::from_micros(300))));
            }
            stream.finish().unwrap();
            seen.extend(drain(&mut stream));
            assert_eq!(finals(&seen), wanted, "the client that was stopped loses nothing");
        });
        let thread = numbers.recv().unwrap();
        let mut other = open(&engine);
        for round in 0..100 {
            // Another place of its loop each time.
            std::thread::sleep(Duration::from_micros(37 * (round % 29)));
            IS_FROZEN.store(true, Ordering::SeqCst);
            // SAFETY: the thread runs until it is asked to end.
            unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
            let audio = noise(1600, round as u32);
            push(&mut other, &audio);
            let event = std::iter::from_fn(|| other.next_timeout(Duration::from_secs(20)))
                .find(|event| matches!(event, voxlane::Event::Final(_)));
            let said = event.map(|event| finals(&[event]));
            IS_FROZEN.store(false, Ordering::SeqCst);
            assert_eq!(said, Some(vec![expected(&audio)]), "round {round}");
        }
        is_over.store(true, Ordering::SeqCst);
        stopped.join().unwrap();
    });
}
