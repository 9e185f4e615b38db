//! Moonshine base: the sizes of its network, and what onnxruntime 1.23.2 decodes from the same files.
#![cfg(feature = "fetch")]

mod recordings;

use recordings::recording;
use voxlane_models::families::moonshine::{Moonshine, import_moonshine};
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;
use voxlane_models::offline::transcribe_tokens;

/// Token ids of `bench/peers/moonshine_onnx.py`, greedy, with the end token. It rounds inputs to 8 bits where we, in f32, do not.
const TOKENS: [(&str, &[u32]); 3] = [
    ("8226-274369-0000", &[7569, 5645, 12359, 6742, 491, 278, 3468, 29889, 2]),
    ("LJ001-0002", &[512, 1641, 5734, 6703, 5400, 29889, 2]),
    ("LJ001-0013", &[1987, 297, 278, 1021, 6931, 411, 22769, 6743, 29889, 2]),
];

#[test]
fn the_published_files_give_onnxruntimes_tokens() {
    let (weights, _) = import_moonshine(&manager::fetch("moonshine-base").unwrap()).unwrap();
    let sizes = &weights.sizes;
    assert_eq!((sizes.hidden, sizes.heads, sizes.head_dim, sizes.rotary_dim), (416, 8, 52, 32));
    assert_eq!((weights.encoder_layers.len(), weights.decoder_layers.len()), (8, 8));
    for precision in Precision::ALL {
        let model: Moonshine = Moonshine::new(&weights, precision);
        for (clip, expected) in TOKENS {
            let (tokens, faults) = transcribe_tokens(&model, &recording(clip).unwrap());
            let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
            assert!(
                faults.is_none() && expected.strip_suffix(&[2]) == Some(&ids[..]),
                "{clip} {precision:?}: {ids:?}"
            );
        }
    }
}
