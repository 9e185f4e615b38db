//! The kernels: each instruction set beside the plain loop, each precision beside f32.

use super::context::Context;
use super::distribution::SEED;
use super::experiment::Experiment;
use super::outcome::{Cell, Outcome, Role};
use super::pin::on_core;
use super::timing::{Contender, rounds};
use crate::bootstrap::{SplitMix, median_interval};
use anyhow::Result;
use std::hint::black_box;
use voxlane_kernels::gemm::{self, Epilogue};
use voxlane_kernels::isa::{self, Isa};
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::{activation, argmax, convert, norm};
use voxlane_models::arena::Arena;
use voxlane_models::layers::linear::{Linear, Precision, Then};

pub const EXPERIMENT: Experiment = Experiment {
    name: "kernels",
    title: "Precisions and kernels",
    method: "The operations that a pass consists of, at the sizes of Moonshine tiny, on one core, with data in the cache. First each \
             operation by each instruction set this machine has, beside a plain loop where there is one; scalar is plain Rust for the target's \
             baseline. Then linear layers in each precision: int8 contains the rounding of its inputs. One row is a decoded token \
             and is bound by reading weights; 415 rows are ten seconds in the encoder and are bound by arithmetic. The contenders take turns in \
             every round; ratios are of the same round. The full tables, beside other libraries and the machine's ceilings, are those of cargo bench -p \
             voxlane-bench.",
    needs_model: false,
    run,
};

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    on_core(context.measured_core(), || {
        let own = isa::active();
        operations(context, outcome);
        products_by_isa(context, outcome);
        isa::select(own)?;
        products_by_precision(context, outcome);
        Ok(())
    })
}

/// The instruction sets that this process can use.
fn instruction_sets() -> impl Iterator<Item = Isa> {
    Isa::available().filter(|isa| isa::select(*isa).is_ok())
}

/// `work` on `isa`: the others take turns with it.
fn on<'a>(isa: Isa, mut work: impl FnMut() + 'a) -> Contender<'a> {
    let work = move || {
        isa::select(isa).expect("an instruction set that can be used");
        work();
    };
    (isa.name(), Box::new(work))
}

/// Values in -1..1.
fn noise(len: usize) -> Vec<f32> {
    let mut random = SplitMix(7);
    (0..len).map(|_| (random.bits() >> 40) as f32 / (1u32 << 23) as f32 - 1.0).collect()
}

fn round_count(context: &Context) -> usize {
    context.pick(5, 31, 301, 2_001)
}

/// The contenders' times, with the ratio to the first: one row each.
fn compare(
    context: &Context,
    what: &str,
    contenders: Vec<Contender<'_>>,
    rows: &mut Vec<Vec<Cell>>,
) -> Vec<f64> {
    let timed = rounds(contenders, round_count(context));
    let base = timed[0].1.clone();
    timed
        .iter()
        .map(|(name, seconds)| {
            let speedups: Vec<f64> = seconds.iter().zip(&base).map(|(own, base)| base / own).collect();
            let micros = median_interval(seconds, SEED).scaled(1e6);
            let speedup = median_interval(&speedups, SEED);
            rows.push(vec![what.into(), (*name).into(), micros.into(), speedup.into(), seconds.len().into()]);
            micros.estimate * 1e3
        })
        .collect()
}

const COLUMNS: [&str; 5] =
    ["operation", "by", "median (95 % interval), µs", "times as fast as the first", "rounds"];

