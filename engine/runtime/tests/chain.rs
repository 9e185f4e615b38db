//! Chains as their users have them: order, room, dummies, failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use voxlane_runtime::chain::{Chain, Handle, Handling, Pipeline, Settings, TOTAL};
use voxlane_runtime::host::allowed_cores;
use voxlane_runtime::message::Message;
use voxlane_runtime::telemetry::SERVICE;
use voxlane_runtime::wait::{Spin, SpinPark, Wait};

const PATIENCE: Duration = Duration::from_secs(60);

/// Counts what comes in, by whether it is a dummy's, and adds to it.
struct Add {
    add: u32,
    /// Numbers that it divides are dropped.
    dropped: Option<u32>,
    panic_at: u32,
    seen: Arc<[AtomicU32; 2]>,
}

impl Add {
    fn new(add: u32, seen: &Arc<[AtomicU32; 2]>) -> Self {
        Add { add, dropped: None, panic_at: u32::MAX, seen: Arc::clone(seen) }
    }
}

impl Handle for Add {
    type Control = u32;
    type In = u32;
    type Out = u32;

    fn handle(&mut self, input: &Message<u32, u32>, output: &mut Message<u32, u32>) -> Handling {
        self.seen[usize::from(input.header.is_warm())].fetch_add(1, Ordering::Relaxed);
        assert_ne!(input.payload, self.panic_at, "planned");
        output.payload = input.payload.wrapping_add(self.add);
        if self.dropped.is_some_and(|dropped| input.payload.is_multiple_of(dropped)) {
            Handling::Drop
        } else {
            Handling::SendOn
        }
    }
}

type Numbers = Pipeline<u32, u32, u32>;

/// The cores of so many stages: all on one, or one after the other.
fn cores(stages: usize, is_spread: bool) -> Vec<usize> {
    let allowed = allowed_cores().unwrap();
    (0..stages).map(|stage| allowed[if is_spread { stage % allowed.len() } else { 0 }]).collect()
}

/// Sends the numbers up to `count` and gives what comes out.
fn through(pipeline: &mut Numbers, count: u32) -> Vec<u32> {
    let mut out = Vec::new();
    for number in 0..count {
        while !pipeline.send(|message| (message.header.control, message.payload) = (7, number)) {
            out.extend(pipeline.receive());
        }
    }
    while let Some(message) =
        pipeline.receive_within(Duration::from_millis(if out.is_empty() { 60_000 } else { 500 }))
    {
        assert_eq!(message.header.control, 7);
        out.push(message);
    }
    out.iter().map(|message| message.payload).collect()
}

fn sixfold<W: Wait + 'static>(is_spread: bool) {
    let seen = Arc::default();
    let add = |add| {
        let seen = Arc::clone(&seen);
        move || Add::new(add, &seen)
    };
    let chain =
        Chain::new("1", add(1)).then("2", add(2)).then("3", add(3)).then("4", add(4)).then("5", add(5));
    let settings = Settings { capacity: 3, ..Settings::default() };
    let mut pipeline = chain.then("6", add(6)).start::<W>(&cores(6, is_spread), settings).unwrap();
    assert!(through(&mut pipeline, 1000).into_iter().eq(21..1021));
    let report = pipeline.shutdown();
    let last = report.stages.last().unwrap();
    assert_eq!((last.stage, last.histograms.get(TOTAL).len()), ("6", 1000));
    assert!(report.stages.iter().all(|stage| stage.histograms.get(SERVICE).len() == 1000));
    assert_eq!(report.to_string().lines().count(), 1 + 6 * 2 + 1);
}

#[test]
fn six_stages_on_one_core_give_everything_in_order() {
    sixfold::<SpinPark>(false);
    sixfold::<Spin>(false);
}

#[test]
fn stages_on_several_cores_give_the_same() {
    sixfold::<SpinPark>(true);
}

#[test]
fn what_a_stage_drops_goes_no_further() {
    let seen = Arc::default();
    let even = Add { dropped: Some(2), ..Add::new(0, &seen) };
    let its_seen = Arc::clone(&seen);
    let chain = Chain::new("even", move || even).then("odd", move || Add::new(0, &its_seen));
    let mut pipeline = chain.start::<SpinPark>(&cores(2, true), Settings::default()).unwrap();
    assert_eq!(through(&mut pipeline, 10), [1, 3, 5, 7, 9]);
}

#[test]
fn dummies_go_all_the_way_and_reach_no_client() {
    let seen: Arc<[AtomicU32; 2]> = Arc::default();
    let (first, last) = (Arc::clone(&seen), Arc::clone(&seen));
    let dropping = move || Add { dropped: Some(1), ..Add::new(0, &first) };
    let chain = Chain::warmed("first", dropping, [1, 2, 3]).then("last", move || Add::new(0, &last));
    let mut settings = Settings::default();
    settings.rhythm.after = Duration::ZERO;
    settings.rhythm.duty = 1.0;
    let mut pipeline = chain.start::<SpinPark>(&cores(2, true), settings).unwrap();
    // Its three messages are handled by the stage that drops them, and by no other.
    assert!(seen[1].load(Ordering::Relaxed) >= 3, "the first dummy is through before the pipeline is there");
    while pipeline.report().warm_passes < 10 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(pipeline.receive().is_none());
    assert!(pipeline.send(|message| message.payload = 5));
    while seen[0].load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    let report = pipeline.shutdown();
    assert_eq!(report.stages[0].histograms.get(SERVICE).len(), 1, "dummies are not measured");
}

#[test]
fn a_stage_that_panics_is_named() {
    let seen = Arc::default();
    let its_seen = Arc::clone(&seen);
    let bad = move || Add { panic_at: 3, ..Add::new(0, &its_seen) };
    let chain = Chain::new("good", move || Add::new(0, &seen)).then("bad", bad);
    let mut pipeline = chain.start::<SpinPark>(&cores(2, true), Settings::default()).unwrap();
    for number in 0..4 {
        assert!(pipeline.send(|message| message.payload = number));
    }
    let received: Vec<u32> = (0..3).map(|_| pipeline.receive_within(PATIENCE).unwrap().payload).collect();
    assert_eq!(received, [0, 1, 2]);
    assert!(pipeline.receive_within(PATIENCE).is_none());
    let failure = pipeline.failure().unwrap();
    assert!(failure.contains("bad: ") && failure.contains("planned"), "{failure}");
}

#[test]
fn another_number_of_cores_than_stages_is_an_error() {
    for (cores, found) in [(&[][..], 0), (&[0, 0], 2)] {
        let chain = Chain::new("only", || Add::new(0, &Arc::default()));
        let error = chain.start::<SpinPark>(cores, Settings::default()).err().unwrap();
        assert_eq!(error.to_string(), format!("cores: one for each stage (expected 1, found {found})"));
    }
}

#[test]
fn a_core_that_does_not_exist_is_an_error() {
    let chain = Chain::new("only", || Add::new(0, &Arc::default()));
    let error = chain.start::<SpinPark>(&[100_000], Settings::default()).err().unwrap();
    assert_eq!(error.to_string(), "core 100000: the operating system does not pin a thread to it (only)");
}
