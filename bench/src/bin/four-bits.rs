//! What 4-bit weights do to the word error rate: `cargo run --release -p voxlane-bench --bin four-bits -- FOLDER`.
//!
//! Matrices are rounded to 4 bits in groups as `kernels::gemm::i4` stores them, restored, and run in int8; each
//! choice of matrices is compared with f32 on the same clips.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use anyhow::{Context, Result};
use std::path::Path;
use voxlane_bench::recordings::{read_samples, read_set};
use voxlane_bench::wer::{Score, difference_interval};
use voxlane_kernels::gemm::i4;
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::families::moonshine::import::import;
use voxlane_models::layers::linear::LinearWeights;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;
use voxlane_models::networks::moonshine::weights::MoonshineWeights;
use voxlane_models::offline::Transcriber;
use voxlane_models::tokenizers::Tokenizer;

/// The same transcripts give the same table.
const SEED: u64 = 1;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("usage: four-bits FOLDER (with transcripts.tsv)")?;
    let clips = read_set(Path::new(&folder))?;
    let clips: Vec<(Vec<i16>, String)> = clips
        .into_iter()
        .map(|clip| Ok((read_samples(&clip.path)?, clip.transcript)))
        .collect::<Result<_>>()?;
    let files = manager::fetch("moonshine-tiny")?;
    let weights = import(files.path("encoder_model.onnx"), files.path("decoder_model_merged.onnx"))?;
    let tokenizer = Tokenizer::from_json_file(files.path("tokenizer.json"))?;
    let scores = |weights: &MoonshineWeights, precision| -> Vec<Score> {
        let model: Moonshine = Moonshine::new(weights, precision);
        let mut transcriber = Transcriber::new(&model);
        let score = |(samples, transcript): &(Vec<i16>, String)| {
            let (tokens, _) = transcriber.transcribe(samples);
            Score::of(transcript, &tokenizer.decode(tokens.iter().map(|token| token.id)))
        };
        clips.iter().map(score).collect()
    };

    let reference = scores(&weights, Precision::F32);
    println!("{:<30} {:.2} %", "f32", 100.0 * reference.iter().copied().sum::<Score>().rate());
    let tried = [
        ("4 bits in all layers", Rounded::Layers),
        ("4 bits in the decoder", Rounded::Decoder),
        ("4 bits in the decoder's MLPs", Rounded::DecoderMlp),
    ];
    for (name, rounded) in tried {
        let scores = scores(&with_4_bits(&weights, rounded), Precision::Int8);
        let difference = difference_interval(&reference, &scores, SEED);
        let [more, low, high] = [difference.estimate, difference.low, difference.high].map(|x| 100.0 * x);
        let rate = 100.0 * scores.iter().copied().sum::<Score>().rate();
        println!("{name:<30} {rate:.2} %, {more:+.2} points ({low:+.2} … {high:+.2})");
    }
    Ok(())
}

/// Which matrices of a network are rounded to 4 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounded {
    /// Those of the encoder's and decoder's layers.
    Layers,
    /// Those of the decoder's layers.
    Decoder,
    /// Those of the decoder's MLPs.
    DecoderMlp,
}

/// `weights` with some matrices rounded to 4 bits in groups of [`i4::GROUP`] and restored: what 4-bit weights do
/// to the results.
fn with_4_bits(weights: &MoonshineWeights, rounded: Rounded) -> MoonshineWeights {
    let mut weights = weights.clone();
    if rounded == Rounded::Layers {
        for layer in &mut weights.encoder_layers {
            let attention = &mut layer.attention;
            for matrix in
                [&mut attention.query, &mut attention.key, &mut attention.value, &mut attention.output]
            {
                round(matrix);
            }
            round(&mut layer.up);
            round(&mut layer.down);
        }
    }
    for layer in &mut weights.decoder_layers {
        round(&mut layer.up);
        round(&mut layer.down);
        if rounded != Rounded::DecoderMlp {
            for attention in [&mut layer.self_attention, &mut layer.cross_attention] {
                for matrix in
                    [&mut attention.query, &mut attention.key, &mut attention.value, &mut attention.output]
                {
                    round(matrix);
                }
            }
        }
    }
    weights
}

fn round(matrix: &mut LinearWeights) {
    let (outputs, inputs) = (matrix.outputs, matrix.inputs);
    let mut packed = vec![0; i4::packed_len(outputs, inputs)];
    let mut scales = vec![0.0; i4::scales_len(outputs, inputs)];
    i4::pack(&matrix.weight, outputs, inputs, &mut packed, &mut scales);
    let packed = i4::Packed::new(&packed, &scales, outputs, inputs);
    for (index, weight) in matrix.weight.iter_mut().enumerate() {
        *weight = packed.weight(index / inputs, index % inputs);
    }
}
