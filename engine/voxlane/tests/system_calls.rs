//! A lane that spins makes no system call between its start and its end, while its clients poll. The kernel is asked: a
//! seccomp filter on each of the lane's threads reports every call to this program, which lets it go on.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::print_stdout, reason = "a test says what the machine does not let it try")]

mod conversations;
mod support;

use std::cell::Cell;
use std::io::{self, Write as _};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Hex, noise, open_soon};
use voxlane::config::{DetectorKind, WaitKind};
use voxlane::{Config, Engine, Event};
use voxlane_models::model::{Model, ModelInfo};
use voxlane_models::team::Team;
use voxlane_models::tokenizers::vocabulary::Vocabulary;

/// Whether calls count.
static COUNTING: AtomicBool = AtomicBool::new(false);
/// The numbers of the calls that counted, as many as there is room for.
static CALLS: Mutex<Vec<i32>> = Mutex::new(Vec::new());
/// The listeners of the watched threads, -1 where there is none yet. Each thread has its own place: one whose listener is
/// lost never returns from its next call.
static LISTENERS: [AtomicI32; 32] = [const { AtomicI32::new(-1) }; 32];
/// The places taken.
static WATCHED: AtomicUsize = AtomicUsize::new(0);
/// Why there is no filter.
static REFUSED: AtomicI32 = AtomicI32::new(0);

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Puts the filter on the calling thread, if it is a lane's and has none.
fn watch() {
    let is_lane = std::thread::current().name().is_some_and(|name| name.starts_with("vox0-"));
    if !is_lane || IS_WATCHED.replace(true) {
        return;
    }
    let report = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_USER_NOTIF,
    };
    let mut filter = [report];
    let program = libc::sock_fprog { len: 1, filter: filter.as_mut_ptr() };
    let place = &LISTENERS[WATCHED.fetch_add(1, Ordering::Relaxed)];
    // SAFETY: both calls read what they are given; the filter has one instruction, which is there.
    let listener = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
        libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program)
    };
    if listener >= 0 {
        place.store(listener as RawFd, Ordering::Release);
    } else {
        REFUSED.store(io::Error::last_os_error().raw_os_error().unwrap_or(-1), Ordering::Release);
    }
}

/// Lets every call of the watched threads go on, and counts it if calls count. It allocates nothing: a watched thread may
/// hold a lock of the allocator.
fn serve() {
    let started = Instant::now();
    loop {
        let mut polls = LISTENERS.each_ref().map(|listener| libc::pollfd {
            fd: listener.load(Ordering::Acquire), // one that is not there yet is skipped
            events: libc::POLLIN,
            revents: 0,
        });
        // SAFETY: as many descriptors as are said, each open or negative.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 1) };
        for (poll, listener) in polls.iter().zip(&LISTENERS) {
            if poll.revents & libc::POLLIN != 0 {
                let_go_on(poll.fd);
            } else if poll.revents != 0 {
                listener.store(-1, Ordering::Release); // the thread is gone; the descriptor ends with the program
            }
        }
        if started.elapsed() > Duration::from_secs(240) {
            // Not captured as a test's output is, and no unwinding: what hangs in a call cannot be joined.
            let _ = writeln!(io::stderr(), "a lane hangs with a watched call");
            std::process::abort();
        }
    }
}

/// Takes one call of a listener's thread and lets it go on.
fn let_go_on(listener: RawFd) {
    // SAFETY: the kernel wants zeros, and zeros are a value of both.
    let (mut call, mut answer): (libc::seccomp_notif, libc::seccomp_notif_resp) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: the kernel writes one notification, or fails where the call was interrupted.
    if unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) } != 0 {
        return;
    }
    if COUNTING.load(Ordering::SeqCst) {
        let mut calls = CALLS.lock().unwrap();
        if calls.len() < calls.capacity() {
            calls.push(call.data.nr);
        }
    }
    answer.id = call.id;
    answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    // SAFETY: it reads one answer; where it fails, the call was interrupted and comes again.
    unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
}

