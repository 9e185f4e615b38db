//! What Moonshine's parts promise whatever the weights: chunking, budgets, slots and blocks change nothing.

mod support;

use std::sync::Arc;
use support::{Noise, network};
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::decode::{
    AttentionGreedy, AttentionVerified, DecodeStrategy, Next, Prediction, Vocabulary,
};
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::{Hypothesis, Token};
use voxlane_models::layers::conv::ConvWeights;
use voxlane_models::layers::conv::Window;
use voxlane_models::layers::linear::Precision;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model, Request, Slot};
use voxlane_models::networks::moonshine::span::MoonshineSpan;
use voxlane_models::networks::moonshine::weights::StemWeights;
use voxlane_models::offline::transcribe_tokens;
use voxlane_models::team::{Assistant, Team};

/// The features of the first `samples` samples that were pushed to `slot`.
fn features<F: FrontEnd<Span = MoonshineSpan>>(
    stem: &mut F,
    slot: Slot,
    samples: usize,
    span: &mut MoonshineSpan,
) -> Vec<f32> {
    let (budget, mut faults) = (Budget::unlimited(), Faults::NONE);
    stem.begin(slot, samples, Goal::Final);
    while stem.step(span, &budget, &mut faults) == Progress::More {}
    assert!(faults.is_none());
    span.hidden().to_vec()
}

fn push(stem: &mut impl FrontEnd, slot: Slot, samples: &[i16]) {
    let mut faults = Faults::NONE;
    stem.push(slot, samples, &mut faults);
    assert!(faults.is_none());
}

/// A convolution over channel-last frames, in f64.
fn convolve(input: &[f64], weights: &ConvWeights, activate: fn(f64) -> f64) -> Vec<f64> {
    let linear = &weights.linear;
    let channels = linear.inputs / weights.kernel;
    let window = Window { kernel: weights.kernel, stride: weights.stride };
    let frames = window.outputs(input.len() / channels);
    (0..frames)
        .flat_map(|frame| {
            let seen = &input[frame * weights.stride * channels..][..linear.inputs];
            linear.weight.chunks_exact(linear.inputs).enumerate().map(move |(output, row)| {
                let sum: f64 = row.iter().zip(seen).map(|(&w, x)| f64::from(w) * x).sum();
                activate(sum + linear.bias.as_ref().map_or(0.0, |bias| f64::from(bias[output])))
            })
        })
        .collect()
}

/// The integral of the normal density, by Simpson's rule: slow and exact to about 1e-12.
fn gelu(x: f64) -> f64 {
    const STEPS: i32 = 400;
    let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let width = x / f64::from(STEPS);
    let inner: f64 =
        (1..STEPS).map(|i| density(f64::from(i) * width) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    x * (0.5 + (density(0.0) + inner + density(x)) * width / 3.0)
}

/// The plain stem over the whole segment, in f64.
fn offline_stem(samples: &[i16], weights: &StemWeights) -> Vec<f64> {
    let samples: Vec<f64> = samples.iter().map(|&sample| f64::from(sample) / 32768.0).collect();
    let mut hidden = convolve(&samples, &weights.conv1, f64::tanh);
    let mean = hidden.iter().sum::<f64>() / hidden.len() as f64;
    let variance = hidden.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / hidden.len() as f64;
    let factor = 1.0 / (variance + f64::from(weights.norm_epsilon)).sqrt();
    for frame in hidden.chunks_exact_mut(weights.norm_weight.len()) {
        for ((x, &weight), &bias) in frame.iter_mut().zip(&weights.norm_weight).zip(&weights.norm_bias) {
            *x = (*x - mean) * factor * f64::from(weight) + f64::from(bias);
        }
    }
    convolve(&convolve(&hidden, &weights.conv2, gelu), &weights.conv3, gelu)
}

#[test]
fn the_stem_is_close_to_the_plain_one_over_the_whole_segment() {
    let (model, weights) = (network(), Noise::new(1).weights());
    let (mut stem, mut span) = (model.front_end(1), model.span());
    for (loudness, offset) in [(1.0, 0), (0.002, 0), (0.1, 9000)] {
        let samples: Vec<i16> = Noise::new(7)
            .samples(20_000)
            .iter()
            .map(|&s| (f32::from(s) * loudness) as i16 + offset)
            .collect();
        stem.reset(0);
        push(&mut stem, 0, &samples);
        let features = features(&mut stem, 0, samples.len(), &mut span);
        let expected = offline_stem(&samples, &weights.stem);
        assert_eq!(features.len(), expected.len());
        let most = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let worst = features
            .iter()
            .zip(&expected)
            .fold(0.0, |worst: f64, (&x, y)| worst.max((f64::from(x) - y).abs()));
        assert!(worst <= 1e-4 * most, "off by {worst} of {most} at loudness {loudness}");
    }
}

#[test]
fn any_chunking_gives_the_same_features() {
    let model = network();
    let (mut stem, mut span) = (model.front_end(1), model.span());
    let samples = Noise::new(2).samples(40_000);
    push(&mut stem, 0, &samples);
    let expected = features(&mut stem, 0, samples.len(), &mut span);
    let mut noise = Noise::new(3);
    for longest in [1, 2, 63, 64, 65, 160, 320, 700, 5000] {
        stem.reset(0);
        let mut rest = &samples[..];
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((1 + noise.below(longest)).min(rest.len()));
            push(&mut stem, 0, chunk);
            rest = after;
            // A look at the open segment changes nothing.
            if noise.below(200) == 0 {
                features(&mut stem, 0, samples.len() - rest.len(), &mut span);
            }
        }
        assert_eq!(features(&mut stem, 0, samples.len(), &mut span), expected, "chunks up to {longest}");
    }
}

