//! Matrix products at the layer shapes of our models, beside the machine's ceilings and the `gemm` crate,
//! measured in one run on one core, in interleaved rounds.
//!
//! `cargo bench -p voxlane-bench --bench gemm [-- WORD]`, where WORD picks the tables whose name holds it.
#![allow(clippy::print_stdout, reason = "a bench reports on stdout")]

use std::hint::black_box;
use voxlane_bench::ceiling::{self, Ceilings, read_bandwidth};
use voxlane_bench::timing::medians;
use voxlane_kernels::argmax::argmax;
use voxlane_kernels::gemm::i8::{PackedMut, QuantizedRows, quantize_rows};
use voxlane_kernels::gemm::{self, Epilogue};
use voxlane_kernels::projection::{self, PanelBound, ShortList};
use voxlane_kernels::rows::{Rows, RowsMut};

/// Rows of a 10 s utterance after the convolutions of Moonshine.
const ROWS: usize = 415;
/// What the layers of Moonshine tiny multiply by: outputs, inputs.
const LAYERS: [(usize, usize); 8] =
    [(288, 288), (864, 288), (1152, 288), (288, 1152), (2304, 288), (576, 2016), (288, 1728), (288, 127)];

/// Prints one table.
type Table = fn(&Ceilings);

fn main() {
    let word = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let ceilings = ceiling::measure();
    println!("ceilings: f32 {:.0} GFLOP/s, i8 {:.0} GOP/s", ceilings.f32_gflops, ceilings.i8_gops);
    for (name, bytes) in
        [("256 KiB", 256 << 10), ("512 KiB", 512 << 10), ("8 MiB", 8 << 20), ("256 MiB", 256 << 20)]
    {
        println!("read {name:>8}: {:6.1} GB/s", read_bandwidth(bytes) / 1e9);
    }
    let tables: [(&str, Table); 5] = [
        ("f32-layers", f32_layers),
        ("f32-few-rows", f32_few_rows),
        ("i8-layers", i8_layers),
        ("i8-few-rows", i8_few_rows),
        ("projection", projection),
    ];
    for (name, table) in tables {
        if name.contains(&word) {
            println!("\n{name}");
            table(&ceilings);
        }
    }
}

/// Values in -1..1.
fn noise(len: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        })
        .collect()
}

/// One product by the `gemm` crate, `w` as `[inputs][outputs]` (row-major) or `[outputs][inputs]`.
fn rival(
    rows: usize,
    outputs: usize,
    inputs: usize,
    a: &[f32],
    w: &[f32],
    transposed: bool,
    out: &mut [f32],
) {
    assert!(a.len() >= rows * inputs && w.len() >= outputs * inputs && out.len() >= rows * outputs);
    let (column, row) = if transposed { (1, outputs as isize) } else { (inputs as isize, 1) };
    // SAFETY: the sizes were checked; the strides describe dense matrices of these sizes.
    unsafe {
        ::gemm::gemm(
            rows,
            outputs,
            inputs,
            out.as_mut_ptr(),
            1,
            outputs as isize,
            false,
            a.as_ptr(),
            1,
            inputs as isize,
            w.as_ptr(),
            column,
            row,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            ::gemm::Parallelism::None,
        );
    }
}

struct F32Case {
    rows: usize,
    outputs: usize,
    inputs: usize,
    a: Vec<f32>,
    w: Vec<f32>,
    packed: Vec<f32>,
    out: Vec<f32>,
}

impl F32Case {
    fn new(rows: usize, outputs: usize, inputs: usize) -> Self {
        let w = noise(outputs * inputs);
        let mut packed = vec![0.0; gemm::f32::packed_len(outputs, inputs)];
        gemm::f32::pack(&w, outputs, inputs, &mut packed);
        Self { rows, outputs, inputs, a: noise(rows * inputs), w, packed, out: vec![0.0; rows * outputs] }
    }

    fn operations(&self) -> f64 {
        2.0 * (self.rows * self.outputs * self.inputs) as f64
    }

    fn ours(&self, out: &mut [f32]) {
        gemm::f32::gemm(
            black_box(Rows::dense(&self.a, self.inputs)),
            &gemm::f32::Packed::new(&self.packed, self.outputs, self.inputs),
            &Epilogue::default(),
            RowsMut::dense(out, self.outputs),
        );
    }
}

fn f32_layers(ceilings: &Ceilings) {
    println!("{:>5} {:>12} {:>9} {:>8} {:>9} {:>6}", "rows", "shape", "GFLOP/s", "of peak", "crate", "ratio");
    for (outputs, inputs) in LAYERS {
        for rows in [16, 64, ROWS] {
            let case = F32Case::new(rows, outputs, inputs);
            let (mut out, mut first, mut second) = (case.out.clone(), case.out.clone(), case.out.clone());
            let times = medians(
                &mut [
                    &mut || case.ours(&mut out),
                    &mut || rival(rows, outputs, inputs, &case.a, &case.w, false, &mut first),
                    &mut || rival(rows, outputs, inputs, &case.a, &case.w, true, &mut second),
                ],
                0.3,
            );
            let best = times[1].min(times[2]);
            let rate = |seconds: f64| case.operations() / seconds / 1e9;
            println!(
                "{rows:>5} {:>12} {:>9.1} {:>7.0}% {:>9.1} {:>6.2}",
                format!("{outputs}x{inputs}"),
                rate(times[0]),
                100.0 * rate(times[0]) / ceilings.f32_gflops,
                rate(best),
                best / times[0],
            );
        }
    }
}

