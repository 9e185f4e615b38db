//! A lane that spins makes no system call between its start and its end, while its clients poll. The kernel is asked: a
//! seccomp filter on each of the lane's threads reports every call to this program, which lets it go on.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::print_stdout, reason = "a test says what the machine does not let it try")]

mod support;

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Hex, noise, open_soon};
use voxlane::config::{DetectorKind, WaitKind};
use voxlane::{Config, Engine};
use voxlane_models::model::{Chunks, Limits, Model};
use voxlane_models::team::Team;

/// Whether calls count.
static COUNTING: AtomicBool = AtomicBool::new(false);
/// The numbers of the calls that counted.
static CALLS: Mutex<Vec<i32>> = Mutex::new(Vec::new());
/// A new listener, for the thread that serves it; -1 is none. What was filtered must not wait for a lock.
static LISTENER: AtomicI32 = AtomicI32::new(-1);
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
    while LISTENER.load(Ordering::Acquire) != -1 {
        std::hint::spin_loop(); // the other thread's is still to be taken
    }
    // SAFETY: both calls read what they are given; the filter has one instruction, which is there.
    let listener = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
        libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program)
    };
    if listener >= 0 {
        LISTENER.store(listener as RawFd, Ordering::Release);
    } else {
        REFUSED.store(io::Error::last_os_error().raw_os_error().unwrap_or(-1), Ordering::Release);
    }
}

/// Lets every call of one thread go on, and counts it if calls count, until the thread has ended.
fn serve(listener: RawFd) {
    loop {
        let mut poll = libc::pollfd { fd: listener, events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which is open.
        unsafe { libc::poll(&raw mut poll, 1, 1000) };
        if poll.revents & libc::POLLIN == 0 {
            if poll.revents & libc::POLLHUP != 0 {
                return; // the thread is gone; the descriptor ends with the program
            }
            continue;
        }
        // SAFETY: the kernel wants zeros, and zeros are a value of both.
        let (mut call, mut answer): (libc::seccomp_notif, libc::seccomp_notif_resp) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: the kernel writes one notification, or fails where the call was interrupted.
        if unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) } != 0 {
            continue;
        }
        if COUNTING.load(Ordering::SeqCst) {
            CALLS.lock().unwrap().push(call.data.nr);
        }
        answer.id = call.id;
        answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        // SAFETY: it reads one answer.
        unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
    }
}

/// A model whose parts have their threads watched, on which they are made.
struct Watched<M>(M);

impl<M: Model> Model for Watched<M> {
    type Span = M::Span;
    type FrontEnd = M::FrontEnd;
    type Encoder = M::Encoder;
    type Decoder = M::Decoder;

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    fn chunks(&self) -> Option<Chunks> {
        self.0.chunks()
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

/// The calls of a lane that waits like this while three streams are spoken, one after the other.
fn calls<M: Model>(wait: WaitKind, model: M) -> Vec<i32> {
    let mut config: Config = support::config(2);
    config.lanes[0].wait = wait;
    config.lanes[0].spin_us = 0;
    config.warm.enabled = true;
    config.warm.after_ms = 1;
    config.endpoint.detector = DetectorKind::Energy;
    config.partial.every_ms = 100;
    config.supervise.watchdog_ms = 60_000;
    let engine = Engine::with_model(config, Arc::new(Watched(model)), Arc::new(Hex)).unwrap();
    let audio = noise(48_000, 3);
    for round in 0..3 {
        // What the first stream finds for the first time is start-up.
        COUNTING.store(round > 0, Ordering::SeqCst);
        let mut stream = open_soon(&engine);
        for part in audio.chunks(1600) {
            stream.push_wait(part).unwrap();
            while stream.try_next().is_some() {}
        }
        stream.finish().unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        while !stream.is_closed() && Instant::now() < limit {
            while stream.try_next().is_some() {}
            std::thread::yield_now();
        }
        assert!(stream.is_closed());
        engine.report();
    }
    COUNTING.store(false, Ordering::SeqCst);
    engine.shutdown(Duration::from_secs(10));
    std::mem::take(&mut *CALLS.lock().unwrap())
}

/// One test, because what counts must be alone in the process.
#[test]
fn a_lane_that_spins_makes_no_system_call() {
    std::thread::spawn(|| {
        loop {
            let listener = LISTENER.swap(-1, Ordering::AcqRel);
            if listener >= 0 {
                std::thread::spawn(move || serve(listener));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    });
    let parked = calls(WaitKind::Park, support::Toy::default());
    let refused = REFUSED.load(Ordering::Acquire);
    if refused != 0 {
        println!("no filter: {}: not tried", io::Error::from_raw_os_error(refused));
        return;
    }
    assert!(!parked.is_empty(), "a lane that sleeps is seen to");
    assert_eq!(calls(WaitKind::Spin, support::Toy::default()), [0; 0]);
    assert_eq!(calls(WaitKind::Spin, support::emformer()), [0; 0]);
}
