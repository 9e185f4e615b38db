//! Conversions, over every 16-bit number.

mod support;

use support::{Random, on_every_instruction_set, size};
use voxlane_kernels::convert;

/// Every 16-bit pattern; a part of them under miri.
fn patterns() -> Vec<u16> {
    (0..=u16::MAX).step_by(size(1, 997)).collect()
}

/// The value of binary16 bits by its definition.
fn f16_value(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    sign * match exponent {
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        0 => fraction * power_of_two(-14),
        _ => (1.0 + fraction) * power_of_two(exponent - 15),
    }
}

/// Exact, which `powi` need not be (and is not under miri).
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// The pattern of the nearest of `candidates` around `guess`, ties to the even one.
fn nearest(x: f64, guess: u16, value: fn(u16) -> f64) -> u16 {
    let distance = |bits: u16| (value(bits) - x).abs();
    (guess.saturating_sub(2)..=guess + 2)
        .min_by(|&a, &b| distance(a).total_cmp(&distance(b)).then((a & 1).cmp(&(b & 1))))
        .expect("five candidates")
}

on_every_instruction_set! {
    fn samples_survive_the_round_trip() {
        let x: Vec<i16> = patterns().iter().map(|&x| x as i16).collect();
        let mut floats = vec![0.0; x.len()];
        convert::i16_to_f32(&x, &mut floats);
        assert!(x.iter().zip(&floats).all(|(&x, &f)| f == f32::from(x) / 32768.0));
        let mut back = vec![0; x.len()];
        convert::f32_to_i16(&floats, &mut back);
        assert_eq!(back, x);
    }

    fn samples_are_rounded_and_held_in_range() {
        let x = [2.0, -2.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5 / 32768.0, 1.5 / 32768.0, -1.5 / 32768.0, 0.99999];
        let mut y = [7; 9];
        convert::f32_to_i16(&x, &mut y);
        assert_eq!(y, [32767, -32768, 0, 32767, -32768, 0, 2, -2, 32767]);
    }

    fn halves_survive_the_round_trip() {
        let x = patterns();
        let floats: Vec<f32> = x.iter().map(|&bits| f16_value(bits) as f32).collect();
        let mut back = vec![0; x.len()];
        convert::f32_to_f16(&floats, &mut back);
        for (&bits, &back) in x.iter().zip(&back) {
            assert!(bits == back || f16_value(bits).is_nan() && f16_value(back).is_nan(), "{bits:#x}");
        }
    }

    fn narrowing_rounds_to_nearest_even() {
        let mut random = Random(5);
        // Halfway between neighbors, just beside it, and anywhere, subnormal numbers included.
        let mut x = Vec::new();
        for _ in 0..size(20_000, 20) {
            let bits = (random.next() % 0x7bff) as u16;
            let half = ((f16_value(bits) + f16_value(bits + 1)) / 2.0) as f32;
            x.extend([half, half.next_up(), half.next_down(), f16_value(bits) as f32 * (1.0 + random.f32(1e-3))]);
        }
        let mut f16 = vec![0; x.len()];
        convert::f32_to_f16(&x, &mut f16);
        for i in 0..x.len() {
            let wide = f64::from(x[i]);
            // Beyond the largest finite number, half a step on rounds to infinity.
            if wide < 65519.0 {
                assert_eq!(f16[i], nearest(wide, f16[i], f16_value), "{wide:e}");
            }
        }
        let mut edges = [0; 4];
        convert::f32_to_f16(&[65519.9, 65520.0, 1e30, -1e30], &mut edges);
        assert_eq!(edges, [0x7bff, 0x7c00, 0x7c00, 0xfc00]);
    }

    fn every_length_and_offset() {
        let x = Random(2).vector(70, 3.0);
        let mut whole = vec![0; 70];
        convert::f32_to_f16(&x, &mut whole);
        for start in 0..3 {
            for len in (0..60).step_by(size(1, 17)) {
                let mut part = vec![9; len];
                convert::f32_to_f16(&x[start..start + len], &mut part);
                assert_eq!(part, whole[start..start + len]);
                assert!(part.iter().zip(&x[start..]).all(|(&b, &x)| (f16_value(b) - f64::from(x)).abs() < 2e-3));
            }
        }
    }
}