fn operations(context: &Context, outcome: &mut Outcome) {
    let mut rows = Vec::new();
    // An activation function in place, a value at a time and by vectors.
    type Activation = (&'static str, fn(f32) -> f32, fn(&mut [f32]));
    let activations: [Activation; 3] = [
        ("tanh of 1152", f32::tanh, activation::tanh),
        ("silu of 1152", |x| x / (1.0 + (-x).exp()), activation::silu),
        (
            "gelu of 1152 (plain: tanh form)",
            |x| 0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh()),
            activation::gelu,
        ),
    ];
    for (name, plain, ours) in activations {
        let mut buffer = noise(1152);
        let mut contenders: Vec<Contender<'_>> = vec![(
            "plain loop",
            Box::new(move || black_box(&mut buffer).iter_mut().for_each(|x| *x = plain(*x))),
        )];
        for isa in instruction_sets() {
            let mut buffer = noise(1152);
            contenders.push(on(isa, move || ours(black_box(&mut buffer))));
        }
        compare(context, name, contenders, &mut rows);
    }

    let logits = noise(32_768);
    let logits = &logits[..];
    let mut contenders: Vec<Contender<'_>> = vec![(
        "plain loop",
        Box::new(move || {
            black_box(argmax::plain(black_box(logits)));
        }),
    )];
    for isa in instruction_sets() {
        let work = move || {
            black_box(argmax::argmax(black_box(logits)));
        };
        contenders.push(on(isa, work));
    }
    compare(context, "argmax of 32768", contenders, &mut rows);

    let (row, weight) = (noise(288), noise(288));
    let (row, weight) = (&row[..], &weight[..]);
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for isa in instruction_sets() {
        let mut out = vec![0.0; 288];
        let work = move || {
            norm::layer_norm(Rows::one(black_box(row)), weight, None, 1e-5, RowsMut::one(&mut out));
        };
        contenders.push(on(isa, work));
    }
    compare(context, "layer norm of 288", contenders, &mut rows);

    let samples: Vec<i16> = noise(320).iter().map(|x| (x * 32_767.0) as i16).collect();
    let samples = &samples[..];
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for isa in instruction_sets() {
        let mut out = vec![0.0; 320];
        contenders.push(on(isa, move || convert::i16_to_f32(black_box(samples), black_box(&mut out))));
    }
    compare(context, "i16 to f32, 20 ms of audio", contenders, &mut rows);
    outcome.table("Operations by instruction set", &COLUMNS, rows);
}

/// Rows, outputs, inputs.
const SHAPES: [(usize, usize, usize); 5] =
    [(1, 864, 288), (1, 2304, 288), (1, 32_768, 288), (415, 1152, 288), (415, 288, 1152)];

fn products_by_isa(context: &Context, outcome: &mut Outcome) {
    let mut rows = Vec::new();
    for (count, outputs, inputs) in [(1, 864, 288), (64, 1152, 288)] {
        let (a, weights) = (noise(count * inputs), noise(outputs * inputs));
        let mut packed = vec![0.0; gemm::f32::packed_len(outputs, inputs)];
        gemm::f32::pack(&weights, outputs, inputs, &mut packed);
        let (a, packed) = (&a[..], &packed[..]);
        let mut contenders: Vec<Contender<'_>> = Vec::new();
        for isa in instruction_sets() {
            let mut out = vec![0.0; count * outputs];
            let work = move || {
                let packed = gemm::f32::Packed::new(packed, outputs, inputs);
                let out = RowsMut::dense(&mut out, outputs);
                gemm::f32::gemm(Rows::dense(black_box(a), inputs), &packed, &Epilogue::default(), out);
            };
            contenders.push(on(isa, work));
        }
        compare(context, &format!("{count} × {inputs} by {outputs} × {inputs}, f32"), contenders, &mut rows);
    }
    outcome.table("Matrix products by instruction set", &COLUMNS, rows);
}

fn products_by_precision(context: &Context, outcome: &mut Outcome) {
    let mut rows = Vec::new();
    for (count, outputs, inputs) in SHAPES {
        let (a, weights) = (noise(count * inputs), noise(outputs * inputs));
        let a = &a[..];
        let mut contenders: Vec<Contender<'_>> = Vec::new();
        for precision in Precision::ALL {
            let layer = Linear::new(&weights, None, outputs, precision);
            let mut arena = Arena::for_lengths(&Linear::scratch_lengths(inputs, count));
            let mut out = vec![0.0; count * outputs];
            let work = move || {
                layer.apply(
                    Rows::dense(black_box(a), inputs),
                    Then::Store,
                    RowsMut::dense(&mut out, outputs),
                    &arena,
                );
                arena.reset();
            };
            contenders.push((precision.name(), Box::new(work)));
        }
        let nanos =
            compare(context, &format!("{count} × {inputs} by {outputs} × {inputs}"), contenders, &mut rows);
        for (precision, nanos) in Precision::ALL.iter().zip(nanos) {
            let operations = 2.0 * (count * outputs * inputs) as f64;
            let row = rows.len() - Precision::ALL.len()
                + Precision::ALL.iter().position(|other| other == precision).unwrap_or(0);
            rows[row].push((operations / nanos).into());
            let name = format!("kernels/{precision} {count}x{outputs}x{inputs}");
            outcome.figure(&name, Some(nanos), Role::Component);
        }
    }
    let columns: Vec<&str> = COLUMNS.into_iter().chain(["billion operations a second"]).collect();
    outcome.table("Linear layers by precision", &columns, rows);
    outcome.note(format!(
        "Linear layers ran on {}, the instruction set that this process uses.",
        isa::active().name()
    ));
}
