//! Attention against `f64`, and the promise that a query's result depends on nothing but itself.

mod support;

use support::{Random, on_every_instruction_set, size};
use voxlane_kernels::attention::{self, CacheShape, KeyValue, KeyValueMut, Visible, capacity_for};
use voxlane_kernels::rows::{Rows, RowsMut};

const SCALE: f32 = 0.3;

/// Queries, keys and values of one call, with the caches filled behind the used positions by what must not matter.
struct Case {
    heads: usize,
    head_dim: usize,
    capacity: usize,
    queries: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

fn shape(heads: usize, head_dim: usize, capacity: usize) -> CacheShape {
    CacheShape::new(heads, head_dim, capacity).unwrap()
}

impl Case {
    fn new(seed: u64, heads: usize, head_dim: usize, positions: usize, queries: usize, behind: f32) -> Case {
        let mut random = Random(seed);
        let (width, capacity) = (heads * head_dim, capacity_for(positions) + 16);
        let (q, k) = (random.vector(queries * width, 2.0), random.vector(positions * width, 2.0));
        let v = random.vector(positions * width, 2.0);
        let mut keys = vec![behind; width * capacity];
        let mut values = keys.clone();
        let kv = KeyValueMut::new(&mut keys, &mut values, shape(heads, head_dim, capacity));
        attention::store(Rows::dense(&k, width), Rows::dense(&v, width), 0, kv);
        Case { heads, head_dim, capacity, queries, q, k, v, keys, values }
    }

    fn width(&self) -> usize {
        self.heads * self.head_dim
    }

    fn kv(&self) -> KeyValue<'_> {
        let Case { heads, head_dim, capacity, ref keys, ref values, .. } = *self;
        KeyValue::new(keys, values, shape(heads, head_dim, capacity))
    }

    /// Queries `first .. first + count` in one call.
    fn run(&self, first: usize, count: usize, visible: Visible) -> Vec<f32> {
        let mut out = vec![f32::NAN; count * self.width()];
        let q = Rows::dense(&self.q, self.width()).range(first, count);
        attention::attention(q, &self.kv(), visible, SCALE, RowsMut::dense(&mut out, self.width()));
        out
    }

    fn oracle(&self, visible: Visible) -> Vec<f64> {
        let width = self.width();
        let mut out = vec![0.0; self.queries * width];
        for i in 0..self.queries {
            for h in 0..self.heads {
                let at = |x: &[f32], row: usize, d: usize| f64::from(x[row * width + h * self.head_dim + d]);
                let n = visible.keys(i);
                let score = |j: usize| -> f64 {
                    let product: f64 =
                        (0..self.head_dim).map(|d| at(&self.q, i, d) * at(&self.k, j, d)).sum();
                    product * f64::from(SCALE)
                };
                let scores: Vec<f64> = (0..n).map(score).collect();
                let peak = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let weights: Vec<f64> = scores.iter().map(|x| (x - peak).exp()).collect();
                let total: f64 = weights.iter().sum();
                for d in 0..self.head_dim {
                    let sum: f64 = (0..n).map(|j| weights[j] * at(&self.v, j, d)).sum();
                    out[i * width + h * self.head_dim + d] = if n == 0 { 0.0 } else { sum / total };
                }
            }
        }
        out
    }
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

on_every_instruction_set! {
    fn equals_the_oracle() {
        // (heads, head_dim, keys, queries): odd ones, a cut block, and the shape of Moonshine.
        let shapes = [(1, 1, 1, 1), (2, 36, 7, 5), (3, 20, 33, 4), (1, 64, 300, 13), (2, 36, 530, 7), (1, 130, 40, 2)];
        for (n, &(heads, head_dim, keys, queries)) in shapes.iter().enumerate() {
            let keys = size(keys, keys.min(20));
            let case = Case::new(n as u64, heads, head_dim, keys, queries, f32::NAN);
            let visible = Visible::All(keys);
            support::assert_close(&case.run(0, queries, visible), &case.oracle(visible), 3e-6, 3e-6);
            let visible = Visible::Causal { first: keys.saturating_sub(queries - 1) };
            if visible.keys(queries - 1) <= keys {
                support::assert_close(&case.run(0, queries, visible), &case.oracle(visible), 3e-6, 3e-6);
            }
        }
    }

    fn a_query_does_not_depend_on_the_others() {
        let (keys, queries) = (size(290, 18), size(29, 3));
        let cases = [(size(36, 6), f32::NAN), (64, f32::INFINITY)];
        for (head_dim, behind) in cases.into_iter().take(size(2, 1)) {
            let case = Case::new(9, 2, head_dim, keys, queries, behind);
            let width = case.width();
            let all = case.run(0, queries, Visible::All(keys));
            let first = keys - queries + 1;
            let causal = case.run(0, queries, Visible::Causal { first });
            for i in 0..queries {
                let alone = case.run(i, 1, Visible::All(keys));
                assert_eq!(bits(&alone), bits(&all[i * width..][..width]), "query {i} of {queries}");
                let alone = case.run(i, 1, Visible::All(first + i));
                assert_eq!(bits(&alone), bits(&causal[i * width..][..width]), "causal query {i} of {queries}");
            }
            for count in 1..queries {
                let some = case.run(queries - count, count, Visible::All(keys));
                assert_eq!(bits(&some), bits(&all[(queries - count) * width..]), "the last {count}");
            }
        }
    }

    fn half_precision_caches_give_what_their_rounded_numbers_give() {
        let (heads, head_dim, queries) = (2, 36, 7);
        let keys = size(290, 20);
        let case = Case::new(8, heads, head_dim, keys, queries, 0.0);
        let len = case.keys.len();
        let (mut half_keys, mut half_values) = (vec![0; len], vec![0; len]);
        let kv = KeyValueMut::new(&mut half_keys, &mut half_values, shape(heads, head_dim, case.capacity));
        attention::store_f16(Rows::dense(&case.k, case.width()), Rows::dense(&case.v, case.width()), 0, kv);
        let mut rounded = Case::new(8, heads, head_dim, keys, queries, 0.0);
        rounded.keys = half_keys.iter().map(|&bits| half::f16::from_bits(bits).to_f32()).collect();
        rounded.values = half_values.iter().map(|&bits| half::f16::from_bits(bits).to_f32()).collect();
        let kv = KeyValue::new(&half_keys[..], &half_values[..], shape(heads, head_dim, case.capacity));
        for count in [1, queries] {
            let mut out = vec![0.0; count * case.width()];
            let q = Rows::dense(&case.q, case.width()).range(0, count);
            attention::attention_f16(q, &kv, Visible::All(keys), SCALE, RowsMut::dense(&mut out, case.width()));
            assert_eq!(bits(&out), bits(&rounded.run(0, count, Visible::All(keys))));
            support::assert_close(&out, &case.oracle(Visible::All(keys))[..out.len()], 2e-2, 0.0);
            let (mut ours, mut theirs) = (vec![0.0; keys], vec![0.0; keys]);
            attention::weights_f16(&case.q[..head_dim], &kv, 0, SCALE, &mut ours);
            attention::weights(&case.q[..head_dim], &rounded.kv(), 0, SCALE, &mut theirs);
            assert_eq!(bits(&ours), bits(&theirs));
        }
    }

    fn later_keys_of_a_call_do_not_reach_earlier_queries() {
        // The keys and values that only later queries see are not even finite.
        let case = Case::new(3, 1, 36, 20, 8, 0.0);
        let mut spoiled = Case::new(3, 1, 36, 20, 8, 0.0);
        let first = 12;
        for d in 0..36 {
            spoiled.keys[d * spoiled.capacity + 16] = f32::NAN;
            spoiled.values[16 * 36 + d] = f32::INFINITY;
        }
        let visible = Visible::Causal { first };
        let (a, b) = (case.run(0, 8, visible), spoiled.run(0, 8, visible));
        // Query i sees 12 + i keys: the one at position 16 from i = 5 on.
        assert_eq!(bits(&a[..5 * 36]), bits(&b[..5 * 36]));
        assert!(b[5 * 36..].iter().all(|x| x.is_nan()));
    }

    fn a_query_that_sees_nothing_is_zero() {
        let case = Case::new(4, 2, 12, 5, 3, f32::NAN);
        let out = case.run(0, 3, Visible::Causal { first: 0 });
        assert!(out[..24].iter().all(|&x| x == 0.0));
        // One key: its value, whatever the score.
        support::assert_close(&out[24..48], &case.v[..24].iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), 0.0, 1e-6);
    }

