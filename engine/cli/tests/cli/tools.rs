//! Running the command, and recordings for it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use voxlane::Config;
use voxlane::audio::file::{Samples, read};
use voxlane_models::decode::AttentionGreedy;
use voxlane_models::families;
use voxlane_models::manager::{self, ModelFiles};

/// What is said in the sample recording, as f32 weights write it.
pub const SAMPLE_TEXT: &str = "Ever tried ever failed, no matter try again, fail again, fail better.";

/// `text` without a comma after “Ever tried”: the last bits of a rounding decide whether 8-bit weights write it (the logits
/// of both tokens are 0.2 apart with f32 weights), and each instruction set has its own.
pub fn without_near_tie(text: &str) -> String {
    text.replace("Ever tried, ever", "Ever tried ever")
}

/// What a run left; its output [`without_near_tie`].
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The default model (and what live endpoints need); fetched and packed if it is not in the cache, so that no test sees the progress of that.
pub fn model() -> &'static ModelFiles {
    static MODEL: OnceLock<ModelFiles> = OnceLock::new();
    MODEL.get_or_init(|| {
        let files = manager::fetch("moonshine-tiny").unwrap();
        for name in Config::live().endpoint.models() {
            manager::fetch(name).unwrap();
        }
        families::prepare_moonshine::<AttentionGreedy>(&files, Config::default().precision, &mut |_| {})
            .unwrap();
        files
    })
}

/// The command with what the environment may have set left out, apart from the cache.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxlane"));
    command.args(args).env_remove("VOXLANE_LOG").env_remove("VOXLANE_ISA");
    command
}

pub fn run(args: &[&str]) -> Said {
    if matches!(args.first(), Some(&"transcribe" | &"live")) {
        model();
    }
    output(&mut command(args))
}

pub fn output(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: without_near_tie(&String::from_utf8(output.stdout).unwrap()),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the command with `input` on a pipe as its standard input.
pub fn fed(input: &[u8], command: &mut Command) -> Said {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            let (first, second) = input.split_at(input.len().min(input.len() / 2 + 1));
            // The command may have seen enough of it before its end.
            let _ =
                stdin.write_all(first).and_then(|()| stdin.flush()).and_then(|()| stdin.write_all(second));
        });
        child.wait_with_output().unwrap()
    });
    Said {
        code: output.status.code().unwrap(),
        out: without_near_tie(&String::from_utf8(output.stdout).unwrap()),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A recording beside the repository; nothing, and a line that says so, where it is absent.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    if !path.exists() {
        println!("{} is absent: not tested", path.display());
        return None;
    }
    Some(path)
}

pub fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

pub fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../voxlane/tests/audio").join(name)
}

/// The recording that comes with the model.
pub fn sample() -> PathBuf {
    model().sample().unwrap().to_path_buf()
}

/// Its samples: 16 kHz, mono, 16 bit.
pub fn sample_values() -> Vec<i16> {
    match read(sample()).unwrap().samples {
        Samples::I16(samples) => samples,
        Samples::F32(_) => panic!("the sample recording has 16 bits"),
    }
}

/// A WAV file of 16 kHz, mono, 16 bit.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    wav_bytes((1, 16), (16_000, 1), &data)
}

pub fn write_i16_wav(path: &Path, samples: &[i16]) {
    std::fs::write(path, wav(samples)).unwrap();
}

pub fn write_f32_wav(path: &Path, rate: u32, channels: u16, samples: &[f32]) {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(path, wav_bytes((3, 32), (rate, channels), &data)).unwrap();
}

fn wav_bytes((format, bits): (u16, u16), (rate, channels): (u32, u16), data: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let mut file = Vec::new();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16u32.to_le_bytes());
    for field in [format, channels] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    for field in [rate, rate * u32::from(block)] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    for field in [block, bits] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    file.extend_from_slice(b"data");
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    file
}
