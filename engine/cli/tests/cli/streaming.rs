//! The model in the binary, and models that were imported, by the command.

use super::tools::{command, output, path};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use voxlane::audio::file::{self, Samples};
use voxlane_models::families::commands;
use voxlane_models::families::emformer::Emformer;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;
use voxlane_models::offline::Transcriber;
use voxlane_models::tokenizers::SentencePiece;

/// The command with a cache of its own, which is empty at first, and no network.
fn with_cache(cache: &Path, args: &[&str]) -> Command {
    let mut command = command(args);
    command.env("VOXLANE_CACHE", cache);
    command
}

fn sample() -> PathBuf {
    manager::fetch("moonshine-tiny").unwrap().sample().unwrap().to_path_buf()
}

/// A network with random weights, whose text is nonsense and always the same.
fn small(ending: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tests/data/emformer");
    path(&folder.join(ending))
}

#[test]
#[expect(clippy::print_stderr, reason = "says what was left out")]
fn commands_needs_nothing_downloaded_and_says_what_the_network_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/speech/commands/audio");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("{} is not there: not compared on recordings of commands", folder.display());
        return;
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "wav" || ending == "flac"));
    files.sort();
    let cache = tempfile::tempdir().unwrap();
    let (model, tokens): (Emformer, SentencePiece) = commands::load(Precision::Int8).unwrap();
    let mut words = 0;
    for file in files.iter().step_by(files.len() / 8) {
        let name = path(file);
        let args = ["transcribe", "--model", "commands", "--offline", "--format", "json", &name];
        let said = output(&mut with_cache(cache.path(), &args));
        assert_eq!(said.code, 0, "{}", said.err);
        let said: Value = serde_json::from_str(&said.out).unwrap();
        let Samples::I16(samples) = file::read(file).unwrap().samples else { panic!("{name} has 16 bits") };
        let (ids, _) = Transcriber::new(&model).transcribe(&samples);
        let ids: Vec<u32> = ids.iter().map(|token| token.id).collect();
        assert_eq!(said["text"], tokens.tokenizer().decode(ids), "{name}");
        words += said["text"].as_str().unwrap().split(' ').count();
    }
    assert!(words > 20, "people gave orders");
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0, "nothing was fetched or written");
}

#[test]
fn every_strategy_decodes_commands_and_only_greedy_moonshine() {
    let cache = tempfile::tempdir().unwrap();
    let sample = path(&sample());
    for decode in ["greedy", "beam", "ctc-greedy", "ctc-beam"] {
        let args = ["transcribe", "--model", "commands", "--decode", decode, "--offline", &sample];
        let said = output(&mut with_cache(cache.path(), &args));
        assert_eq!(said.code, 0, "{decode}: {}", said.err);
    }
    let said = output(&mut command(&["transcribe", "--decode", "beam", &sample]));
    assert_eq!(said.code, 2);
    assert!(said.err.contains("decode = \"beam\": not possible with model moonshine-tiny"), "{}", said.err);
    let said = output(&mut command(&["transcribe", "--decode", "best", &sample]));
    assert_eq!(said.code, 2);
    assert!(said.err.contains("ctc-greedy"), "{}", said.err);
    let said = output(&mut command(&["transcribe", "--model", "silero-vad", &sample]));
    assert_eq!(said.code, 2);
    assert!(said.err.contains("model silero-vad: does not turn speech into text"), "{}", said.err);
}

#[test]
fn hotwords_are_listened_for_and_bad_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (file, sample) = (folder.path().join("phrases.txt"), path(&sample()));
    let transcribe = |model: &str, decode: &str, with: bool| {
        let mut args = vec!["transcribe", "--model", model, "--decode", decode, &sample];
        let phrases = path(&file);
        args.extend(with.then_some(["--hotwords", &phrases]).into_iter().flatten());
        output(&mut command(&args))
    };
    std::fs::write(&file, "alexa nine\t20\n").unwrap();
    for decode in ["greedy", "beam", "ctc-greedy", "ctc-beam"] {
        assert!(!transcribe("commands", decode, false).out.contains("alexa nine"), "{decode}");
        let said = transcribe("commands", decode, true);
        assert!(said.out.contains("alexa nine"), "{decode}: {} {}", said.out, said.err);
    }
    let said = transcribe("moonshine-tiny", "greedy", true);
    assert!(said.code == 2 && said.err.contains("hotwords: the model cannot listen for any"), "{}", said.err);
    std::fs::write(&file, "tea\noat milk\tmuch\n").unwrap();
    let said = transcribe("commands", "greedy", true);
    assert!(said.code == 2 && said.err.contains("phrases.txt:2: the boost \"much\""), "{}", said.err);
    std::fs::remove_file(&file).unwrap();
    let said = transcribe("commands", "greedy", true);
    assert!(said.code == 2 && said.err.contains("phrases.txt"), "{}", said.err);
}

#[test]
fn an_imported_checkpoint_is_a_model_like_the_others() {
    let cache = tempfile::tempdir().unwrap();
    let (checkpoint, tokens) = (small("base-like.pt"), small("unigram.spm"));
    let (config, statistics) = (small("base-like.config.json"), small("base-like.stats.json"));
    let import = |name: &str, tokens: &str| {
        let mut args = vec!["models", "import", &checkpoint, "--arch", "emformer-rnnt", "--tokens", tokens];
        args.extend(["--config", &config, "--statistics", &statistics, "--name", name]);
        output(&mut with_cache(cache.path(), &args))
    };
    let said = import("mine", &tokens);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(Path::new(said.out.trim()).is_file());
    let list = output(&mut with_cache(cache.path(), &["models", "list"])).out;
    let line = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("mine ").contains(" yes ") && line("commands ").contains("built in"), "{list}");
    assert_eq!(output(&mut with_cache(cache.path(), &["models", "verify", "mine"])).code, 0);
    let sample = path(&sample());
    let said =
        output(&mut with_cache(cache.path(), &["transcribe", "--model", "mine", "--offline", &sample]));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!said.out.trim().is_empty());

    for name in ["commands", "moonshine-tiny", "../mine"] {
        assert_ne!(import(name, &tokens).code, 0, "{name}");
    }
    let said = import("other", "no/such.spm");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("no/such.spm") && said.err.contains("models import --help"), "{}", said.err);
    let said = import("other", &config);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("SentencePiece"), "{}", said.err);
    let said =
        output(&mut with_cache(cache.path(), &["transcribe", "--model", "other", "--offline", &sample]));
    assert_eq!(said.code, 2);
    assert!(said.err.contains("mine") && said.err.contains("commands"), "{}", said.err);
}