    fn weights_are_those_that_the_values_are_added_up_with() {
        // Values that are one for a single key give the weight of that key.
        let (heads, head_dim, queries) = (2, 36, 3);
        for keys in [1, 17, size(530, 20)] {
            let mut case = Case::new(11, heads, head_dim, keys, queries, f32::NAN);
            let mut weights = vec![f32::NAN; keys];
            let query = &case.q[case.width() + head_dim..][..head_dim];
            attention::weights(query, &case.kv(), 1, SCALE, &mut weights);
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            for key in (0..keys).step_by(size(37, 7)) {
                case.v.iter_mut().enumerate().for_each(|(i, v)| *v = f32::from(i / (heads * head_dim) == key));
                let expected = case.oracle(Visible::All(keys))[case.width() + head_dim];
                support::assert_close(&weights[key..=key], &[expected], 3e-6, 3e-6);
            }
        }
    }

    fn rising_scores_over_many_blocks() {
        // The running maximum changes in every block, and early weights vanish.
        let keys = size(800, 40);
        let mut case = Case::new(5, 1, 8, keys, 2, 0.0);
        for j in 0..keys {
            for d in 0..8 {
                case.k[j * 8 + d] = case.q[d].signum() * j as f32 / 50.0;
                case.keys[d * case.capacity + j] = case.k[j * 8 + d];
            }
        }
        let visible = Visible::All(keys);
        support::assert_close(&case.run(0, 2, visible), &case.oracle(visible), 2e-5, 2e-5);
    }
}

#[test]
fn storing_in_pieces_equals_storing_at_once() {
    let (heads, head_dim, positions) = (3, 10, 37);
    let case = Case::new(6, heads, head_dim, positions, 1, 0.0);
    let width = case.width();
    let (mut keys, mut values) = (vec![0.0; case.keys.len()], vec![0.0; case.values.len()]);
    let mut position = 0;
    for count in [1, 17, 2, 16, 1] {
        let kv = KeyValueMut::new(&mut keys, &mut values, shape(heads, head_dim, case.capacity));
        let rows = |x| Rows::dense(x, width).range(position, count);
        attention::store(rows(&case.k), rows(&case.v), position, kv);
        position += count;
    }
    assert_eq!(position, positions);
    assert_eq!((keys, values), (case.keys, case.values));
}