/// A model whose parts have their threads watched, on which they are made.
struct Watched<M>(M);

impl<M: Model> Model for Watched<M> {
    type Span = M::Span;
    type FrontEnd = M::FrontEnd;
    type Encoder = M::Encoder;
    type Decoder = M::Decoder;

    fn info(&self) -> ModelInfo {
        self.0.info()
    }

    fn span(&self) -> M::Span {
        self.0.span()
    }

    fn front_end(&self, slots: usize) -> M::FrontEnd {
        watch();
        self.0.front_end(slots)
    }

    fn encoder(&self, slots: usize, team: Team) -> M::Encoder {
        watch();
        self.0.encoder(slots, team)
    }

    fn decoder(&self, slots: usize) -> M::Decoder {
        watch();
        self.0.decoder(slots)
    }
}

/// The calls of a lane that waits like this while three streams of noise are spoken, one after the other.
fn calls<M: Model>(wait: WaitKind, model: M) -> Vec<i32> {
    let mut config: Config = support::config(2);
    config.lanes[0].wait = wait;
    config.warm.enabled = true;
    config.warm.after_ms = 1;
    config.endpoint.detector = DetectorKind::Energy;
    config.partial.every_ms = 100;
    calls_of(config, model, Arc::new(Hex), &noise(48_000, 3)).0
}

/// The calls of such a lane while three streams of this audio are spoken; and what the last one said.
fn calls_of<M: Model>(
    mut config: Config,
    model: M,
    vocabulary: Arc<dyn Vocabulary>,
    audio: &[i16],
) -> (Vec<i32>, Vec<Event>) {
    config.lanes[0].spin_us = 0;
    config.supervise.watchdog_ms = 60_000;
    *CALLS.lock().unwrap() = Vec::with_capacity(10_000);
    let engine = Engine::with_model(config, Arc::new(Watched(model)), vocabulary).unwrap();
    let mut events = Vec::new();
    for round in 0..3 {
        // What the first stream finds for the first time is start-up.
        COUNTING.store(round > 0, Ordering::SeqCst);
        let mut stream = open_soon(&engine);
        events.clear();
        for part in audio.chunks(1600) {
            stream.push_wait(part).unwrap();
            events.extend(std::iter::from_fn(|| stream.try_next()));
        }
        stream.finish().unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        while !stream.is_closed() && Instant::now() < limit {
            events.extend(std::iter::from_fn(|| stream.try_next()));
            std::thread::yield_now();
        }
        assert!(stream.is_closed());
        engine.report();
    }
    COUNTING.store(false, Ordering::SeqCst);
    engine.shutdown(Duration::from_secs(10));
    (std::mem::take(&mut *CALLS.lock().unwrap()), events)
}

/// The profile for conversations: a detector, the stage that hears turns, on a thread with others, and context.
#[cfg(all(feature = "fetch", feature = "files"))]
fn conversation() {
    let mut config = conversations::config(2);
    config.lanes[0].wait = WaitKind::Spin;
    let audio = conversations::audio();
    let (calls, events) = calls_of(config, conversations::toy(), Arc::new(support::Marks), &audio);
    conversations::assert_all_happened(&events);
    assert_eq!(calls, [0; 0]);
}

/// One test, because what counts must be alone in the process.
#[test]
fn a_lane_that_spins_makes_no_system_call() {
    std::thread::spawn(serve);
    let parked = calls(WaitKind::Park, support::Toy::default());
    let refused = REFUSED.load(Ordering::Acquire);
    if refused != 0 {
        println!("no filter: {}: not tried", io::Error::from_raw_os_error(refused));
        return;
    }
    assert!(!parked.is_empty(), "a lane that sleeps is seen to");
    assert_eq!(calls(WaitKind::Spin, support::Toy::default()), [0; 0]);
    assert_eq!(calls(WaitKind::Spin, support::emformer()), [0; 0]);
    #[cfg(all(feature = "fetch", feature = "files"))]
    conversation();
}