#[test]
fn a_pass_over_fewer_samples_than_were_pushed_equals_a_shorter_segment() {
    let model = network();
    let (mut stem, mut span) = (model.front_end(2), model.span());
    let samples = Noise::new(4).samples(30_000);
    push(&mut stem, 0, &samples);
    for count in [0, 894, 895, 896, 1278, 1279, 9000, 29_999] {
        stem.reset(1);
        push(&mut stem, 1, &samples[..count]);
        let expected = features(&mut stem, 1, count, &mut span);
        assert_eq!(features(&mut stem, 0, count, &mut span), expected, "{count} samples");
        assert_eq!((span.frames() > 0, span.samples()), (count >= 895, count));
    }
}

/// Runs one segment on `slot` with `budget` for each step: hidden frames, tokens, steps that had more to do.
fn run(
    model: &Moonshine,
    parts: &mut Parts,
    slot: Slot,
    samples: &[i16],
    budget: &Budget,
) -> (Vec<f32>, Vec<Token>, usize) {
    let Parts { stem, encoder, decoder } = parts;
    let (mut span, mut faults, mut steps) = (model.span(), Faults::NONE, 0);
    stem.reset(slot);
    push(stem, slot, samples);
    stem.begin(slot, samples.len(), Goal::Final);
    while stem.step(&mut span, budget, &mut faults) == Progress::More {
        steps += 1;
    }
    encoder.begin(slot, &mut span);
    while encoder.step(&mut span, budget, &mut faults) == Progress::More {
        steps += 1;
    }
    decoder.begin(slot, &mut span, Goal::Final.into());
    while decoder.step(&mut span, budget, &mut faults) == Progress::More {
        steps += 1;
    }
    // A pass that is done stays done.
    let hidden = span.hidden().to_vec();
    assert_eq!(encoder.step(&mut span, budget, &mut faults), Progress::Done);
    assert_eq!(span.hidden(), hidden);
    (span.hidden().to_vec(), decoder.hypothesis(slot).tokens().to_vec(), steps)
}

struct Parts {
    stem: <Moonshine as Model>::FrontEnd,
    encoder: <Moonshine as Model>::Encoder,
    decoder: <Moonshine as Model>::Decoder,
}

impl Parts {
    fn new(model: &Moonshine, slots: usize) -> Self {
        Parts {
            stem: model.front_end(slots),
            encoder: model.encoder(slots, Team::alone()),
            decoder: model.decoder(slots),
        }
    }
}

