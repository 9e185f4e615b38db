//! A decoder that goes on from the text of audio in front of a segment: what comes after is what it would have said.
#![cfg(feature = "fetch")]

mod recordings;
#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use recordings::recording;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use support::Noise;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::decode::{
    AttentionGreedy, AttentionVerified, DecodeStrategy, Excluded, LogitRule, Next, Prediction, Suppressed,
    Vocabulary,
};
use voxlane_models::dynamic::DynModel;
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::families::moonshine::import::import;
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::{Hypothesis, Token};
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model, Request, Slot};
use voxlane_models::networks::moonshine::span::MoonshineSpan;
use voxlane_models::offline::transcribe_tokens;
use voxlane_models::team::Team;

/// Four seconds: 27 tokens at most, the end token included. The network of random weights never ends.
const SAMPLES: usize = 64_000;
/// The audio in front, with the most tokens that have room: 27 in all, as without.
const EARLIER: (usize, usize) = (SAMPLES / 2, 13);

fn network<S: DecodeStrategy>() -> Moonshine<S> {
    let mut weights = Noise::new(5).weights();
    // A token is unlike itself, so that it does not come again and again.
    weights.decoder_norm.iter_mut().step_by(2).for_each(|weight| *weight = -*weight);
    Moonshine::new(&weights, Precision::F32)
}

fn ids(tokens: &[Token]) -> Vec<u32> {
    tokens.iter().map(|token| token.id).collect()
}

/// What is said, and with which probabilities, to the bit.
fn said(tokens: &[Token]) -> Vec<(u32, u32)> {
    tokens.iter().map(|token| (token.id, token.log_prob.to_bits())).collect()
}

/// The tokens as they are with times that count from `samples` on.
fn since(tokens: &[Token], samples: usize) -> Vec<Token> {
    let time = |time: u32| time.saturating_sub(samples as u32);
    tokens.iter().map(|token| Token { start: time(token.start), end: time(token.end), ..*token }).collect()
}

/// The span of `samples`, encoded.
fn heard<S: DecodeStrategy>(model: &Moonshine<S>, samples: &[i16]) -> MoonshineSpan {
    let (mut stem, mut encoder) = (model.front_end(1), model.encoder(1, Team::alone()));
    let (mut span, budget, mut faults) = (model.span(), Budget::unlimited(), Faults::NONE);
    stem.push(0, samples, &mut faults);
    stem.begin(0, samples.len(), Goal::Final);
    while stem.step(&mut span, &budget, &mut faults) == Progress::More {}
    encoder.begin(0, &mut span);
    while encoder.step(&mut span, &budget, &mut faults) == Progress::More {}
    assert!(faults.is_none());
    span
}

/// What a pass of `slot` finds.
fn pass(
    decoder: &mut impl Decoder<Span = MoonshineSpan>,
    slot: Slot,
    span: &mut MoonshineSpan,
    goal: Goal,
) -> (Vec<Token>, Faults) {
    pass_within(decoder, slot, span, goal, &Budget::unlimited())
}

fn pass_within(
    decoder: &mut impl Decoder<Span = MoonshineSpan>,
    slot: Slot,
    span: &mut MoonshineSpan,
    goal: Goal,
    budget: &Budget,
) -> (Vec<Token>, Faults) {
    let mut faults = Faults::NONE;
    decoder.begin(slot, span, goal.into());
    while decoder.step(span, budget, &mut faults) == Progress::More {}
    (decoder.hypothesis(slot).tokens().to_vec(), faults)
}

