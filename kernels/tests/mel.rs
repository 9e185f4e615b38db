//! Spectra and log-mel features against `f64` sums written out by their definition.

mod support;

use std::f64::consts::{PI, TAU};
use support::{Random, assert_close, on_every_instruction_set, size};
use voxlane_kernels::fft::{self, Plan};
use voxlane_kernels::mel::{self, Compression, FilterBank, MelScale, Spectrogram, Triangle};
use voxlane_kernels::rows::{Rows, RowsMut};

fn power(x: &[f64]) -> Vec<f64> {
    let n = x.len();
    let bin = |k: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, x) in x.iter().enumerate() {
            let angle = TAU * (i * k % n) as f64 / n as f64;
            (re, im) = (re + x * angle.cos(), im + x * angle.sin());
        }
        re * re + im * im
    };
    (0..=n / 2).map(bin).collect()
}

fn table(size: usize) -> Vec<f32> {
    let mut table = vec![0.0; Plan::table_len(size).expect("a size that has a transform")];
    Plan::fill(size, &mut table);
    table
}

#[test]
fn sizes_without_a_transform() {
    for size in [0, 1, 3, 14, 22, 401] {
        assert_eq!(Plan::table_len(size), None, "{size}");
    }
}

/// The documented values of both scales at 1 kHz, and that each way undoes the other.
#[test]
fn mel_scales() {
    assert!((MelScale::Htk.from_hz(1000.0) - 999.985_5).abs() < 1e-3);
    assert!((MelScale::Slaney.from_hz(1000.0) - 15.0).abs() < 1e-9);
    assert!((MelScale::Slaney.from_hz(6400.0) - 42.0).abs() < 1e-9);
    for scale in [MelScale::Htk, MelScale::Slaney] {
        for hz in [0.0, 50.0, 999.0, 1000.0, 7999.0] {
            assert!((scale.to_hz(scale.from_hz(hz)) - hz).abs() < 1e-9 * hz.max(1.0));
        }
    }
}

#[test]
fn filters_of_unit_area_cover_every_frequency_between_the_corners() {
    let bank = FilterBank {
        sample_rate: 16_000.0,
        size: 400,
        mels: 40,
        min_hz: 0.0,
        max_hz: 8000.0,
        scale: MelScale::Htk,
        unit_area: false,
    };
    let (mut triangles, mut weights) = (vec![Triangle::default(); 40], vec![0.0; bank.weights_len()]);
    let used = bank.fill(&mut triangles, &mut weights);
    assert_eq!(used, triangles.iter().map(|t| t.bins).sum::<usize>());
    // Neighboring triangles with peaks of one add up to one between the first and the last peak.
    let mut sums = vec![0.0; 201];
    let mut rest = &weights[..];
    for t in &triangles {
        for (sum, weight) in sums[t.first_bin..].iter_mut().zip(&rest[..t.bins]) {
            *sum += weight;
        }
        rest = &rest[t.bins..];
    }
    assert!(sums[2..185].iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums:?}");
    assert!(sums[0] == 0.0 && sums[200] < 1e-6);
}

on_every_instruction_set! {
    fn power_spectrum() {
        let sizes: &[usize] = if cfg!(miri) { &[2, 30, 40] } else { &[2, 4, 6, 8, 10, 30, 48, 90, 256, 400, 480, 512] };
        for &n in sizes {
            for rows in [1, 3, 16, 19] {
                let x = Random(n as u64).vector(n * 2 + rows * 7, 1.0);
                let frames = Rows::new(&x, 7, rows);
                let bins = n / 2 + 1;
                let mut out = vec![5.0; rows * (bins + 1)];
                let table = table(n);
                let mut scratch = vec![f32::NAN; fft::scratch_len(n)];
                let plan = Plan::new(n, &table);
                fft::power(frames, plan, &mut scratch, RowsMut::new(&mut out, bins + 1, rows));
                for r in 0..rows {
                    let row: Vec<f64> = frames.row(r, n).iter().map(|&x| f64::from(x)).collect();
                    let energy: f64 = row.iter().map(|x| x * x).sum();
                    assert_close(&out[r * (bins + 1)..][..bins], &power(&row), 1e-5 * energy, 1e-5);
                    assert_eq!(out[r * (bins + 1) + bins], 5.0);
                }
            }
        }
    }

    fn log_mel_of_both_kinds() {
        // (transform, window, mels, scale, unit area, logarithm): like torchaudio, Whisper and NeMo.
        let natural = Compression { floor: 0.0, offset: 5.96e-8, scale: 1.0 };
        let decimal = Compression { floor: 1e-10, offset: 0.0, scale: std::f32::consts::LOG10_E };
        let kinds = [
            (400, 400, 80, MelScale::Htk, false, natural),
            (400, 400, 80, MelScale::Slaney, true, decimal),
            (512, 400, 128, MelScale::Slaney, true, natural),
        ];
        for &(size_, window_len, mels, scale, unit_area, compression) in &kinds[..size(3, 1)] {
            let bank = FilterBank { sample_rate: 16_000.0, size: size_, mels, min_hz: 0.0, max_hz: 8000.0, scale, unit_area };
            let (mut triangles, mut weights) = (vec![Triangle::default(); mels], vec![0.0; bank.weights_len()]);
            bank.fill(&mut triangles, &mut weights);
            let window: Vec<f32> =
                (0..window_len).map(|i| (PI * i as f64 / window_len as f64).sin().powi(2) as f32).collect();
            let table = table(size_);
            let plan = Plan::new(size_, &table);
            let spectrogram =
                Spectrogram { window: &window, plan, triangles: &triangles, weights: &weights, compression };
            let frames = size(21, 2);
            let x = Random(3).vector(window_len + frames * 160, 0.3);
            let rows = Rows::new(&x, 160, frames);
            let mut scratch = vec![f32::NAN; mel::scratch_len(size_, mels)];
            let mut out = vec![0.0; frames * mels];
            mel::log_mel(rows, &spectrogram, &mut scratch, RowsMut::dense(&mut out, mels));
            for r in 0..frames {
                let mut padded = vec![0.0; size_];
                let before = (size_ - window_len) / 2;
                for (i, (&x, &w)) in rows.row(r, window_len).iter().zip(&window).enumerate() {
                    padded[before + i] = f64::from(x) * f64::from(w);
                }
                let spectrum = power(&padded);
                let mut rest = &weights[..];
                let expected: Vec<f64> = triangles
                    .iter()
                    .map(|triangle| {
                        let (own, others) = rest.split_at(triangle.bins);
                        rest = others;
                        let energy: f64 =
                            own.iter().zip(&spectrum[triangle.first_bin..]).map(|(&w, x)| f64::from(w) * x).sum();
                        let floored = energy.max(f64::from(compression.floor)) + f64::from(compression.offset);
                        floored.ln() * f64::from(compression.scale)
                    })
                    .collect();
                assert_close(&out[r * mels..][..mels], &expected, 2e-5, 2e-5);
                // Alone, a frame gives the same bits.
                let mut alone = vec![0.0; mels];
                mel::log_mel(rows.range(r, 1), &spectrogram, &mut scratch, RowsMut::one(&mut alone));
                assert_eq!(alone, out[r * mels..][..mels]);
            }
        }
    }
}