#[test]
fn stopping_after_every_unit_changes_nothing() {
    let model = network();
    let mut parts = Parts::new(&model, 1);
    for length in [895, 5000, 33_333] {
        let samples = Noise::new(5).samples(length);
        let (hidden, tokens, steps) = run(&model, &mut parts, 0, &samples, &Budget::unlimited());
        assert_eq!(steps, 0);
        let (stepped_hidden, stepped_tokens, steps) =
            run(&model, &mut parts, 0, &samples, &Budget::one_unit());
        assert!(steps > 20, "a pass has many units");
        assert_eq!((stepped_hidden, stepped_tokens), (hidden, tokens));
    }
}

/// Does the other half on a thread of its own.
struct Scoped;

impl Assistant for Scoped {
    fn both(&self, theirs: &mut (dyn FnMut() + Send), mine: &mut dyn FnMut()) {
        std::thread::scope(|scope| {
            scope.spawn(theirs);
            mine();
        });
    }
}

#[test]
fn a_team_of_two_gives_the_same_bits_as_one() {
    let model = network();
    let mut alone = Parts::new(&model, 1);
    let mut pair = Parts { encoder: model.encoder(1, Team::with(Arc::new(Scoped))), ..Parts::new(&model, 1) };
    // One frame, one row more than a unit, and several units with a rest.
    for length in [895, 895 + 384 * 32, 60_001] {
        let samples = Noise::new(10).samples(length);
        let budget = Budget::unlimited();
        let expected = run(&model, &mut alone, 0, &samples, &budget);
        assert_eq!(run(&model, &mut pair, 0, &samples, &budget), expected);
    }
}

#[test]
fn a_pass_that_gave_way_leaves_no_trace() {
    let model = network();
    let mut parts = Parts::new(&model, 2);
    let samples = Noise::new(6).samples(20_000);
    let expected = run(&model, &mut parts, 0, &samples, &Budget::unlimited());
    let other = Noise::new(8).samples(44_000);
    push(&mut parts.stem, 1, &other);
    let (mut span, mut faults, budget) = (model.span(), Faults::NONE, Budget::one_unit());
    parts.stem.begin(1, other.len(), Goal::Partial);
    while parts.stem.step(&mut span, &budget, &mut faults) == Progress::More {}
    for units in [1, 10, 30] {
        let mut span = span.clone();
        parts.stem.begin(1, other.len(), Goal::Partial);
        assert_eq!(parts.stem.step(&mut span.clone(), &budget, &mut faults), Progress::More);
        parts.encoder.begin(1, &mut span);
        assert!((0..units).all(|_| parts.encoder.step(&mut span, &budget, &mut faults) == Progress::More));
        parts.decoder.begin(1, &mut span, Goal::Partial.into());
        assert!((0..units).all(|_| parts.decoder.step(&mut span, &budget, &mut faults) == Progress::More));
        assert_eq!(run(&model, &mut parts, 0, &samples, &Budget::unlimited()), expected);
    }
}

#[test]
fn slots_do_not_influence_each_other() {
    let model = network();
    let mut stem = model.front_end(3);
    let mut span = model.span();
    let mut noise = Noise::new(9);
    let audio: Vec<Vec<i16>> = [9000, 25_000, 17_000].map(|count| noise.samples(count)).into();
    let mut pushed = [0; 3];
    while pushed.iter().zip(&audio).any(|(&pushed, audio)| pushed < audio.len()) {
        let slot = noise.below(3);
        let end = audio[slot].len().min(pushed[slot] + noise.below(400));
        push(&mut stem, slot, &audio[slot][pushed[slot]..end]);
        pushed[slot] = end;
    }
    for (slot, audio) in audio.iter().enumerate() {
        let mut alone = model.front_end(1);
        push(&mut alone, 0, audio);
        let expected = features(&mut alone, 0, audio.len(), &mut span);
        assert_eq!(features(&mut stem, slot, audio.len(), &mut span), expected, "slot {slot}");
    }
}

#[test]
fn short_and_long_segments_are_handled_and_flagged() {
    let model = network();
    assert_eq!(model.info().limits.min_segment_samples, 895);
    for count in [0, 1, 894] {
        assert_eq!(transcribe_tokens(&model, &vec![100; count]), (Vec::new(), Faults::NONE));
    }
    let longest = model.info().limits.max_segment_samples;
    let samples = Noise::new(10).samples(longest + 1);
    let (whole, faults) = transcribe_tokens(&model, &samples[..longest]);
    assert!(!faults.has(Faults::TOO_LONG));
    let (cut, faults) = transcribe_tokens(&model, &samples);
    assert!(faults.has(Faults::TOO_LONG));
    assert_eq!(cut, whole);
}

