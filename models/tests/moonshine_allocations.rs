//! After construction, nothing that runs between audio and text takes memory from the system.

#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::Noise;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::decode::{AttentionGreedy, AttentionVerified, DecodeStrategy};
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::fault::Faults;
use voxlane_models::layers::conv::ConvWeights;
use voxlane_models::layers::linear::{LinearWeights, Precision};
use voxlane_models::layers::norm::NormWeights;
use voxlane_models::layers::static_grid::{Grid, GridWeights};
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model};
use voxlane_models::networks::silero::SileroWeights;
use voxlane_models::networks::smart_turn::{
    CLASSES, ClassifierWeights, INNER, KERNEL, LAYERS, LayerWeights, MELS, POOL, POSITIONS, PoolWeights,
    SmartTurnWeights, WIDTH,
};
use voxlane_models::team::Team;
use voxlane_models::turn::SmartTurn;
use voxlane_models::voice::{EnergyDetector, Silero, VOICE_FRAME_SAMPLES, VoiceDetector};

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
fn greedy_decoding_allocates_nothing_after_construction() {
    nothing_is_allocated_or_freed_after_construction::<AttentionGreedy>();
}

#[test]
fn verified_decoding_allocates_nothing_after_construction() {
    nothing_is_allocated_or_freed_after_construction::<AttentionVerified>();
}

fn nothing_is_allocated_or_freed_after_construction<S: DecodeStrategy>() {
    let model = Moonshine::<S>::new(&Noise::new(1).weights(), Precision::F32);
    let (mut stem, mut encoder, mut decoder) =
        (model.front_end(2), model.encoder(2, Team::alone()), model.decoder(2));
    let mut span = model.span();
    let mut noise = Noise::new(1);
    let samples = noise.samples(model.info().limits.max_segment_samples);
    let (budget, mut faults) = (Budget::one_unit(), Faults::NONE);
    let before = CALLS.get();
    for (length, follows) in [(3000, false), (100_000, true), (samples.len(), false), (samples.len(), true)] {
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
        decoder.reset(1);
        if follows {
            // Half of the audio, with five tokens a second.
            assert!(decoder.follow(1, &[7; 75][..length / 2 / 3200], length / 2));
        }
        for goal in [Goal::Partial, Goal::Final] {
            decoder.begin(1, &mut span, goal.into());
            while decoder.step(&mut span, &budget, &mut faults) == Progress::More {}
        }
        stem.reset(1);
        encoder.reset(1);
    }
    let after = CALLS.get();
    assert_eq!(after, before);
    assert!(before > 0, "the counter counts");
    assert!(!decoder.hypothesis(1).tokens().is_empty());
}

/// A detector of Silero's shape with few channels.
fn silero() -> Silero {
    let linear = |outputs: usize, inputs: usize, has_bias: bool| LinearWeights {
        weight: (0..outputs * inputs).map(|i| (i as f32).sin() * 0.2).collect(),
        bias: has_bias.then(|| vec![0.1; outputs]),
        outputs,
        inputs,
    };
    let conv = |outputs: usize, channels: usize, stride: usize| ConvWeights {
        linear: linear(outputs, 3 * channels, true),
        kernel: 3,
        stride,
    };
    let spectrum = ConvWeights { linear: linear(18, 256, false), kernel: 256, stride: 128 };
    let weights = SileroWeights {
        spectrum,
        convs: [conv(12, 9, 1), conv(10, 12, 2), conv(8, 10, 2), conv(5, 8, 1)],
        gates: linear(20, 10, true),
        output: linear(1, 5, true),
    };
    Silero::new(&weights).unwrap()
}

#[test]
fn finding_speech_allocates_nothing_after_construction() {
    let mut noise = Noise::new(2);
    let detectors: [Box<dyn VoiceDetector>; 2] =
        [Box::new(silero().detector(2)), Box::new(EnergyDetector::new(2))];
    for mut detector in detectors {
        let samples = noise.samples(100 * VOICE_FRAME_SAMPLES);
        let before = CALLS.get();
        for (index, frame) in samples.as_chunks().0.iter().enumerate() {
            let probability = detector.step(index % 2, frame);
            assert!((0.0..=1.0).contains(&probability));
        }
        detector.reset(1);
        assert_eq!(CALLS.get(), before);
    }
}

/// A network of Smart Turn's sizes with weights of no meaning.
fn smart_turn() -> SmartTurn {
    let grid = Grid { scale: 0.05, zero_point: 120 };
    let product = |outputs: usize, inputs: usize, has_bias: bool| GridWeights {
        weight: (0..outputs * inputs).map(|i| (i * 7919 % 255) as i8).collect(),
        scales: vec![0.001; outputs],
        bias: has_bias.then(|| vec![5; outputs]),
        inputs,
        from: grid,
        to: grid,
    };
    let norm = |width: usize| NormWeights { weight: vec![1.0; width], bias: vec![0.1; width], epsilon: 1e-5 };
    let layer = LayerWeights {
        attention_norm: norm(WIDTH),
        query: product(WIDTH, WIDTH, false),
        query_bias: vec![0.1; WIDTH],
        key: product(WIDTH, WIDTH, false),
        factors: [0.35; 2],
        multiplied: [grid; 2],
        value: product(WIDTH, WIDTH, false),
        value_bias: vec![0.1; WIDTH],
        values: grid,
        scores: grid,
        weights: Grid { scale: 0.0039, zero_point: 0 },
        output: product(WIDTH, WIDTH, false),
        output_bias: vec![0.1; WIDTH],
        mlp_norm: norm(WIDTH),
        widen: product(INNER, WIDTH, false),
        widen_bias: vec![0.1; INNER],
        narrow: product(WIDTH, INNER, false),
        narrow_bias: vec![0.1; WIDTH],
    };
    let weights = SmartTurnWeights {
        first: product(WIDTH, KERNEL * MELS, true),
        second: product(WIDTH, KERNEL * WIDTH, true),
        positions: vec![0.1; POSITIONS * WIDTH],
        layers: vec![layer; LAYERS],
        norm: norm(WIDTH),
        pool: PoolWeights {
            hidden: product(POOL, WIDTH, false),
            hidden_bias: vec![0.1; POOL],
            output: product(1, POOL, false),
            output_bias: 0.1,
        },
        classifier: ClassifierWeights {
            products: [
                product(CLASSES[0], WIDTH, true),
                product(CLASSES[1], CLASSES[0], true),
                product(1, CLASSES[1], true),
            ],
            norm: norm(CLASSES[0]),
        },
    };
    SmartTurn::new(&weights).unwrap()
}

#[test]
fn a_look_at_a_turn_allocates_nothing_after_construction() {
    let mut detector = smart_turn().detector();
    let samples = Noise::new(3).samples(150_000);
    let budget = Budget::one_unit();
    let before = CALLS.get();
    for length in [samples.len(), 20_000] {
        detector.begin(&samples[..length]);
        while detector.step(&budget) == Progress::More {}
        assert!((0.0..=1.0).contains(&detector.probability()));
    }
    assert_eq!(CALLS.get(), before);
}
