//! What it costs to choose the decode strategy at run time, and to return errors instead of collecting bits.

use super::by_enum::ByEnum;
use super::by_trait::ByTrait;
use super::context::Context;
use super::distribution::{Distribution, SEED, histogram, nanos, record};
use super::experiment::Experiment;
use super::outcome::{Cell, Outcome, Role, Unit};
use super::pin::on_core;
use super::sample::sample_clip;
use super::timing::{Contender, rounds};
use super::transducer;
use crate::bootstrap::median_interval;
use crate::passes::Passes;
use crate::stopwatch::Stopwatch;
use anyhow::Result;
use std::hint::black_box;
use voxlane_models::decode::{AttentionGreedy, DecodeStrategy, Next, Prediction, Vocabulary};
use voxlane_models::families;
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::fault::Faults;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;
use voxlane_models::model::Goal;

pub const EXPERIMENT: Experiment = Experiment {
    name: "dispatch",
    title: "Branches: strategies by type, by trait object, by enum; error bits or results",
    method: "The same greedy strategy, once as the type that the decoder is compiled for, once behind a trait object, once in an \
             enum that is matched at every call. First in the real decode loop (Moonshine tiny, int8, a recording of ten \
             seconds, time a token), where the network's arithmetic stands between two calls; then alone, with \
             predictions from a list, which shows what a call costs. Then the loop over a transducer's frames, likewise: strategy \
             and network each by type, by trait object and by enum, with the network `commands` and with one that \
             computes nothing. Below, a chain of small steps that look for values \
             that are not finite: with bits that are OR-ed along and looked at once at the end, and with a Result that is looked \
             at after every step. All kinds take turns in every round, and ratios are of the same round.",
    needs_model: true,
    run,
};

const NAMES: [&str; 3] = ["by type", "trait object", "enum"];

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    on_core(context.measured_core(), || {
        decode_loop(context, outcome)?;
        calls(context, outcome);
        transducer_loop(context, outcome)?;
        errors(context, outcome);
        Ok(())
    })
}

fn model<S: DecodeStrategy>(context: &Context) -> Result<Moonshine<S>> {
    let files = manager::fetch(&context.model)?;
    Ok(families::prepare_moonshine::<S>(&files, Precision::Int8, &mut |_| {})?.0)
}

fn decode_loop(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let samples = sample_clip(context)?;
    let (typed, object, matched) =
        (model::<AttentionGreedy>(context)?, model::<ByTrait>(context)?, model::<ByEnum>(context)?);
    let (mut typed, mut object, mut matched) =
        (Passes::new(&typed), Passes::new(&object), Passes::new(&matched));
    let passes: [&mut dyn FnMut() -> crate::passes::TimedPass; 3] = [
        &mut || typed.run(&samples, Stopwatch::Wall),
        &mut || object.run(&samples, Stopwatch::Wall),
        &mut || matched.run(&samples, Stopwatch::Wall),
    ];
    let rounds = context.pick(1, 3, 40, 400);
    let mut times = [histogram(), histogram(), histogram()];
    let mut per_token: [Vec<f64>; 3] = Default::default();
    for round in 0..=rounds {
        // A B C C B A
        for number in [0, 1, 2, 2, 1, 0] {
            let pass = passes[number]();
            let others = (pass.predictions() - 1).max(1) as u64;
            let token = nanos(pass.other_tokens) / others;
            // The first round is thrown away.
            if round > 0 {
                record(&mut times[number], token);
                per_token[number].push(token as f64);
            }
        }
    }
    let mut rows = Vec::new();
    let mut members = Vec::new();
    for number in 0..NAMES.len() {
        let pairs = per_token[number].iter().zip(&per_token[0]).map(|(own, base)| own / base);
        let ratio = median_interval(&pairs.collect::<Vec<_>>(), SEED);
        rows.push(vec![Cell::from(NAMES[number]), ratio.into(), per_token[number].len().into()]);
        members.push(Distribution::of(NAMES[number], &times[number])?);
    }
    outcome.figure("decode/one token", members[0].p50(), Role::Component);
    outcome.group(
        "A token in the decode loop: one value a pass, its mean over the tokens after the first",
        Unit::Microseconds,
        members,
    );
    outcome.table(
        "The decode loop: ratio to the strategy by type, of the same round",
        &["strategy", "ratio", "n"],
        rows,
    );
    Ok(())
}

/// Drives a strategy with predictions from a list, as the decoder does.
#[inline(never)]
fn drive<S: DecodeStrategy>(strategy: &mut S, predictions: &[Prediction]) -> usize {
    let mut faults = Faults::NONE;
    strategy.begin(0, Goal::Final.into(), predictions.len());
    let mut sum = 0;
    for prediction in predictions {
        sum += strategy.block()[0] as usize;
        if strategy.accept(std::slice::from_ref(prediction), &mut faults) == Next::Done {
            break;
        }
    }
    sum
}