#[test]
fn weights_that_are_not_finite_are_flagged() {
    let mut weights = Noise::new(1).weights();
    weights.decoder_norm[3] = f32::NAN;
    let model: Moonshine = Moonshine::new(&weights, Precision::F32);
    let (tokens, faults) = transcribe_tokens(&model, &Noise::new(11).samples(9000));
    assert!(tokens.is_empty());
    assert!(faults.has(Faults::NOT_FINITE));
}

/// Runs a given sequence of tokens in blocks of `BLOCK` and keeps all predictions; after each block, the
/// first attempt at the next is thrown away, as when a draft is rejected.
struct Replay<const BLOCK: usize> {
    sequence: Vec<u32>,
    kept: usize,
    is_draft: bool,
    tokens: Hypothesis,
}

impl<const BLOCK: usize> DecodeStrategy for Replay<BLOCK> {
    const MAX_BLOCK: usize = BLOCK;

    fn new(vocabulary: Vocabulary, _slots: usize) -> Self {
        let mut noise = Noise::new(12);
        let sequence = (0..24).map(|_| noise.below(1100) as u32).collect();
        Replay {
            sequence,
            kept: 0,
            is_draft: false,
            tokens: Hypothesis::with_capacity(vocabulary.max_tokens),
        }
    }

    fn begin(&mut self, _slot: Slot, _request: Request, _max_tokens: usize) {
        (self.kept, self.is_draft) = (0, false);
        self.tokens.clear();
    }

    fn block(&self) -> &[u32] {
        const WRONG: [u32; 4] = [5, 6, 7, 8];
        if self.is_draft { &WRONG[..BLOCK.min(4)] } else { &self.sequence[self.kept..][..BLOCK] }
    }

    fn excluded(&self) -> Option<u32> {
        None
    }

    fn accept(&mut self, predictions: &[Prediction], _faults: &mut Faults) -> Next {
        if !self.is_draft {
            self.kept += BLOCK;
            for &Prediction { token, log_prob } in predictions {
                assert!(self.tokens.push(Token { id: token, log_prob, start: 0, end: 0 }));
            }
        }
        self.is_draft = !self.is_draft;
        if self.kept == self.sequence.len() { Next::Done } else { Next::Block { keep: self.kept } }
    }

    fn hypothesis(&self, _slot: Slot) -> &Hypothesis {
        &self.tokens
    }

    fn hypothesis_mut(&mut self, _slot: Slot) -> &mut Hypothesis {
        &mut self.tokens
    }

    fn reset(&mut self, _slot: Slot) {
        self.tokens.clear();
    }
}

#[test]
fn a_block_of_tokens_gives_the_same_bits_as_one_token_at_a_time() {
    fn predictions<S: DecodeStrategy>() -> Vec<Token> {
        let model = Moonshine::<S>::new(&Noise::new(1).weights(), Precision::F32);
        transcribe_tokens(&model, &Noise::new(13).samples(30_000)).0
    }
    let expected = predictions::<Replay<1>>();
    assert_eq!(expected.len(), 24);
    assert!(expected.iter().all(|token| token.log_prob < 0.0));
    assert_eq!(predictions::<Replay<2>>(), expected);
    assert_eq!(predictions::<Replay<3>>(), expected);
    assert_eq!(predictions::<Replay<8>>(), expected);
    assert_eq!(predictions::<Replay<24>>(), expected);
    assert_ne!(predictions::<AttentionGreedy>(), expected);
}

/// Runs a block of tokens twice, the second time without what the network chose after its first token.
struct Without {
    excluded: Option<u32>,
    tokens: Hypothesis,
}

impl DecodeStrategy for Without {
    const MAX_BLOCK: usize = 3;

    fn new(vocabulary: Vocabulary, _slots: usize) -> Self {
        Without { excluded: None, tokens: Hypothesis::with_capacity(vocabulary.max_tokens) }
    }

