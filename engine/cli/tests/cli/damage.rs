//! Damaged and odd model files: none is used, and each is named.

use crate::tools::{SAMPLE_TEXT, Said, command, model, output, path, sample};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use voxlane::Config;
use voxlane_models::manager;

/// A cache of its own: links to the files of the default model, and a copy of its packed weights.
struct Cache {
    folder: TempDir,
}

impl Cache {
    fn new() -> Self {
        let cache = Cache { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(cache.file("")).unwrap();
        for (name, file) in model().iter() {
            symlink(file, cache.file(name)).unwrap();
        }
        for model in Config::live().endpoint.models() {
            let folder = cache.folder.path().join("models").join(model);
            fs::create_dir_all(&folder).unwrap();
            for (name, file) in manager::fetch(model).unwrap().iter() {
                symlink(file, folder.join(name)).unwrap();
            }
        }
        cache
    }

    /// With packed weights whose hash was found right.
    fn packed() -> Self {
        let cache = Cache::new();
        fs::copy(model().dir().join("int8.packed"), cache.file("int8.packed")).unwrap();
        let said = cache.run(&["models", "list"]);
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        cache
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("models/moonshine-tiny").join(name)
    }

    fn run(&self, args: &[&str]) -> Said {
        output(command(args).env("VOXLANE_CACHE", self.folder.path()))
    }

    /// Writes 4096 bytes of ones over weights, as a bad sector may leave them.
    fn damage(&self) {
        let file = self.file("int8.packed");
        let mut bytes = fs::read(&file).unwrap();
        bytes[9_515_008..][..4096].fill(0xff);
        fs::write(&file, bytes).unwrap();
    }

    fn assert_sound(&self) {
        let said = self.run(&["models", "verify", "moonshine-tiny"]);
        assert!(said.code == 0 && said.out.contains("int8.packed"), "{}{}", said.out, said.err);
    }
}

fn mkfifo(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The text was empty, and the exit code 0.
#[test]
fn damaged_weights_are_packed_anew_and_never_used() {
    let cache = Cache::packed();
    cache.damage();
    let said = cache.run(&["transcribe", "--offline", &path(&sample())]);
    assert_eq!((said.out.trim_end(), said.code), (SAMPLE_TEXT, 0), "{}", said.err);
    assert!(said.err.contains("int8.packed") && said.err.contains("packing it anew"), "{}", said.err);
    cache.assert_sound();
    let said = cache.run(&["transcribe", "--offline", &path(&sample())]);
    assert_eq!((said.out.trim_end(), said.err.as_str()), (SAMPLE_TEXT, ""));
}

#[test]
fn list_verify_and_fetch_tell_of_damaged_weights() {
    let cache = Cache::packed();
    cache.damage();
    let said = cache.run(&["models", "list"]);
    assert!(said.code == 0 && said.err.contains("int8.packed"), "{}", said.err);
    let said = cache.run(&["models", "verify", "moonshine-tiny"]);
    assert!(said.code == 3 && said.err.contains("int8.packed"), "{} {}", said.code, said.err);
    let said = cache.run(&["models", "fetch", "moonshine-tiny", "--offline"]);
    assert!(said.code == 0 && said.err.contains("packing it anew"), "{}", said.err);
    cache.assert_sound();
    assert_eq!(cache.run(&["models", "list"]).err, "");
}

#[test]
fn what_a_killed_pack_left_is_removed() {
    let cache = Cache::new();
    // The system kills a process that writes more than it may: here in the middle of the packed file.
    let program = env!("CARGO_BIN_EXE_voxlane");
    let script = format!("ulimit -c 0; ulimit -f 2000; exec {program} models pack moonshine-tiny");
    let killed =
        Command::new("bash").args(["-c", &script]).env("VOXLANE_CACHE", cache.folder.path()).status();
    assert_eq!(killed.unwrap().code(), None, "a signal ended it");
    let leftovers = || {
        let names = fs::read_dir(cache.file("")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".tmp")).count()
    };
    assert_eq!(leftovers(), 1);
    let said = cache.run(&["models", "fetch", "moonshine-tiny", "--offline"]);
    assert_eq!((said.code, leftovers()), (0, 0), "{}", said.err);
}

/// The command waited for somebody to write into the pipe.
#[test]
fn a_named_pipe_in_place_of_a_model_file_is_refused_at_once() {
    let cache = Cache::packed();
    mkfifo(&cache.file("encoder_model.onnx"));
    for args in [&["transcribe", "--offline"][..], &["models", "verify", "moonshine-tiny"]] {
        let said = cache.run(args);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{}", said.err);
        assert!(
            said.err.contains("encoder_model.onnx: cannot inspect: not a regular file (found a named pipe)"),
            "{}",
            said.err
        );
    }
    let said = cache.run(&["models", "list"]);
    assert!(said.out.contains("damaged") && said.err.contains("encoder_model.onnx"), "{}", said.err);
    fs::remove_file(cache.file("encoder_model.onnx")).unwrap();
    symlink(model().path("encoder_model.onnx"), cache.file("encoder_model.onnx")).unwrap();
    mkfifo(&cache.file("int8.packed"));
    let said = cache.run(&["transcribe", "--offline", &path(&sample())]);
    assert_eq!((said.out.trim_end(), said.code), (SAMPLE_TEXT, 0), "{}", said.err);
    assert!(said.err.contains("found a named pipe") && said.err.contains("packing it anew"), "{}", said.err);
    cache.assert_sound();
}

/// The files of the model in the binary.
fn asset(ending: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../models/assets/commands.{ending}"))
}

fn import(cache: &Path, checkpoint: &Path, tokens: &Path, config: Option<&Path>) -> Said {
    let (checkpoint, tokens) = (path(checkpoint), path(tokens));
    let mut args = vec!["models", "import", &*checkpoint, "--arch", "emformer-rnnt", "--tokens", &*tokens];
    let statistics = path(&asset("stats.json"));
    let config = config.map(path);
    if let Some(config) = &config {
        args.extend(["--statistics", &*statistics, "--config", &**config, "--name", "evil"]);
    }
    output(command(&args).env("VOXLANE_CACHE", cache))
}

/// They were accepted; transcribing then never ended, or ran out of memory.
#[test]
fn lengths_beyond_what_the_engine_takes_are_refused_with_field_and_value() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(asset("config.json")).unwrap();
    for (field, value, named) in [
        ("right_context_length", 65_536_u64, "right_context_length = 65536: must be at most"),
        ("segment_length", 4096, "segment_length = 4096: must be at most"),
        ("left_context_length", 65_536, "(left_context_length) = 65536: must be at most"),
        ("max_memory_size", 65_536, "(max_memory_size) = 65536: must be at most"),
        ("num_transformer_layers", 65_536, "bytes of a stream = "),
        (
            "time_reduction_stride",
            65_536,
            "time_reduction_input_dim × time_reduction_stride = 2359296: must be",
        ),
        ("encoding_dim", u64::MAX, "encoding_dim = 18446744073709551615: must be from 1 to 65536"),
    ] {
        let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
        config[field] = value.into();
        let file = folder.path().join("config.json");
        fs::write(&file, config.to_string()).unwrap();
        let said = import(folder.path(), &asset("pt"), &asset("model"), Some(&file));
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{field}: {}", said.err);
        assert!(said.err.contains(named) && said.err.contains(&path(&file)), "{}", said.err);
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "says that there is nothing to test")]
fn checkpoints_and_configurations_that_once_did_harm_are_refused() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/inputs/stress");
    if !shared.is_dir() {
        println!("{} is absent", shared.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let said = import(folder.path(), &shared.join("quad_pickle.pt"), &shared.join("tok.model"), None);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    for (file, field) in
        [("right_context.json", "right_context_length"), ("max_memory.json", "max_memory_size")]
    {
        let said = import(folder.path(), &asset("pt"), &asset("model"), Some(&shared.join(file)));
        assert!(said.code == 1 && said.err.contains(field), "{}", said.err);
    }
    let said = output(&mut command(&["config", "check", &path(&shared.join("audio_ms_overflow.toml"))]));
    assert!(said.code == 2 && said.err.contains("must be from 40 to 600000"), "{}", said.err);
    let huge = path(&shared.join("slots_huge.toml"));
    let said = output(&mut command(&["config", "check", &huge]));
    let is_named =
        ["slots = 4096", "audio_ms = 600000", "events = 65536"].map(|field| said.err.contains(field));
    assert!(said.code == 2 && is_named == [true; 3], "{}", said.err);
    // For another machine it only says what it would take.
    let said = output(&mut command(&["config", "check", &huge, "--cores", "2"]));
    assert!(said.code == 0 && said.out.contains("memory of lane 0: at most 3"), "{}{}", said.out, said.err);
}