fn f32_few_rows(_: &Ceilings) {
    println!("{:>5} {:>12} {:>9} {:>9} {:>9} {:>9}", "rows", "shape", "µs", "GB/s", "of reads", "vs crate");
    for (outputs, inputs) in LAYERS.into_iter().chain([(2304, 2304), (32768, 288)]) {
        for rows in [1, 2, 4, 8, 24] {
            let case = F32Case::new(rows, outputs, inputs);
            let (mut out, mut first, mut second) = (case.out.clone(), case.out.clone(), case.out.clone());
            let times = medians(
                &mut [
                    &mut || case.ours(&mut out),
                    &mut || rival(rows, outputs, inputs, &case.a, &case.w, false, &mut first),
                    &mut || rival(rows, outputs, inputs, &case.a, &case.w, true, &mut second),
                ],
                0.15,
            );
            let reads = medians(&mut [&mut || case.ours(&mut out), &mut || ceiling::read(&case.packed)], 0.1);
            println!(
                "{rows:>5} {:>12} {:>9.1} {:>9.1} {:>8.0}% {:>8.2}x",
                format!("{outputs}x{inputs}"),
                reads[0] * 1e6,
                (4 * outputs * inputs) as f64 / reads[0] / 1e9,
                100.0 * reads[1] / reads[0],
                times[1].min(times[2]) / times[0],
            );
        }
    }
}

struct I8Case {
    f32: F32Case,
    panels: Vec<i8>,
    scales: Vec<f32>,
    corrections: Vec<i32>,
    data: Vec<u8>,
    row_scales: Vec<f32>,
}

impl I8Case {
    fn new(rows: usize, outputs: usize, inputs: usize) -> Self {
        let f32 = F32Case::new(rows, outputs, inputs);
        let mut panels = vec![0; gemm::i8::packed_len(outputs, inputs)];
        let mut scales = vec![0.0; gemm::i8::scales_len(outputs)];
        let mut corrections = vec![0; gemm::i8::scales_len(outputs)];
        let mut packed =
            PackedMut { panels: &mut panels, scales: &mut scales, corrections: &mut corrections };
        gemm::i8::pack(&f32.w, outputs, inputs, &mut packed);
        let (data, row_scales) = (vec![0; rows * gemm::i8::row_len(inputs)], vec![0.0; rows]);
        Self { f32, panels, scales, corrections, data, row_scales }
    }

    fn ours(&self, a: &QuantizedRows<'_>, out: &mut [f32]) {
        let &F32Case { outputs, inputs, .. } = &self.f32;
        let w = gemm::i8::Packed::new(&self.panels, &self.scales, &self.corrections, outputs, inputs);
        gemm::i8::gemm(black_box(a), &w, &Epilogue::default(), RowsMut::dense(out, outputs));
    }

    /// Seconds of the 8-bit product and of reading its weights.
    fn beside_reads(&self, budget: f64) -> [f64; 2] {
        let F32Case { inputs, .. } = self.f32;
        let (mut data, mut row_scales) = (self.data.clone(), self.row_scales.clone());
        let mut out = self.f32.out.clone();
        let a = quantize_rows(Rows::dense(&self.f32.a, inputs), inputs, &mut data, &mut row_scales);
        let times =
            medians(&mut [&mut || self.ours(&a, &mut out), &mut || ceiling::read(&self.panels)], budget);
        [times[0], times[1]]
    }

    /// Seconds of the 8-bit product, of the quantization of its rows, and of the f32 product.
    fn times(&mut self, budget: f64) -> [f64; 3] {
        let F32Case { inputs, .. } = self.f32;
        let (mut data, mut row_scales) = (self.data.clone(), self.row_scales.clone());
        let (mut out, mut f32_out) = (self.f32.out.clone(), self.f32.out.clone());
        let mut again = (self.data.clone(), self.row_scales.clone());
        let x = Rows::dense(&self.f32.a, inputs);
        let a = quantize_rows(x, inputs, &mut data, &mut row_scales);
        let times = medians(
            &mut [
                &mut || self.ours(&a, &mut out),
                &mut || {
                    black_box(quantize_rows(black_box(x), inputs, &mut again.0, &mut again.1));
                },
                &mut || self.f32.ours(&mut f32_out),
            ],
            budget,
        );
        [times[0], times[1], times[2]]
    }
}