    fn begin(&mut self, _slot: Slot, _request: Request, _max_tokens: usize) {}

    fn block(&self) -> &[u32] {
        &[1, 70, 7]
    }

    fn excluded(&self) -> Option<u32> {
        self.excluded
    }

    fn accept(&mut self, predictions: &[Prediction], _faults: &mut Faults) -> Next {
        for &Prediction { token, log_prob } in predictions {
            self.tokens.push(Token { id: token, log_prob, start: 0, end: 0 });
        }
        match self.excluded.replace(predictions[0].token) {
            None => Next::Block { keep: 0 },
            Some(_) => Next::Done,
        }
    }

    fn hypothesis(&self, _slot: Slot) -> &Hypothesis {
        &self.tokens
    }

    fn hypothesis_mut(&mut self, _slot: Slot) -> &mut Hypothesis {
        &mut self.tokens
    }

    fn reset(&mut self, _slot: Slot) {}
}

#[test]
fn an_excluded_token_is_not_chosen_and_has_no_probability() {
    for precision in Precision::ALL {
        let model = Moonshine::<Without>::new(&Noise::new(1).weights(), precision);
        let tokens = transcribe_tokens(&model, &Noise::new(13).samples(30_000)).0;
        let said: Vec<(u32, f32)> = tokens.iter().map(|token| (token.id, token.log_prob)).collect();
        let (with, without) = said.split_at(3);
        assert_eq!(with[1..], without[1..], "{precision:?}: only the first token's prediction changes");
        assert_ne!(with[0].0, without[0].0, "{precision:?}");
        // It has at most what the excluded one had, and its share of that one's probability.
        let most = with[0].1 - (-with[0].1.exp()).ln_1p();
        assert!(without[0].1 <= most + 1e-4 && without[0].1 < 0.0, "{precision:?}: {with:?} {without:?}");
    }
}

#[test]
fn a_final_is_the_greedy_one_whatever_was_drafted_and_stable_tokens_only_grow() {
    let weights = Noise::new(1).weights();
    let greedy: Moonshine<AttentionGreedy> = Moonshine::new(&weights, Precision::Int8);
    let verified: Moonshine<AttentionVerified> = Moonshine::new(&weights, Precision::Int8);
    let mut noise = Noise::new(14);
    for _ in 0..6 {
        let count = 12_000 + noise.below(30_000);
        let samples = noise.samples(count);
        let expected = transcribe_tokens(&greedy, &samples).0;
        let (mut stem, mut encoder) = (verified.front_end(1), verified.encoder(1, Team::alone()));
        let (mut decoder, mut span) = (verified.decoder(1), verified.span());
        let (budget, mut faults) = (Budget::unlimited(), Faults::NONE);
        push(&mut stem, 0, &samples);
        let mut pass = |count: usize, goal: Goal| {
            stem.begin(0, count, goal);
            while stem.step(&mut span, &budget, &mut faults) == Progress::More {}
            encoder.begin(0, &mut span);
            while encoder.step(&mut span, &budget, &mut faults) == Progress::More {}
            decoder.begin(0, &mut span, goal.into());
            while decoder.step(&mut span, &budget, &mut faults) == Progress::More {}
            decoder.hypothesis(0).clone()
        };
        let mut stable: Vec<u32> = Vec::new();
        for part in 1..=8 {
            let count = samples.len() * part / 8;
            // Asked three times, so that the hypotheses agree.
            for _ in 0..3 {
                let partial = pass(count, Goal::Partial);
                let ids: Vec<u32> = partial.tokens().iter().map(|token| token.id).collect();
                assert!(partial.stable() >= stable.len() && ids.starts_with(&stable), "part {part}");
                assert!(!partial.is_revised());
                stable = ids[..partial.stable()].to_vec();
            }
            let speculative = pass(count, Goal::Final);
            assert_eq!(speculative.tokens(), transcribe_tokens(&greedy, &samples[..count]).0);
            let ids: Vec<u32> = speculative.tokens().iter().map(|token| token.id).collect();
            assert_eq!(speculative.is_revised(), !ids.starts_with(&stable));
        }
        assert_eq!(pass(samples.len(), Goal::Final).tokens(), expected);
    }
}
