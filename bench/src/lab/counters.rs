//! What the processor counts while it decodes: instructions, cycles, misses.

use super::by_enum::ByEnum;
use super::by_trait::ByTrait;
use super::context::Context;
use super::events::{COUNTERS, Counter};
use super::experiment::Experiment;
use super::outcome::{Cell, Outcome};
use super::pin::on_core;
use super::process;
use super::sample::short_clip;
use super::transducer;
use crate::passes::Passes;
use crate::stopwatch::Stopwatch;
use anyhow::{Context as _, Result, bail};
use std::process::Command;
use voxlane_kernels::isa::{ISA_VARIABLE, Isa};
use voxlane_models::decode::{AttentionGreedy, DecodeStrategy};
use voxlane_models::families;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;

pub const EXPERIMENT: Experiment = Experiment {
    name: "counters",
    title: "Instructions, cycles and misses of a pass",
    method: "Half a second of speech through the parts of the model (Moonshine tiny, int8). Where the kernel lets a program count \
             (perf_event), the processor's own counters are read around many passes in a row, on one thread, user mode only, one counter after \
             the other. Where it does not, or has no such counter, as in many virtual machines, instructions are counted by valgrind's callgrind, \
             which cannot run AVX-512, so the instruction set is forced: the difference between runs of one and of three passes leaves out \
             starting and loading. The three strategies are those of the experiment “dispatch”.",
    needs_model: true,
    run,
};

/// Names of the strategies, as the child takes them.
const STRATEGIES: [&str; 3] = ["type", "trait", "enum"];

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let counted = on_core(context.measured_core(), || by_processor(context, outcome))?;
    if !counted {
        outcome.missing(
            "the processor's own counters: the kernel or the virtual machine gives none (perf_event)",
        );
    }
    by_callgrind(context, outcome)
}

/// Whether the processor counted anything.
fn by_processor(context: &Context, outcome: &mut Outcome) -> Result<bool> {
    let passes = context.pick(1, 5, 200, 2_000);
    let samples = short_clip(context)?;
    let files = manager::fetch(&context.model)?;
    let (model, _) = families::prepare_moonshine::<AttentionGreedy>(&files, Precision::Int8, &mut |_| {})?;
    let mut parts = Passes::new(&model);
    parts.run(&samples, Stopwatch::Wall);
    let mut rows = Vec::new();
    for (name, kind) in COUNTERS {
        let Some(mut counter) = Counter::open(*kind) else { continue };
        let count = counter.count(|| (0..passes).for_each(|_| drop(parts.run(&samples, Stopwatch::Wall))))?;
        rows.push(vec![Cell::from(*name), (count as f64 / passes as f64).into(), (passes as u64).into()]);
    }
    let counted = !rows.is_empty();
    if counted {
        outcome.table("Counted by the processor, a pass", &["event", "a pass", "passes"], rows);
    }
    Ok(counted)
}

fn by_callgrind(context: &Context, outcome: &mut Outcome) -> Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        outcome.missing("instructions by callgrind: there is no valgrind");
        return Ok(());
    }
    let sets: &[Isa] =
        context.pick(&[Isa::Avx2][..], &[Isa::Avx2], &[Isa::Avx2, Isa::Scalar], &[Isa::Avx2, Isa::Scalar]);
    let strategies = &STRATEGIES[..context.pick(1, 1, 3, 3)];
    let mut rows = Vec::new();
    for isa in sets.iter().filter(|isa| isa.is_available()) {
        let mut first = None;
        for strategy in strategies {
            // Scalar code takes many more instructions, and every one of them takes fifty times as long.
            if *isa == Isa::Scalar && *strategy != STRATEGIES[0] {
                continue;
            }
            let [one, three] = [1, 3].map(|passes| instructions(context, *isa, strategy, passes));
            let pass = (three? - one?) / 2.0;
            let base = *first.get_or_insert(pass);
            rows.push(vec![Cell::from(isa.name()), (*strategy).into(), pass.into(), (pass / base).into()]);
        }
    }
    let columns = ["instruction set", "strategy by", "instructions a pass", "to the strategy by type"];
    outcome.table("Counted by callgrind, a pass", &columns, rows);
    transducer_by_callgrind(context, outcome, sets)
}

/// The loop over a transducer's frames, in each of the ways to call it.
fn transducer_by_callgrind(context: &Context, outcome: &mut Outcome, sets: &[Isa]) -> Result<()> {
    // Differences of many passes, so that those in starting and loading do not count.
    let passes = context.pick(1, 20, 100, 100);
    let frames = transducer::Loops::new(context)?.frames();
    let mut rows = Vec::new();
    for isa in sets.iter().filter(|isa| isa.is_available()) {
        let mut first = None;
        for name in transducer::NAMES {
            let strategy = format!("{}{name}", transducer::PREFIX);
            let [one, many] = [1, 1 + passes].map(|passes| instructions(context, *isa, &strategy, passes));
            let frame = (many? - one?) / (passes * frames) as f64;
            let base = *first.get_or_insert(frame);
            rows.push(vec![Cell::from(isa.name()), name.into(), frame.into(), (frame / base).into()]);
        }
    }
    let columns = ["instruction set", "called by", "instructions a frame", "to the loop by type"];
    let title =
        format!("The loop of a transducer, network `commands`, counted by callgrind, {frames} frames");
    outcome.table(&title, &columns, rows);
    Ok(())
}

/// The instructions of a process that runs so many passes.
fn instructions(context: &Context, isa: Isa, strategy: &str, passes: usize) -> Result<f64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(&context.program)
        .args(["lab", "child", "--model", &context.model, "--clips"])
        .arg(&context.clips)
        .args(["decode", "--strategy", strategy])
        .args(["--passes", &passes.to_string()])
        .env(ISA_VARIABLE, isa.name());
    let messages = process::run(&mut command)?.messages;
    collected(&messages).with_context(|| format!("callgrind did not say what it counted: {messages}"))
}

/// The number in callgrind's line `Collected : 123`.
fn collected(text: &str) -> Option<f64> {
    let (_, rest) = text.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The work of the process: see the experiment's method.
///
/// # Errors
/// If there is no such strategy or no model.
pub fn child(context: &Context, strategy: &str, passes: usize) -> Result<()> {
    if let Some(name) = strategy.strip_prefix(transducer::PREFIX) {
        let mut pass = transducer::Loops::new(context)?.named(name)?;
        (0..passes).for_each(|_| pass());
        return Ok(());
    }
    match strategy {
        "type" => decode::<AttentionGreedy>(context, passes),
        "trait" => decode::<ByTrait>(context, passes),
        "enum" => decode::<ByEnum>(context, passes),
        _ => bail!("strategies: {}", STRATEGIES.join(", ")),
    }
}

fn decode<S: DecodeStrategy>(context: &Context, passes: usize) -> Result<()> {
    let samples = short_clip(context)?;
    let files = manager::fetch(&context.model)?;
    let (model, _) = families::prepare_moonshine::<S>(&files, Precision::Int8, &mut |_| {})?;
    let mut parts = Passes::new(&model);
    (0..passes).for_each(|_| drop(parts.run(&samples, Stopwatch::Wall)));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn callgrind_is_understood() {
        assert_eq!(
            super::collected("==1== Events    : Ir\n==1== Collected : 123456\n==1==\n"),
            Some(123_456.0)
        );
        assert_eq!(super::collected("nothing"), None);
    }
}