fn calls(context: &Context, outcome: &mut Outcome) {
    const TOKENS: usize = 64;
    let predictions: Vec<Prediction> =
        (0..TOKENS).map(|i| Prediction { token: 10 + i as u32, log_prob: -0.1 }).collect();
    let vocabulary = Vocabulary { start_token: 1, end_token: 2, max_tokens: TOKENS + 1 };
    let (mut typed, mut object, mut matched) =
        (AttentionGreedy::new(vocabulary, 1), ByTrait::new(vocabulary, 1), ByEnum::new(vocabulary, 1));
    let predictions = &predictions;
    let contenders: Vec<Contender<'_>> = vec![
        (
            NAMES[0],
            Box::new(move || {
                black_box(drive(&mut typed, black_box(predictions)));
            }),
        ),
        (
            NAMES[1],
            Box::new(move || {
                black_box(drive(&mut object, black_box(predictions)));
            }),
        ),
        (
            NAMES[2],
            Box::new(move || {
                black_box(drive(&mut matched, black_box(predictions)));
            }),
        ),
    ];
    table(context, outcome, "The strategy alone", "ns a token", TOKENS, contenders);
}

fn transducer_loop(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let loops = transducer::Loops::new(context)?;
    let contender = |name: &'static str| Ok((name, loops.named(name)?));
    let contenders = transducer::NAMES.into_iter().map(contender).collect::<Result<Vec<Contender<'_>>>>()?;
    let (frames, tokens) = (loops.frames(), loops.tokens());
    let title = format!("The loop of a transducer over {frames} frames, {tokens} tokens, network `commands`");
    table(context, outcome, &title, "ns a frame", frames, contenders);
    let title = "The loop of a transducer over a network without arithmetic";
    let alone = transducer::without_arithmetic();
    table(context, outcome, title, "ns a frame", transducer::LISTED_FRAMES, alone);
    Ok(())
}

/// Values that a chain of steps works on.
type Values = [f32; 16];

/// Steps of the chain.
const STEPS: usize = 32;

/// A value was not finite.
#[derive(Debug)]
struct NotFinite;

#[inline(never)]
fn step_with_bits(values: &mut Values, faults: &mut Faults) {
    let sum: f32 = values
        .iter_mut()
        .map(|value| {
            *value = *value * 0.99 + 0.01;
            *value
        })
        .sum();
    let bad = u32::from(!sum.is_finite());
    *faults |= Faults::from_bits(bad * Faults::NOT_FINITE.bits());
}

#[inline(never)]
fn step_with_result(values: &mut Values) -> Result<(), NotFinite> {
    let sum: f32 = values
        .iter_mut()
        .map(|value| {
            *value = *value * 0.99 + 0.01;
            *value
        })
        .sum();
    if sum.is_finite() { Ok(()) } else { Err(NotFinite) }
}

fn errors(context: &Context, outcome: &mut Outcome) {
    let bits = || {
        let (mut values, mut faults) = (black_box([1.0; 16]), Faults::NONE);
        (0..STEPS).for_each(|_| step_with_bits(&mut values, &mut faults));
        black_box(faults.is_none());
    };
    let results = || {
        let mut values = black_box([1.0; 16]);
        let all: Result<(), NotFinite> = (0..STEPS).try_for_each(|_| step_with_result(&mut values));
        black_box(all.is_ok());
    };
    let contenders: Vec<Contender<'_>> = vec![("error bits", Box::new(bits)), ("Result", Box::new(results))];
    table(context, outcome, "A chain of small steps", "ns a step", STEPS, contenders);
}

/// Times contenders in turns and writes their cost of one of `parts`, with the ratio to the first.
fn table(
    context: &Context,
    outcome: &mut Outcome,
    title: &str,
    unit: &str,
    parts: usize,
    contenders: Vec<Contender<'_>>,
) {
    let timed = rounds(contenders, context.pick(11, 51, 401, 4_001));
    let base = timed[0].1.clone();
    let rows = timed.iter().map(|(name, seconds)| {
        let ratios: Vec<f64> = seconds.iter().zip(&base).map(|(own, base)| own / base).collect();
        let cost = median_interval(seconds, SEED).scaled(1e9 / parts as f64);
        vec![Cell::from(*name), cost.into(), median_interval(&ratios, SEED).into(), seconds.len().into()]
    });
    let rows: Vec<_> = rows.collect();
    outcome.table(title, &["", unit, "ratio to the first, same round", "rounds"], rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_results_see_the_same() {
        let mut faults = Faults::NONE;
        step_with_bits(&mut [1.0; 16], &mut faults);
        assert!(faults.is_none() && step_with_result(&mut [1.0; 16]).is_ok());
        let mut bad = [1.0; 16];
        bad[3] = f32::NAN;
        step_with_bits(&mut bad.clone(), &mut faults);
        assert!(faults.has(Faults::NOT_FINITE) && step_with_result(&mut bad).is_err());
    }

    #[test]
    fn strategies_decide_the_same_however_they_are_called() {
        let vocabulary = Vocabulary { start_token: 1, end_token: 2, max_tokens: 9 };
        let predictions: Vec<Prediction> =
            [7, 8, 2, 9].map(|token| Prediction { token, log_prob: -1.0 }).into();
        fn tokens<S: DecodeStrategy>(mut strategy: S, predictions: &[Prediction]) -> Vec<u32> {
            drive(&mut strategy, predictions);
            strategy.hypothesis(0).tokens().iter().map(|token| token.id).collect()
        }
        for found in [
            tokens(AttentionGreedy::new(vocabulary, 1), &predictions),
            tokens(ByTrait::new(vocabulary, 1), &predictions),
            tokens(ByEnum::new(vocabulary, 1), &predictions),
        ] {
            assert_eq!(found, [7, 8]);
        }
    }
}
