//! Moonshine on Burn against the same golden results as on the CPU, on every backend that this was built with.
#![cfg(all(feature = "fetch", any(feature = "cuda", feature = "flex", feature = "wgpu")))]
#![expect(clippy::print_stdout, reason = "near ties, absent clips and adapters are to be seen")]

mod recordings;
mod reference;

use burn_tensor::backend::Backend;
use recordings::{golden, wav};
use reference::{CLIPS, audio, compare, distance, npy, references, weights};
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::burn::platform::{self, Platform};
use voxlane_models::burn::{BurnMoonshine, BurnSpan};
use voxlane_models::device::{DeviceOptions, Float};
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Token;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model};
use voxlane_models::offline::Transcriber;
use voxlane_models::team::Team;

/// How far an activation may be from the reference, as a share of the largest.
const DISTANCE: f32 = 1e-3;

fn model<B: Backend>(device: &B::Device, options: DeviceOptions) -> BurnMoonshine<B> {
    BurnMoonshine::new(&weights(), device, options)
}

/// The hidden frames of `samples`, as the decoder takes them; `seen` sees them after the stem and every layer.
fn encoded<B: Backend>(
    model: &BurnMoonshine<B>,
    samples: &[i16],
    mut seen: impl FnMut(&BurnSpan<B>),
) -> BurnSpan<B> {
    let (mut stem, mut encoder, mut span) =
        (model.front_end(1), model.encoder(1, Team::alone()), model.span());
    let (budget, mut faults) = (Budget::one_unit(), Faults::NONE);
    stem.push(0, samples, &mut faults);
    stem.begin(0, samples.len(), Goal::Final);
    while stem.step(&mut span, &budget, &mut faults) == Progress::More {}
    seen(&span);
    encoder.begin(0, &mut span);
    let mut progress = Progress::More;
    while progress == Progress::More {
        progress = encoder.step(&mut span, &budget, &mut faults);
        seen(&span);
    }
    assert!(faults.is_none());
    span
}

fn activations_are_those_of_the_reference<B: Backend>(device: &B::Device) {
    let model = model::<B>(device, DeviceOptions { batch: 1, ..DeviceOptions::default() });
    let (width, places) = (model.config().sizes.hidden, model.config().encoder_layers + 2);
    for clip in CLIPS {
        let expected = npy(&golden(&format!("{clip}.hidden.npy")));
        let mut expected = expected.chunks_exact(expected.len() / places);
        encoded(&model, &wav(&golden(&format!("{clip}.wav"))), |span| {
            let off = distance(&span.hidden(), expected.next().unwrap(), width);
            assert!(off < DISTANCE, "{clip}: off by {off}, {} states before the last", expected.len());
        });
        assert_eq!(expected.len(), 0, "{clip}");
    }
}

fn tokens_are_those_of_the_reference<B: Backend>(device: &B::Device, dev_clips: usize) {
    for steps_in_flight in [1, 2] {
        let model =
            model::<B>(device, DeviceOptions { batch: 2, steps_in_flight, ..DeviceOptions::default() });
        let mut transcriber = Transcriber::new(&model);
        let all = references();
        let (in_tree, others): (Vec<_>, Vec<_>) = all.iter().partition(|line| CLIPS.contains(&&*line.clip));
        for reference in in_tree.into_iter().chain(others.into_iter().take(dev_clips)) {
            let Some(audio) = audio(reference) else {
                println!("{} is not on this machine", reference.clip);
                continue;
            };
            let (tokens, faults) = transcriber.transcribe(&audio);
            let tokens: Vec<u32> = tokens.iter().map(|token| token.id).collect();
            compare(reference, &tokens, faults);
        }
    }
}