fn goes_on_as_from_its_own_text<S: DecodeStrategy>() {
    let model = network::<S>();
    assert!(model.info().follows);
    let mut span = heard(&model, &Noise::new(20).samples(SAMPLES));
    let mut decoder = model.decoder(2);
    let (whole, faults) = pass(&mut decoder, 0, &mut span, Goal::Final);
    assert_eq!((whole.len(), faults), (27, Faults::TOKEN_LIMIT));
    let (samples, count) = EARLIER;
    assert!(decoder.follow(1, &ids(&whole[..count]), samples));
    let expected = (since(&whole[count..], samples), Faults::TOKEN_LIMIT);
    // The second time from its own text as a draft.
    for budget in [Budget::one_unit(), Budget::unlimited()] {
        assert_eq!(pass_within(&mut decoder, 1, &mut span, Goal::Final, &budget), expected);
    }
    // A pass that gives way after so many units.
    for units in [1, 30, 60, 100, 200] {
        decoder.begin(1, &mut span, Goal::Partial.into());
        let mut faults = Faults::NONE;
        for _ in 0..units {
            let _ = decoder.step(&mut span, &Budget::one_unit(), &mut faults);
        }
        assert_eq!(pass(&mut decoder, 1, &mut span, Goal::Final), expected, "after {units} units");
    }
    // Other slots follow nothing, and neither does this one when it has been reset.
    assert_eq!(pass(&mut decoder, 0, &mut span, Goal::Final).0, whole);
    decoder.reset(1);
    assert_eq!(pass(&mut decoder, 1, &mut span, Goal::Final).0, whole);
    // Without a reset, what was found is the draft of what follows now.
    assert!(decoder.follow(1, &ids(&whole[..count]), samples));
    assert_eq!(pass(&mut decoder, 1, &mut span, Goal::Final), expected);
    // Other tokens lead elsewhere.
    assert!(decoder.follow(1, &[7; 13], samples));
    assert_ne!(said(&pass(&mut decoder, 1, &mut span, Goal::Final).0), said(&expected.0));
}

#[test]
fn greedy_decoding_goes_on_as_from_its_own_text() {
    goes_on_as_from_its_own_text::<AttentionGreedy>();
}

#[test]
fn verified_decoding_goes_on_as_from_its_own_text() {
    goes_on_as_from_its_own_text::<AttentionVerified>();
}

#[test]
fn a_segment_may_have_as_many_tokens_as_its_own_audio() {
    let model = network::<AttentionVerified>();
    let mut span = heard(&model, &Noise::new(20).samples(SAMPLES));
    let mut decoder = model.decoder(1);
    let (whole, _) = pass(&mut decoder, 0, &mut span, Goal::Final);
    for (count, samples) in [(0, 0), (0, SAMPLES / 2), (5, SAMPLES / 2), (5, SAMPLES / 4), (5, SAMPLES)] {
        decoder.reset(0);
        assert!(decoder.follow(0, &ids(&whole[..count]), samples));
        let (tokens, faults) = pass(&mut decoder, 0, &mut span, Goal::Final);
        let limit = model.config().max_tokens(SAMPLES - samples);
        assert_eq!(said(&tokens), said(&whole[count..][..limit.min(27 - count)]), "{count} of {samples}");
        assert_eq!((tokens.len(), faults), (limit, Faults::TOKEN_LIMIT));
    }
}

#[test]
fn what_has_no_room_is_not_followed() {
    let model = network::<AttentionVerified>();
    let mut span = heard(&model, &Noise::new(20).samples(SAMPLES));
    let mut decoder = model.decoder(1);
    let (samples, count) = EARLIER;
    let longest = model.info().limits.max_segment_samples;
    assert!(decoder.follow(0, &[7; 13], samples));
    let expected = pass(&mut decoder, 0, &mut span, Goal::Final);
    assert!(!decoder.follow(0, &vec![7; count + 1], samples));
    assert!(!decoder.follow(0, &[7; 7], longest + 1));
    assert!(!decoder.follow(0, &[7; 7], usize::MAX));
    assert!(!decoder.follow(0, &[7; 1000], longest));
    assert!(!decoder.follow(0, &[7, 1100], samples), "the vocabulary ends before");
    assert_eq!(pass(&mut decoder, 0, &mut span, Goal::Final), expected, "and nothing has changed");
    // The longest segment, of audio in front alone, and one that is shorter than the audio in front of it.
    let most = model.info().limits.max_segment_tokens - model.config().max_tokens(0);
    assert!(decoder.follow(0, &vec![7; most], longest));
    for samples in [longest, SAMPLES, 0] {
        let mut span = heard(&model, &Noise::new(21).samples(samples));
        assert!(pass(&mut decoder, 0, &mut span, Goal::Final).0.len() <= 1);
    }
}

