//! After construction, nothing that runs between audio and text takes memory from the system.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::{Noise, network};
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::fault::Faults;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model};
use voxlane_models::team::Team;

struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn nothing_is_allocated_or_freed_after_construction() {
    let model = network();
    let (mut stem, mut encoder, mut decoder) =
        (model.front_end(2), model.encoder(2, Team::alone()), model.decoder(2));
    let mut span = model.span();
    let mut noise = Noise::new(1);
    let samples = noise.samples(model.limits().max_segment_samples);
    let (budget, mut faults) = (Budget::one_unit(), Faults::NONE);
    let before = CALLS.get();
    for length in [3000, 100_000, samples.len()] {
        let mut rest = &samples[..length];
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.len().min(1 + noise.below(320)));
            stem.push(1, chunk, &mut faults);
            rest = after;
        }
        stem.begin(1, length, Goal::Final);
        while stem.step(&mut span, &budget, &mut faults) == Progress::More {}
        encoder.begin(1, &mut span);
        while encoder.step(&mut span, &budget, &mut faults) == Progress::More {}
        decoder.begin(1, &mut span, Goal::Final);
        while decoder.step(&mut span, &budget, &mut faults) == Progress::More {}
        stem.reset(1);
        encoder.reset(1);
    }
    let after = CALLS.get();
    assert_eq!(after, before);
    assert!(before > 0, "the counter counts");
    assert!(!decoder.hypothesis(1).tokens().is_empty());
}
