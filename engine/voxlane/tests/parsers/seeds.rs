//! Files to start from: what is read every day, in its smallest form, and what once did harm.

use std::fs;
use std::path::{Path, PathBuf};

use voxlane::config::Profile;
use voxlane_models::families::emformer::{self, Emformer, from_state_dict, prepare};
use voxlane_models::families::moonshine::{self, Moonshine};
use voxlane_models::formats::checkpoint;
use voxlane_models::formats::packed::Origin;
use voxlane_models::layers::conv::ConvWeights;
use voxlane_models::layers::linear::LinearWeights;
use voxlane_models::layers::linear::Precision;
use voxlane_models::networks::moonshine::weights::{
    AttentionWeights, DecoderLayerWeights, EncoderLayerWeights, MoonshineSizes, MoonshineWeights, StemWeights,
};
use voxlane_models::tokenizers::{PieceKind, SentencePiece, Tokenizer};

use crate::containers::{CONTAINERS, Layout};
use crate::protobuf::{self as write, FLOAT, INT8};

/// A name and the content of a file.
pub type Seed = (String, Vec<u8>);

pub fn packed() -> Vec<Seed> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("packed");
    let mut seeds = Vec::new();
    let mut add = |name: String| seeds.push((name, fs::read(&file).unwrap()));
    for precision in Precision::ALL {
        let origin =
            Origin { model: "toy".into(), precision: precision.name().into(), sources: "0123".into() };
        let model: Moonshine = Moonshine::new(&small_moonshine(), precision);
        moonshine::packed::write(&file, &origin, &model, &pieces()).unwrap();
        add(format!("moonshine-{precision}"));
        let (model, tokens) = small_emformer(precision);
        emformer::packed::write(&file, &origin, &model, &tokens).unwrap();
        add(format!("emformer-{precision}"));
    }
    seeds
}

pub fn onnx() -> Vec<Seed> {
    let sound: [&[u64]; 6] = [&[4, 1, 256], &[3, 2, 3], &[2, 3, 3], &[2, 2, 3], &[5, 2, 3], &[1, 5, 1]];
    let with = |index: usize, shape: &'static [u64], size: u64| {
        let mut shapes = sound;
        shapes[index] = shape;
        write::detector(shapes, size)
    };
    // Of a constant without elements the other sizes are not held by anything.
    let empty = write::tensor("q", INT8, &[0, 1 << 40, 1 << 40], &[]);
    let scales = write::tensor("scales", FLOAT, &[2], &[0; 8]);
    let axis = [write::bytes(1, "axis"), write::number(3, 0), write::number(20, 2)].concat();
    let linear = write::node("DequantizeLinear", &["q", "scales"], &["y"], &[axis]);
    vec![
        ("graph".into(), write::small_file()),
        ("detector".into(), write::detector(sound, 5)),
        ("detector-without-outputs".into(), with(4, &[0, 2, 3], 0)),
        ("detector-of-one-part".into(), with(0, &[1, 1, 256], 5)),
        ("detector-with-absurd-kernel".into(), with(0, &[0, 1 << 32, 1 << 32], 5)),
        (
            "quantized-without-elements".into(),
            write::model(&write::graph(&[linear], &[empty, scales], &["x"], &["y"])),
        ),
        (
            "length-of-2-to-60".into(),
            [write::varint(7 << 3 | 2), write::varint(1 << 60), vec![0; 8]].concat(),
        ),
    ]
}

pub fn checkpoint() -> Vec<Seed> {
    let tensor = small_pickle("FloatStorage", &[2, 3], &[3, 1]);
    vec![
        ("one-tensor".into(), archive(&[("c/data.pkl", &tensor), ("c/data/0", &[7; 24])])),
        (
            "doubles".into(),
            archive(&[
                ("c/data.pkl", &small_pickle("DoubleStorage", &[3], &[1])),
                ("c/byteorder", b"little"),
                ("c/data/0", &[1; 24]),
            ]),
        ),
        (
            "absurd-shape".into(),
            archive(&[
                ("c/data.pkl", &small_pickle("HalfStorage", &[1 << 30, 1 << 30], &[0, 0])),
                ("c/data/0", &[7; 24]),
            ]),
        ),
        ("stateless".into(), fs::read(data("stateless.pt")).unwrap()),
    ]
}

