//! The real models, by whatever source this machine can reach; other tests rely on the same files.

use std::fs;
use voxlane_models::manager::{self, Manager, Options, State};

#[test]
fn moonshine_tiny_is_to_be_had() {
    let files = manager::fetch("moonshine-tiny").unwrap();
    assert_eq!(fs::metadata(files.path("encoder_model.onnx")).unwrap().len(), 30_882_331);
    assert_eq!(fs::metadata(files.path("decoder_model_merged.onnx")).unwrap().len(), 78_227_550);
    let tokenizer = fs::read_to_string(files.path("tokenizer.json")).unwrap();
    assert!(tokenizer.trim_start().starts_with('{'));
    let sample = fs::read(files.sample().unwrap()).unwrap();
    assert_eq!(&sample[..4], b"RIFF");

    // What was fetched is whole, by its hashes, and needs no network any more.
    let offline = Manager::new(Options { offline: true, ..Options::default() }).unwrap();
    assert_eq!(offline.verify("moonshine-tiny").unwrap().dir(), files.dir());
    assert_eq!(offline.fetch("moonshine-tiny", &mut ()).unwrap().dir(), files.dir());
    assert!(offline.list().iter().any(|listing| listing.entry.name == "moonshine-tiny" && matches!(listing.state, State::Whole(_))));
}

#[test]
fn silero_vad_is_to_be_had() {
    let files = manager::fetch("silero-vad").unwrap();
    assert_eq!(fs::metadata(files.path("silero_vad_16k_op15.onnx")).unwrap().len(), 1_289_603);
    assert!(files.sample().is_none());
    assert!(files.get("no-such-file").is_none());
}

#[test]
fn smart_turn_is_to_be_had() {
    let files = manager::fetch("smart-turn").unwrap();
    assert_eq!(fs::metadata(files.path("smart-turn-v3.2-cpu.onnx")).unwrap().len(), 8_679_182);
}