fn i8_layers(ceilings: &Ceilings) {
    println!(
        "{:>5} {:>12} {:>9} {:>8} {:>9} {:>9} {:>12}",
        "rows", "shape", "GOP/s", "of peak", "quantize", "vs f32", "with quant."
    );
    for (outputs, inputs) in LAYERS {
        for rows in [16, 64, ROWS] {
            let mut case = I8Case::new(rows, outputs, inputs);
            let [product, quantize, f32] = case.times(0.3);
            let rate = case.f32.operations() / product / 1e9;
            println!(
                "{rows:>5} {:>12} {rate:>9.1} {:>7.0}% {:>8.0}% {:>8.2}x {:>11.2}x",
                format!("{outputs}x{inputs}"),
                100.0 * rate / ceilings.i8_gops,
                100.0 * quantize / product,
                f32 / product,
                f32 / (product + quantize),
            );
        }
    }
}

fn i8_few_rows(_: &Ceilings) {
    println!("{:>5} {:>12} {:>9} {:>9} {:>9} {:>9}", "rows", "shape", "µs", "GB/s", "of reads", "vs f32");
    for (outputs, inputs) in LAYERS.into_iter().chain([(2304, 2304), (32768, 288)]) {
        for rows in [1, 2, 4, 8, 24] {
            let mut case = I8Case::new(rows, outputs, inputs);
            // Apart, because the f32 weights would push the others out of the cache.
            let [product, read] = case.beside_reads(0.1);
            let [alone, _, f32] = case.times(0.1);
            println!(
                "{rows:>5} {:>12} {:>9.2} {:>9.1} {:>8.0}% {:>8.2}x",
                format!("{outputs}x{inputs}"),
                product * 1e6,
                case.panels.len() as f64 / product / 1e9,
                100.0 * read / product,
                f32 / alone,
            );
        }
    }
}

/// The output projection of Moonshine for one row, each way beside reading the bytes that it has to.
fn projection(_: &Ceilings) {
    let (outputs, inputs) = (32768, 288);
    let case = I8Case::new(1, outputs, inputs);
    let exact = gemm::f32::Packed::new(&case.f32.packed, outputs, inputs);
    let coarse = gemm::i8::Packed::new(&case.panels, &case.scales, &case.corrections, outputs, inputs);
    let mut bounds = vec![PanelBound::default(); projection::bounds_len(outputs)];
    let mut sixes = vec![0; gemm::i6::packed_len(outputs, inputs)];
    let (mut scales, mut corrections) = (case.scales.clone(), case.corrections.clone());
    let mut packed =
        gemm::i6::PackedMut { panels: &mut sixes, scales: &mut scales, corrections: &mut corrections };
    gemm::i6::pack(&case.f32.w, outputs, inputs, &mut packed);
    let sixes_packed = gemm::i6::Packed::new(&sixes, &scales, &corrections, outputs, inputs);
    projection::bound(&exact, &sixes_packed, &mut bounds);
    let list = ShortList::new(exact, &bounds);
    // A hidden state half of which points to one output.
    let hidden: Vec<f32> =
        case.f32.w[..inputs].iter().zip(&case.f32.a[..inputs]).map(|(w, a)| w + 0.5 * a).collect();
    let rows = Rows::one(&hidden);
    let (mut data, mut row_scales) = (case.data.clone(), case.row_scales.clone());
    let a = quantize_rows(rows, inputs, &mut data, &mut row_scales);
    let (mut scores, mut peaks, mut listed) =
        (vec![0.0; outputs], vec![0.0; projection::bounds_len(outputs)], 0);
    let (mut f32_logits, mut i8_logits) = (vec![0.0; outputs], vec![0.0; outputs]);
    // Each beside its own reads only: together they would push one another out of the cache.
    let f32 = medians(
        &mut [
            &mut || {
                let out = RowsMut::one(&mut f32_logits);
                gemm::f32::gemm(black_box(rows), &exact, &Epilogue::default(), out);
                black_box(argmax(&f32_logits));
            },
            &mut || ceiling::read(&case.f32.packed),
        ],
        0.3,
    );
    let i8 = medians(
        &mut [
            &mut || {
                gemm::i8::gemm(black_box(&a), &coarse, &Epilogue::default(), RowsMut::one(&mut i8_logits));
                black_box(argmax(&i8_logits));
            },
            &mut || ceiling::read(&case.panels),
        ],
        0.3,
    );
    let short = medians(
        &mut [
            &mut || {
                gemm::i6::gemm(&a, &sixes_packed, &Epilogue::default(), RowsMut::one(&mut scores));
                listed = projection::rescore(&hidden, &a, &list, &mut scores, &mut peaks).panels;
            },
            &mut || ceiling::read(&sixes),
        ],
        0.3,
    );
    println!("{:>12} {:>9} {:>9}", "", "µs", "of reads");
    for (name, times) in [("f32", f32), ("i8", i8), ("short list", short)] {
        println!("{name:>12} {:>9.1} {:>8.0}%", times[0] * 1e6, 100.0 * times[1] / times[0]);
    }
    println!("panels scored exactly: {listed} of {}", projection::bounds_len(outputs));
}