fn tokens_do_not_depend_on_who_shares_the_batch<B: Backend>(device: &B::Device, rounding: f32) {
    const BATCH: usize = 2;
    let model = model::<B>(device, DeviceOptions { batch: BATCH, ..DeviceOptions::default() });
    let spans = CLIPS.map(|clip| encoded(&model, &wav(&golden(&format!("{clip}.wav"))), |_| {}));
    // Slot `i` decodes clip `i mod 3`; the next comes when a place is free, so that all join at different steps.
    let decode = |count: usize, batch: usize| {
        let mut decoder = model.decoder(count);
        let (budget, mut waiting, mut running) = (Budget::one_unit(), 0..count, Vec::new());
        loop {
            while running.len() < batch
                && let Some(slot) = waiting.next()
            {
                let mut span = spans[slot % spans.len()].clone();
                decoder.begin(slot, &mut span, Goal::Final.into());
                running.push((slot, span));
            }
            if running.is_empty() {
                break;
            }
            running.retain_mut(|(_, span)| {
                let mut faults = Faults::NONE;
                let progress = decoder.step(span, &budget, &mut faults);
                assert!(faults.is_none());
                progress == Progress::More
            });
        }
        (0..count).map(|slot| decoder.hypothesis(slot).tokens().to_vec()).collect::<Vec<_>>()
    };
    let alone = decode(CLIPS.len(), 1);
    let together = decode(2 * CLIPS.len() + 1, BATCH);
    assert!(alone.iter().all(|tokens| tokens.len() > 5));
    for (slot, tokens) in together.iter().enumerate() {
        let alone = &alone[slot % CLIPS.len()];
        let ids = |tokens: &[Token]| tokens.iter().map(|token| token.id).collect::<Vec<_>>();
        assert_eq!(ids(tokens), ids(alone), "slot {slot}");
        // A segment's columns begin where it joined, and some devices add up columns in an order that depends on
        // their place: then probabilities differ by rounding.
        let off = tokens.iter().zip(alone).map(|(a, b)| (a.log_prob - b.log_prob).abs()).fold(0.0, f32::max);
        assert!(off <= rounding, "slot {slot}: log probabilities are off by {off}");
    }
}

/// Every test on one backend, with `dev_clips` clips of the development set, and how far `rounding` may move a log
/// probability when others share the batch. Without a device there is nothing to test, unless one is `required`.
macro_rules! on {
    ($feature:literal, $name:ident, $backend:ty, $dev_clips:literal, $rounding:literal, $required:expr) => {
        #[cfg(feature = $feature)]
        mod $name {
            use super::*;

            #[test]
            fn activations_are_those_of_the_reference() {
                first::<$backend>($required)
                    .iter()
                    .for_each(super::activations_are_those_of_the_reference::<$backend>);
            }

            #[test]
            fn tokens_are_those_of_the_reference() {
                first::<$backend>($required).iter().for_each(|device| {
                    super::tokens_are_those_of_the_reference::<$backend>(device, $dev_clips)
                });
            }

            #[test]
            fn tokens_do_not_depend_on_who_shares_the_batch() {
                first::<$backend>($required).iter().for_each(|device| {
                    super::tokens_do_not_depend_on_who_shares_the_batch::<$backend>(device, $rounding)
                });
            }
        }
    };
}

on!("flex", flex, platform::Flex, 8, 0.0, true);
// Software Vulkan is slow: the clips of the tree alone.
on!("wgpu", wgpu, platform::Wgpu, 0, 1e-4, std::env::var_os("VOXLANE_REQUIRE_WGPU").is_some());
// Who builds for CUDA tests on a GPU.
on!("cuda", cuda, platform::Cuda, 8, 1e-4, true);

/// The first device. That there is none is said, and wrong where it is `required`.
fn first<B: Platform>(required: bool) -> Option<B::Device> {
    let found = B::found().unwrap();
    println!("{} finds {found:?}", B::NAME);
    if found.is_empty() && !required {
        return None;
    }
    Some(B::device(0, Float::F32).unwrap())
}

#[cfg(feature = "flex")]
#[test]
fn a_device_that_is_not_there_is_an_error() {
    let error = platform::Flex::device(1, Float::F32).unwrap_err();
    assert_eq!(error.to_string(), "flex: no device 1 (expected one of the processor)");
}
