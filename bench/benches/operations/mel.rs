//! Log-mel features of one second of audio, all frames at once and each by itself.

use crate::{Contender, compare, instruction_sets, noise, on};
use std::hint::black_box;
use voxlane_kernels::fft::Plan;
use voxlane_kernels::mel::{self, Compression, FilterBank, MelScale, Spectrogram, Triangle, scratch_len};
use voxlane_kernels::rows::{Rows, RowsMut};

const WINDOW: usize = 400;
const HOP: usize = 160;
const FRAMES: usize = 100;

pub fn run() {
    for (size, mels) in [(400, 80), (512, 128)] {
        let bank = FilterBank {
            sample_rate: 16_000.0,
            size,
            mels,
            min_hz: 0.0,
            max_hz: 8000.0,
            scale: MelScale::Slaney,
            unit_area: true,
        };
        let (mut triangles, mut weights) = (vec![Triangle::default(); mels], vec![0.0; bank.weights_len()]);
        bank.fill(&mut triangles, &mut weights);
        let mut table = vec![0.0; Plan::table_len(size).unwrap_or_default()];
        Plan::fill(size, &mut table);
        let spectrogram = Spectrogram {
            window: &noise(WINDOW),
            plan: Plan::new(size, &table),
            triangles: &triangles,
            weights: &weights,
            compression: Compression { floor: 1e-10, offset: 0.0, scale: std::f32::consts::LOG10_E },
        };
        let (x, spectrogram) = (noise(FRAMES * HOP + WINDOW), &spectrogram);
        for (title, batch) in [("at once", FRAMES), ("one by one", 1)] {
            let mut contenders: Vec<Contender<'_>> = Vec::new();
            for isa in instruction_sets() {
                let (mut scratch, mut out) = (vec![0.0; scratch_len(size, mels)], vec![0.0; FRAMES * mels]);
                let frames = Rows::new(&x, HOP, FRAMES);
                contenders.push((
                    isa.name(),
                    on(isa, move || {
                        for first in (0..FRAMES).step_by(batch) {
                            let out = RowsMut::dense(&mut out[first * mels..][..batch * mels], mels);
                            mel::log_mel(
                                black_box(frames).range(first, batch),
                                spectrogram,
                                &mut scratch,
                                out,
                            );
                        }
                    }),
                ));
            }
            compare(&format!("1 s, fft {size}, {mels} mels, {title}"), contenders);
        }
    }
}