#[test]
fn a_model_without_its_type_follows_as_well() {
    let model = DynModel::new(Arc::new(network::<AttentionVerified>()));
    assert!(model.info().follows);
    let mut decoder = model.decoder(1);
    assert!(decoder.follow(0, &[7; 13], EARLIER.0) && !decoder.follow(0, &[7; 14], EARLIER.0));
}

#[test]
fn partials_of_it_become_stable_as_others_do() {
    let model = network::<AttentionVerified>();
    let mut span = heard(&model, &Noise::new(20).samples(SAMPLES));
    let mut decoder = model.decoder(1);
    let (whole, _) = pass(&mut decoder, 0, &mut span, Goal::Final);
    decoder.reset(0);
    let (samples, count) = EARLIER;
    assert!(decoder.follow(0, &ids(&whole[..count]), samples));
    for turn in 1..=4 {
        let (tokens, _) = pass(&mut decoder, 0, &mut span, Goal::Partial);
        assert_eq!(said(&tokens), said(&whole[count..]));
        let stable = decoder.hypothesis(0).stable();
        assert!(stable <= tokens.len() - 2 && (stable > 0) == (turn > 2), "{stable} in turn {turn}");
    }
}

/// Excludes what was said in the segment, however long ago, and keeps what it was told.
#[derive(Default)]
struct NothingTwice(Mutex<Vec<Vec<u32>>>);

impl LogitRule for NothingTwice {
    fn most_ranges(&self) -> usize {
        200
    }

    fn exclude(&self, said: &[u32], excluded: &mut Excluded) {
        self.0.lock().unwrap().push(said.to_vec());
        for &token in said {
            excluded.exclude(token..token + 1);
        }
    }
}

/// The range of one token.
fn one(token: u32) -> Vec<Range<u32>> {
    std::iter::once(token..token + 1).collect()
}

/// Two passes over the same audio from the same tokens, the second one from the first one's text.
fn ruled<S: DecodeStrategy>(rule: Arc<dyn LogitRule>, samples: &[i16], earlier: &[u32]) -> Vec<Token> {
    let model = network::<S>().with_rule(rule);
    let (mut span, mut decoder) = (heard(&model, samples), model.decoder(1));
    assert!(decoder.follow(0, earlier, EARLIER.0));
    let tokens = pass(&mut decoder, 0, &mut span, Goal::Final).0;
    assert_eq!(pass(&mut decoder, 0, &mut span, Goal::Final).0, tokens, "from a draft");
    tokens
}

#[test]
fn rules_are_asked_about_the_segment_alone() {
    let samples = Noise::new(20).samples(SAMPLES);
    let whole = ids(&transcribe_tokens(&network::<AttentionGreedy>(), &samples).0);
    let (earlier, own) = whole.split_at(EARLIER.1);
    // What may not begin a text may not begin this one; what is followed need not keep to any rule.
    let begin = Arc::new(Suppressed { always: one(earlier[0]), at_start: one(own[0]) });
    let tokens = ruled::<AttentionGreedy>(begin.clone(), &samples, earlier);
    assert_ne!(tokens[0].id, own[0]);
    assert_eq!(ruled::<AttentionVerified>(begin, &samples, earlier), tokens);
    let rule = Arc::new(NothingTwice::default());
    let tokens = ruled::<AttentionGreedy>(rule.clone(), &samples, earlier);
    assert_eq!(ruled::<AttentionVerified>(rule.clone(), &samples, earlier), tokens);
    assert!(ids(&tokens).iter().any(|token| earlier.contains(token)), "what is followed may come again");
    let told = rule.0.lock().unwrap();
    assert!(told.iter().all(|said| ids(&tokens).starts_with(said)));
}

