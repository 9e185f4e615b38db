//! Conversions, over every 16-bit number.

mod support;

use support::{Random, on_every_instruction_set, size};

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

fn bf16_value(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

on_every_instruction_set! {
    fn samples_survive_the_round_trip(table: &Table) {
        let x: Vec<i16> = patterns().iter().map(|&x| x as i16).collect();
        let mut floats = vec![0.0; x.len()];
        (table.i16_to_f32)(&x, &mut floats);
        assert!(x.iter().zip(&floats).all(|(&x, &f)| f == f32::from(x) / 32768.0));
        let mut back = vec![0; x.len()];
        (table.f32_to_i16)(&floats, &mut back);
        assert_eq!(back, x);
    }

    fn samples_are_rounded_and_held_in_range(table: &Table) {
        let x = [2.0, -2.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5 / 32768.0, 1.5 / 32768.0, -1.5 / 32768.0, 0.99999];
        let mut y = [7; 9];
        (table.f32_to_i16)(&x, &mut y);
        assert_eq!(y, [32767, -32768, 0, 32767, -32768, 0, 2, -2, 32767]);
    }

    fn halves_widen_exactly_and_survive_the_round_trip(table: &Table) {
        let x = patterns();
        for (widen, narrow, value) in [
            (table.f16_to_f32, table.f32_to_f16, f16_value as fn(u16) -> f64),
            (table.bf16_to_f32, table.f32_to_bf16, bf16_value),
        ] {
            let mut floats = vec![0.0; x.len()];
            widen(&x, &mut floats);
            let mut back = vec![0; x.len()];
            narrow(&floats, &mut back);
            for ((&bits, &float), &back) in x.iter().zip(&floats).zip(&back) {
                let expected = value(bits);
                if expected.is_nan() {
                    assert!(float.is_nan() && value(back).is_nan(), "{bits:#x}");
                } else {
                    assert_eq!((f64::from(float).to_bits(), back), (expected.to_bits(), bits), "{bits:#x}");
                }
            }
        }
    }

    fn narrowing_rounds_to_nearest_even(table: &Table) {
        let mut random = Random(5);
        // Halfway between neighbours, just beside it, and anywhere, subnormal numbers included.
        let mut x = Vec::new();
        for _ in 0..size(20_000, 20) {
            let bits = (random.next() % 0x7bff) as u16;
            let half = ((f16_value(bits) + f16_value(bits + 1)) / 2.0) as f32;
            x.extend([half, half.next_up(), half.next_down(), f16_value(bits) as f32 * (1.0 + random.f32(1e-3))]);
        }
        let (mut f16, mut bf16) = (vec![0; x.len()], vec![0; x.len()]);
        (table.f32_to_f16)(&x, &mut f16);
        (table.f32_to_bf16)(&x, &mut bf16);
        for i in 0..x.len() {
            let wide = f64::from(x[i]);
            // Beyond the largest finite number, half a step on rounds to infinity.
            if wide < 65519.0 {
                assert_eq!(f16[i], nearest(wide, f16[i], f16_value), "{wide:e}");
            }
            assert_eq!(bf16[i], nearest(wide, (x[i].to_bits() >> 16) as u16, bf16_value), "{wide:e}");
        }
        let mut edges = [0; 4];
        (table.f32_to_f16)(&[65519.9, 65520.0, 1e30, -1e30], &mut edges);
        assert_eq!(edges, [0x7bff, 0x7c00, 0x7c00, 0xfc00]);
    }

    fn every_length_and_offset(table: &Table) {
        let x = Random(2).vector(70, 3.0);
        let mut whole = vec![0; 70];
        (table.f32_to_f16)(&x, &mut whole);
        for start in 0..3 {
            for len in (0..60).step_by(size(1, 17)) {
                let mut part = vec![9; len];
                (table.f32_to_f16)(&x[start..start + len], &mut part);
                assert_eq!(part, whole[start..start + len]);
                let mut back = vec![0.0; len];
                (table.f16_to_f32)(&part, &mut back);
                assert!(back.iter().zip(&x[start..]).all(|(b, x)| (b - x).abs() < 2e-3));
            }
        }
    }
}
