//! What the property tests share: running on every instruction set, reproducible numbers, and error measures.
#![allow(dead_code, unused_imports, unused_macros, reason = "each test file uses its own part")]

use std::sync::{Mutex, PoisonError};
use voxlane_kernels::isa::{self, Isa};

/// Runs `body` on each instruction set that can be used, one test at a time: the choice is the process's.
pub fn on_each(body: impl Fn()) {
    for isa in Isa::available() {
        on(isa, &body);
    }
}

/// Runs `body` on `isa`, if it can be used.
pub fn on(isa: Isa, body: impl FnOnce()) {
    static CHOICE: Mutex<()> = Mutex::new(());
    let _choice = CHOICE.lock().unwrap_or_else(PoisonError::into_inner);
    if isa::select(isa).is_ok() {
        // Shown only if the body panics.
        let _named = Named(isa.name());
        body();
    }
}

/// Declares tests whose body runs once per instruction set that this machine has.
macro_rules! on_every_instruction_set {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)+) => {
        $(#[test]
        $(#[$attribute])*
        fn $name() {
            support::on_each(|| $body);
        })+
    };
}
pub(crate) use on_every_instruction_set;

/// Names the instruction set in the output of a test that panics.
struct Named(pub &'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "a failing test says on which instruction set")]
            {
                eprintln!("on instruction set {}", self.0);
            }
        }
    }
}

/// A small reproducible generator (SplitMix64, Steele et al. 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Of `-limit ..= limit`, evenly.
    pub fn f32(&mut self, limit: f32) -> f32 {
        ((self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0) * limit
    }

    /// Of `0 .. end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn vector(&mut self, len: usize, limit: f32) -> Vec<f32> {
        (0..len).map(|_| self.f32(limit)).collect()
    }
}

/// `full`, or `small` under miri.
pub fn size(full: usize, small: usize) -> usize {
    if cfg!(miri) { small } else { full }
}

/// Asserts that each element is within `absolute + relative * |expected|`.
#[track_caller]
pub fn assert_close(got: &[f32], expected: &[f64], absolute: f64, relative: f64) {
    assert_eq!(got.len(), expected.len());
    for (i, (&g, &e)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(g) - e).abs();
        assert!(error <= absolute + relative * e.abs(), "element {i}: {g} instead of {e}, off by {error:e}");
    }
}