/// The greedy text behind some tokens, one after the other; the hypothesis holds all of them. What following does in
/// another way.
struct Forced {
    earlier: Vec<u32>,
    end_token: u32,
    last: u32,
    tokens: Hypothesis,
}

/// "Every measure." The network says the two words, and of the whole recording goes on with "pursued by the Commons."
const FORCED: [u32; 3] = [7569, 5645, 29889];

impl DecodeStrategy for Forced {
    const MAX_BLOCK: usize = 1;

    fn new(vocabulary: Vocabulary, _slots: usize) -> Self {
        Forced {
            earlier: FORCED.to_vec(),
            end_token: vocabulary.end_token,
            last: vocabulary.start_token,
            tokens: Hypothesis::with_capacity(vocabulary.max_tokens),
        }
    }

    fn begin(&mut self, _slot: Slot, _request: Request, _max_tokens: usize) {}

    fn block(&self) -> &[u32] {
        std::slice::from_ref(&self.last)
    }

    fn excluded(&self) -> Option<u32> {
        None
    }

    fn accept(&mut self, predictions: &[Prediction], _faults: &mut Faults) -> Next {
        let place = self.tokens.tokens().len();
        self.last = self.earlier.get(place).copied().unwrap_or(predictions[0].token);
        if self.last == self.end_token {
            return Next::Done;
        }
        assert!(self.tokens.push(Token {
            id: self.last,
            log_prob: predictions[0].log_prob,
            ..Token::default()
        }));
        Next::Block { keep: place + 1 }
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
fn speech_goes_on_behind_the_text_of_its_first_half() {
    /// In the middle of the pause behind "Every measure".
    const CUT: usize = 20_000;
    let files = manager::fetch("moonshine-tiny").unwrap();
    let weights = import(files.path("encoder_model.onnx"), files.path("decoder_model_merged.onnx")).unwrap();
    let samples = recording("8226-274369-0000").unwrap();
    for precision in [Precision::F32, Precision::Int8] {
        let forced = Moonshine::<Forced>::new(&weights, precision);
        let forced = transcribe_tokens(&forced, &samples).0;
        assert_eq!(ids(&forced[..FORCED.len()]), FORCED);
        let verified = Moonshine::<AttentionVerified>::new(&weights, precision);
        let greedy = Moonshine::<AttentionGreedy>::new(&weights, precision);
        let first = ids(&transcribe_tokens(&greedy, &samples[..CUT]).0);
        let whole = transcribe_tokens(&greedy, &samples).0;
        assert!(FORCED.starts_with(&first) && ids(&whole).starts_with(&first));
        let mut span = heard(&greedy, &samples);
        let (mut greedy, mut verified) = (greedy.decoder(1), verified.decoder(1));
        let both = [(&first[..], &whole), (&FORCED[..], &forced)].map(|(earlier, whole)| {
            let expected = since(&whole[earlier.len()..], CUT);
            assert!(expected.len() > 3 && expected.iter().any(|token| token.start > 0), "{expected:?}");
            assert!(greedy.follow(0, earlier, CUT) && verified.follow(0, earlier, CUT));
            for budget in [Budget::unlimited(), Budget::one_unit()] {
                let found = pass_within(&mut greedy, 0, &mut span, Goal::Final, &budget);
                assert_eq!(found, (expected.clone(), Faults::NONE), "{precision}");
                let found = pass_within(&mut verified, 0, &mut span, Goal::Final, &budget);
                assert_eq!(found, (expected.clone(), Faults::NONE), "{precision}");
            }
            said(&expected)
        });
        assert_ne!(both[0], both[1], "what is followed tells");
    }
}
