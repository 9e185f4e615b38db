//! Attention of an encoder (every query sees every key) and of one decode step, at Moonshine tiny's shape.

use crate::{Contender, compare, instruction_sets, noise, on};
use std::hint::black_box;
use voxlane_bench::ceiling;
use voxlane_kernels::attention::quantized::{self, BLOCK_KEYS, Cache, CacheMut, Shape};
use voxlane_kernels::attention::{self, CacheShape, KeyValue, Visible, capacity_for};
use voxlane_kernels::rows::{Rows, RowsMut};

const HEADS: usize = 8;
const HEAD_DIM: usize = 36;
const WIDTH: usize = HEADS * HEAD_DIM;
/// Positions of 10 s of audio.
const KEYS: usize = 415;

pub fn run() {
    let capacity = capacity_for(KEYS);
    let (q, keys, values) = (noise(KEYS * WIDTH), noise(WIDTH * capacity), noise(WIDTH * capacity));
    let kv =
        KeyValue::new(&keys, &values, CacheShape::new(HEADS, HEAD_DIM, capacity).expect("a small cache"));
    eight_bits(&q);
    let peak = ceiling::measure().f32_gflops;
    for (title, queries) in
        [("encoder, 415 queries", KEYS), ("draft, 8 queries", 8), ("decode step, 1 query", 1)]
    {
        let q = &q[..queries * WIDTH];
        let kv = &kv;
        let mut contenders: Vec<Contender<'_>> = Vec::new();
        for isa in instruction_sets() {
            let mut out = vec![0.0; q.len()];
            contenders.push((
                isa.name(),
                on(isa, move || {
                    let (q, out) = (Rows::dense(black_box(q), WIDTH), RowsMut::dense(&mut out, WIDTH));
                    attention::attention(q, kv, Visible::All(KEYS), 1.0 / 6.0, out);
                }),
            ));
        }
        let seconds = compare(title, contenders);
        let best = seconds[seconds.len() - 1];
        let gflops = (queries * KEYS * WIDTH * 4) as f64 / best / 1e9;
        let bandwidth = (KEYS * WIDTH * 8) as f64 / best / 1e9;
        println!(
            "{:<28}  the last: {gflops:.0} GFLOP/s, {:.2} of {peak:.0}; caches at {bandwidth:.0} GB/s",
            "",
            gflops / peak
        );
    }
}

/// The encoder's attention over keys and values of 8 bits, storing them included.
fn eight_bits(q: &[f32]) {
    let shape = Shape::new(HEADS, HEAD_DIM).expect("a shape within the limits");
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for isa in instruction_sets() {
        let mut out = vec![0.0; q.len()];
        let (mut bytes, mut scales) = (vec![0; shape.bytes_len(KEYS)], vec![0.0; shape.scales_len(KEYS)]);
        contenders.push((
            isa.name(),
            on(isa, move || {
                let rows = Rows::dense(black_box(q), WIDTH);
                for (block, first) in (0..KEYS).step_by(BLOCK_KEYS).enumerate() {
                    let part = rows.range(first, BLOCK_KEYS.min(KEYS - first));
                    let cache = CacheMut { bytes: &mut bytes, scales: &mut scales, shape };
                    quantized::store_block(part, part, block, cache);
                }
                let cache = Cache { bytes: &bytes, scales: &scales, shape, positions: KEYS };
                quantized::attention_i8(rows, &cache, 1.0 / 6.0, RowsMut::dense(&mut out, WIDTH));
            }),
        ));
    }
    compare("encoder, 415 queries, 8 bits", contenders);
}
