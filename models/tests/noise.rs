//! What is not speech gives no text, and damaged speech no loops: on the real network, in both precisions.
#![cfg(feature = "fetch")]

use std::f64::consts::TAU;
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::families::moonshine::import::import;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;
use voxlane_models::offline::Transcriber;
use voxlane_models::tokenizers::Tokenizer;

const RATE: f64 = 16_000.0;

fn sound(seconds: f64, wave: impl Fn(usize) -> f64) -> Vec<i16> {
    (0..(seconds * RATE) as usize).map(|i| wave(i).clamp(-32768.0, 32767.0) as i16).collect()
}

/// Evenly spread from -1 to 1, the same in every run.
fn spread(i: usize) -> f64 {
    let mut x = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn tone(i: usize, hertz: f64) -> f64 {
    (TAU * hertz * i as f64 / RATE).sin()
}

#[test]
fn silence_noise_hum_and_tones_give_no_text() {
    let files = manager::fetch("moonshine-tiny").unwrap();
    let weights = import(files.path("encoder_model.onnx"), files.path("decoder_model_merged.onnx")).unwrap();
    let tokenizer = Tokenizer::from_json_file(files.path("tokenizer.json")).unwrap();
    for precision in [Precision::F32, Precision::Int8] {
        let model: Moonshine = Moonshine::new(&weights, precision);
        let mut transcriber = Transcriber::new(&model);
        let mut texts = Vec::new();
        for seconds in [0.5, 1.3, 3.0, 8.0] {
            let sounds: [(&str, Vec<i16>); 6] = [
                ("silence", vec![0; (seconds * RATE) as usize]),
                ("faint noise", sound(seconds, |i| 20.0 * spread(i))),
                ("white noise", sound(seconds, |i| 3000.0 * spread(i))),
                ("hum", sound(seconds, |i| 2000.0 * (tone(i, 50.0) + 0.5 * tone(i, 150.0)))),
                ("tone", sound(seconds, |i| 8000.0 * tone(i, 440.0))),
                ("melody", sound(seconds, |i| 6000.0 * tone(i, [262.0, 330.0, 392.0, 523.0][i / 4000 % 4]))),
            ];
            for (name, samples) in sounds {
                let (tokens, _) = transcriber.transcribe(&samples);
                let text = tokenizer.decode(tokens.iter().map(|token| token.id));
                let mean: f32 = tokens.iter().map(|token| token.log_prob).sum::<f32>() / tokens.len() as f32;
                if !text.is_empty() {
                    texts.push(format!("{precision:?} {name} {seconds} s: {text:?} ({mean:.2})"));
                }
            }
        }
        assert!(texts.is_empty(), "{texts:#?}");
        // Speech at eight times full scale: words, and no loop.
        let sample = files.sample().unwrap();
        let bytes = std::fs::read(sample).unwrap();
        let data = bytes.len() - bytes.len() % 2;
        let loud: Vec<i16> = bytes[44..data]
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| i16::from_le_bytes(*pair).saturating_mul(8))
            .collect();
        let (tokens, _) = transcriber.transcribe(&loud);
        assert!((10..60).contains(&tokens.len()), "{}", tokenizer.decode(tokens.iter().map(|t| t.id)));
    }
}