pub fn companions() -> Vec<Seed> {
    let read = |name: &str| (name.to_owned(), fs::read(data(name)).unwrap());
    vec![
        read("stateless.config.json"),
        read("base-like.config.json"),
        read("stateless.stats.json"),
        ("short-stats".into(), br#"{"mean": [1.5, -2e3], "invstddev": [1, 0.25]}"#.to_vec()),
        ("nested".into(), [b"{\"mean\":".to_vec(), b"[".repeat(10_000)].concat()),
    ]
}

pub fn sentencepiece() -> Vec<Seed> {
    let read = |name: &str| (name.to_owned(), fs::read(data(name)).unwrap());
    let piece = |text: &str, score: f32, kind: u64| {
        let score = [write::varint(2 << 3 | 5), score.to_le_bytes().to_vec()].concat();
        write::bytes(1, [write::bytes(1, text), score, write::number(3, kind)].concat())
    };
    let odd = [piece("<unk>", 0.0, 2), piece("", f32::NAN, 1), piece("\u{2581}s", f32::INFINITY, 1)];
    let bytes = [piece("<unk>", 0.0, 2), piece("<0xC3>", -1.0, 6), piece("<0x+F>", -1.0, 6)];
    vec![
        read("unigram.spm"),
        read("bpe.spm"),
        ("odd-scores".into(), odd.concat()),
        ("bytes".into(), bytes.concat()),
    ]
}

pub fn tokenizer() -> Vec<Seed> {
    let file = serde_json::json!({
        "added_tokens": [{ "id": 0, "content": "<s>", "special": true }],
        "decoder": {
            "type": "Sequence",
            "decoders": [
                { "type": "Replace", "pattern": { "String": "\u{2581}" }, "content": " " },
                { "type": "ByteFallback" },
                { "type": "Fuse" },
                { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
            ],
        },
        "model": { "vocab": { "<s>": 0, "\u{2581}so": 1, "<0xC3>": 2, "<0xG1>": 3 }, "merges": [] },
    });
    vec![
        ("small".into(), file.to_string().into_bytes()),
        (
            "byte-level".into(),
            include_bytes!("../../../../models/tests/data/byte_level/tokenizer.json").to_vec(),
        ),
        ("nested".into(), [b"{\"decoder\":".to_vec(), b"[".repeat(10_000)].concat()),
    ]
}

pub fn audio() -> Vec<Seed> {
    let values: Vec<f64> = (0..40).map(|i| f64::from(i) / 50.0 - 0.4).collect();
    let mut seeds = Vec::new();
    for container in CONTAINERS {
        for (index, &encoding) in container.encodings().iter().enumerate() {
            let layout = Layout::new(container, encoding, 1 + index % 2, &values);
            seeds.push((format!("{container:?}-{index}").to_lowercase(), layout.bytes()));
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_none_or(|ending| ending != "md")) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        seeds.push((name, fs::read(file).unwrap()));
    }
    seeds
}

pub fn config() -> Vec<Seed> {
    let whole = |profile: Profile| toml::to_string(&profile.config()).unwrap().into_bytes();
    let lanes = "profile = \"live\"\n[[lane]]\nslots = 3\nwait = \"spin\"\nhelper_core = 2\n\
                 cores = { ingest = 0, features = 0, encoder = 1, decoder = 1, emit = 0 }\n\
                 [[hotword]]\nphrase = \"oat milk\"\nboost = 3.5\n";
    vec![
        ("live".into(), whole(Profile::Live)),
        ("recordings".into(), whole(Profile::Recordings)),
        ("lanes".into(), lanes.into()),
        ("dotted".into(), "lane.slots = 1\nwarm.duty = 0.5\nendpoint = { onset_ms = 3 }\n".into()),
        ("nested-arrays".into(), format!("lane = {}", "[".repeat(20_000)).into()),
        ("nested-keys".into(), format!("{}a = 1", "a.".repeat(20_000)).into()),
        ("nested-tables".into(), format!("[{}a]", "a.".repeat(20_000)).into()),
    ]
}

pub fn manifest() -> Vec<Seed> {
    let model = format!(
        "[[model]]\nname = \"m\"\narchitecture = \"moonshine\"\ndescription = \"d\"\nlicence = \"MIT\"\n\
         pypi = \"p==1\"\n[[model.file]]\nname = \"f\"\nbytes = 1\nsha256 = \"{}\"\npypi = \"a/b\"\n",
        "0".repeat(64)
    );
    let file = format!("[[model.file]]\nname = \"g\"\nbytes = {}\n", i64::MAX);
    let rest = model.split_once("bytes = 1\n").map_or("", |(_, rest)| rest);
    let absurd = format!("{model}{}", format!("{file}{rest}").repeat(3));
    vec![
        ("one".into(), model.into()),
        ("absurd-lengths".into(), absurd.into()),
        ("nested-keys".into(), format!("[[model]]\n{}a = 1", "a.".repeat(20_000)).into()),
    ]
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tests/data/emformer").join(name)
}

fn pieces() -> Tokenizer {
    let pieces: [(PieceKind, &[u8]); 3] =
        [(PieceKind::Special, b"<s>"), (PieceKind::Text, b" so"), (PieceKind::Byte, &[0xc3])];
    Tokenizer::from_pieces(pieces).unwrap()
}

fn small_emformer(precision: Precision) -> (Emformer, SentencePiece) {
    let file = data("stateless.pt");
    let config = prepare::config(&data("stateless.config.json")).unwrap();
    let weights = from_state_dict(checkpoint::read(&file).unwrap(), config, None, &file).unwrap();
    (Emformer::new(&weights, precision), SentencePiece::read(&data("unigram.spm")).unwrap())
}

/// A network of Moonshine's form, as small as it goes.
fn small_moonshine() -> MoonshineWeights {
    const HIDDEN: usize = 8;
    let values = |count: usize| (0..count).map(|i| (i * 37 % 19) as f32 / 19.0 - 0.5).collect::<Vec<_>>();
    let linear = |outputs: usize, inputs: usize, has_bias: bool| LinearWeights {
        weight: values(outputs * inputs),
        bias: has_bias.then(|| values(outputs)),
        outputs,
        inputs,
    };
    let conv = |outputs: usize, channels: usize, (kernel, stride): (usize, usize), has_bias: bool| {
        ConvWeights { linear: linear(outputs, kernel * channels, has_bias), kernel, stride }
    };
    let square = || linear(HIDDEN, HIDDEN, false);
    let attention = || AttentionWeights { query: square(), key: square(), value: square(), output: square() };
    let sizes = MoonshineSizes {
        hidden: HIDDEN,
        heads: 2,
        head_dim: 4,
        rotary_dim: 2,
        encoder_mlp: 8,
        decoder_mlp: 8,
        vocabulary: 16,
    };
    MoonshineWeights {
        rotary_frequencies: vec![1.0],
        layer_norm_epsilon: 1e-5,
        stem: StemWeights {
            conv1: conv(HIDDEN, 1, (127, 64), false),
            norm_weight: values(HIDDEN),
            norm_bias: values(HIDDEN),
            norm_epsilon: 1e-5,
            conv2: conv(2 * HIDDEN, HIDDEN, (7, 3), true),
            conv3: conv(HIDDEN, 2 * HIDDEN, (3, 2), true),
        },
        encoder_layers: vec![EncoderLayerWeights {
            attention_norm: values(HIDDEN),
            attention: attention(),
            mlp_norm: values(HIDDEN),
            up: linear(sizes.encoder_mlp, HIDDEN, true),
            down: linear(HIDDEN, sizes.encoder_mlp, true),
        }],
        encoder_norm: values(HIDDEN),
        embedding: values(sizes.vocabulary * HIDDEN),
        decoder_layers: vec![DecoderLayerWeights {
            self_norm: values(HIDDEN),
            self_attention: attention(),
            cross_norm: values(HIDDEN),
            cross_attention: attention(),
            mlp_norm: values(HIDDEN),
            up: linear(2 * sizes.decoder_mlp, HIDDEN, true),
            down: linear(HIDDEN, sizes.decoder_mlp, true),
        }],
        decoder_norm: values(HIDDEN),
        sizes,
    }
}

/// A ZIP archive of stored members, without checksums.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut files, mut list) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let offset = (files.len() as u32).to_le_bytes();
        let [size, name_len] = [content.len(), name.len()].map(|len| (len as u32).to_le_bytes());
        // Version, flags, method, time, date, checksum; then sizes and lengths of name and extra field.
        let common = [&[0; 14][..], &size, &size, &name_len[..2], &[0; 2]].concat();
        files.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
        list.extend([b"PK\x01\x02\0\0", &common[..], &[0; 10], &offset, name.as_bytes()].concat());
    }
    let count = (members.len() as u16).to_le_bytes();
    let [size, start] = [list.len(), files.len()].map(|len| (len as u32).to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start, &[0; 2]].concat();
    [files, list, end].concat()
}

/// What `torch.save` writes of `{'w': tensor}`.
fn small_pickle(storage: &str, shape: &[u32], strides: &[u32]) -> Vec<u8> {
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let ints = |ints: &[u32]| {
        let ints: Vec<u8> = ints.iter().flat_map(|int| [b"J", &int.to_le_bytes()[..]].concat()).collect();
        [b"(", &ints[..], b"t"].concat()
    };
    let class = format!("ctorch\n{storage}\n");
    let reference =
        [b"(", &text("storage")[..], class.as_bytes(), &text("0"), &text("cpu"), b"K\x06tQ"].concat();
    let tensor =
        [b"ctorch._utils\n_rebuild_tensor_v2\n(", &reference[..], b"K\0", &ints(shape), &ints(strides)];
    [b"\x80\x02}q\0(", &text("w")[..], &tensor.concat(), b"\x89ccollections\nOrderedDict\n)RtRu."].concat()
}
