//! What reads foreign bytes, as functions of these bytes. Each returns, whatever they are: no panic, no abort, no memory
//! out of proportion. `tests/parsers.rs` calls them on every change, `fuzz/` for as long as one likes.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Cursor, Seek, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use voxlane::audio::file::{AudioError, RawEncoding, RawFormat, Reader, ReaderOptions};
use voxlane::config::{Profile, Source, Topology};
use voxlane_models::decode::{AttentionGreedy, CtcGreedy, TransducerGreedy};
use voxlane_models::families::emformer::prepare::{self, Content, Contents};
use voxlane_models::families::emformer::{self, Emformer, from_state_dict};
use voxlane_models::families::moonshine::{self, Moonshine};
use voxlane_models::families::silero;
use voxlane_models::formats::checkpoint::{self, Statistics};
use voxlane_models::formats::onnx::{self, Graph};
use voxlane_models::formats::packed::PackedFile;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager::Manifest;
use voxlane_models::model::Model;
use voxlane_models::offline::transcribe_tokens;
use voxlane_models::tokenizers::vocabulary::Vocabulary;
use voxlane_models::tokenizers::{ByteLevel, SentencePiece, Tokenizer};
use voxlane_models::voice::{VOICE_FRAME_SAMPLES, VoiceDetector};

/// A file of the small network whose checkpoint, statistics and configuration are altered one at a time.
macro_rules! stateless {
    ($ending:literal) => {
        include_bytes!(concat!("../../../../models/tests/data/emformer/stateless.", $ending))
    };
}

/// What errors call the bytes.
const NAME: &str = "foreign";
/// A network that was let in is run if its parts take less than this.
const MAX_RUN_BYTES: usize = 16 << 20;
/// More samples than any seed has: what a reader gives beyond is silence by the timestamps.
const MAX_READ_SAMPLES: usize = 1 << 18;

/// A packed file, as it is, and once more with lengths and hash made right: else hardly any change would reach what
/// reads the fields.
pub fn packed(bytes: &[u8]) {
    open_packed(bytes);
    if let Some(honest) = honest(bytes) {
        open_packed(&honest);
    }
}

/// An ONNX file: the graph, and the importers that walk it.
pub fn onnx(bytes: &[u8]) {
    match onnx::read_bytes(Path::new(NAME), bytes.to_vec().into()) {
        Ok(graph) => {
            walk(&graph);
            for branch in ["then_branch", "else_branch"] {
                graph.clone().into_branch(branch).as_ref().map_or_else(shown, walk);
            }
        }
        Err(error) => shown(&error),
    }
    on_disk(bytes, |file| {
        match silero::load(file) {
            Ok(silero) => {
                silero.detector(1).step(0, &[1000; VOICE_FRAME_SAMPLES]);
            }
            Err(error) => shown(&error),
        }
        match moonshine::import::import(file, file) {
            Ok(weights) => drop(Moonshine::<AttentionGreedy>::new(&weights, Precision::F32)),
            Err(error) => shown(&error),
        }
    });
}

/// A PyTorch checkpoint, and the network that it makes.
pub fn checkpoint(bytes: &[u8]) {
    let file = Path::new(NAME);
    let weights = checkpoint::from_bytes(bytes, file).and_then(|tensors| {
        let config = serde_json::from_slice(stateless!("config.json")).unwrap_or_default();
        from_state_dict(tensors, config, None, file)
    });
    match weights {
        Ok(weights) => run(&Emformer::<TransducerGreedy>::new(&weights, Precision::Int8)),
        Err(error) => shown(&error),
    }
}

/// The two JSON files beside a checkpoint: configuration and statistics of features.
pub fn companions(bytes: &[u8]) {
    let foreign = Content { name: Path::new(NAME), bytes };
    let ours = |bytes| Content { name: Path::new("ours"), bytes };
    let contents = Contents {
        checkpoint: ours(stateless!("pt")),
        tokens: ours(include_bytes!("../../../../models/tests/data/emformer/unigram.spm")),
        statistics: Some(ours(stateless!("stats.json"))),
        config: Some(ours(stateless!("config.json"))),
    };
    for contents in
        [Contents { config: Some(foreign), ..contents }, Contents { statistics: Some(foreign), ..contents }]
    {
        match prepare::parse(&contents) {
            Ok((weights, _)) => run(&Emformer::<TransducerGreedy>::new(&weights, Precision::F32)),
            Err(error) => shown(&error),
        }
    }
    if let Err(error) = Statistics::from_bytes(bytes, Path::new(NAME)) {
        shown(&error);
    }
}

/// A SentencePiece model.
pub fn sentencepiece(bytes: &[u8]) {
    match SentencePiece::from_bytes(bytes, Path::new(NAME)) {
        Ok(pieces) => spell(&pieces, pieces.tokenizer().len()),
        Err(error) => shown(&error),
    }
}

/// A `tokenizer.json`, of either kind.
pub fn tokenizer(bytes: &[u8]) {
    match ByteLevel::from_json(Path::new(NAME), bytes) {
        Ok(tokenizer) => spell(&tokenizer, 300),
        Err(error) => shown(&error),
    }
    match Tokenizer::from_json(Path::new(NAME), bytes) {
        Ok(tokenizer) => spell(&tokenizer, tokenizer.len()),
        Err(error) => shown(&error),
    }
}

/// An audio file of any kind, as a file, through a pipe, and as samples without a header.
pub fn audio(bytes: &[u8]) {
    on_disk(bytes, |file| drain(Reader::open(file)));
    let pipe = || Box::new(Cursor::new(bytes.to_vec()));
    drain(Reader::from_stream(NAME, pipe(), ReaderOptions::default()));
    let encodings = [RawEncoding::S16Le, RawEncoding::F32Le, RawEncoding::MuLaw, RawEncoding::ALaw];
    let encoding = encodings[bytes.len() % encodings.len()];
    let raw = RawFormat { encoding, sample_rate: 8_000, channels: 1 + bytes.len() / 4 % 3 };
    drain(Reader::from_stream(NAME, pipe(), ReaderOptions { raw: Some(raw), ..ReaderOptions::default() }));
}

/// A configuration in TOML.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for profile in [Profile::Manual, Profile::Live] {
        let parsed = Source::parse_as(text.to_owned(), None, profile);
        let placed = parsed.and_then(|source| source.placement(&Topology::with_cores(4)));
        if let Err(error) = placed {
            shown(&error);
        }
    }
}

/// A manifest of models in TOML, as an imported model has one.
pub fn manifest(bytes: &[u8]) {
    match Manifest::parse(&String::from_utf8_lossy(bytes)) {
        Ok(manifest) => manifest
            .models
            .iter()
            .for_each(|model| assert!(model.bytes() < u64::MAX || !model.files.is_empty())),
        Err(error) => shown(&error),
    }
}

fn shown(error: &impl ToString) {
    assert!(!error.to_string().is_empty());
}

fn open_packed(bytes: &[u8]) {
    let file = match on_disk(bytes, PackedFile::open) {
        Ok(file) => file,
        Err(error) => return shown(&error),
    };
    let _ = file.verify();
    let origin = file.origin().clone();
    match moonshine::packed::load::<AttentionGreedy>(&file, &origin) {
        Ok((model, tokens)) => {
            run(&model);
            spell(&tokens, tokens.len());
        }
        Err(error) => shown(&error),
    }
    match emformer::packed::load::<TransducerGreedy>(&file, &origin) {
        Ok((model, tokens)) => {
            run(&model);
            if model.has_ctc() {
                run(&model.decoded_by::<CtcGreedy>());
            }
            spell(&tokens, tokens.tokenizer().len());
        }
        Err(error) => shown(&error),
    }
}

/// The same packed file with lengths and the hash of its fields as they should be, if it is long enough to have any.
fn honest(bytes: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 64;
    let fields = usize::try_from(u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?)).ok()?;
    let end = HEADER.checked_add(fields)?;
    let sections = bytes.len().checked_sub(end.checked_next_multiple_of(4096)?)?;
    let mut honest = bytes.to_vec();
    honest[24..32].copy_from_slice(&(sections as u64).to_le_bytes());
    honest[32..HEADER].copy_from_slice(&Sha256::digest(&bytes[HEADER..end]));
    Some(honest)
}

/// Transcribes a quarter of a second, if the network is small.
fn run(model: &impl Model) {
    let memory = model.working_memory(1);
    if memory.is_some_and(|memory| memory.parts.saturating_add(memory.span) <= MAX_RUN_BYTES) {
        let samples: Vec<i16> = (0..4_000i16).map(|i| i.wrapping_mul(2_654).rotate_left(7) / 4).collect();
        transcribe_tokens(model, &samples);
    }
}

fn spell(vocabulary: &impl Vocabulary, len: usize) {
    let ids: Vec<u32> = (0..len as u32 + 2).chain([u32::MAX]).collect();
    vocabulary.text(&ids);
    ids.iter().filter(|&&id| vocabulary.begins_word(id)).count();
    for text in ["", "so many words", "\u{2581}é\u{1F600} a"] {
        vocabulary.encode(text);
    }
}

fn walk(graph: &Graph) {
    for node in graph.nodes() {
        for value in node.inputs.iter().chain(&node.outputs) {
            graph.reached_from(value, |_| true, |node| node.operator == "none");
            graph.leading_to(value, |_| true, |node| node.operator == "none");
            graph.describe_consumers(value);
        }
    }
}

fn drain(reader: Result<Reader, AudioError>) {
    let mut given = 0;
    let end = reader.and_then(|mut reader| {
        while let Some(block) = reader.next_block()? {
            given += block.len();
            if given > MAX_READ_SAMPLES {
                break;
            }
        }
        reader.warnings().iter().for_each(|warning| shown(&warning));
        Ok(())
    });
    if let Err(error) = end {
        shown(&error);
    }
}

thread_local! {
    static SCRATCH: RefCell<Option<tempfile::NamedTempFile>> = const { RefCell::new(None) };
}

/// What `read` makes of a file that holds `bytes`; the next call on the same thread replaces it.
fn on_disk<T>(bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        let file = scratch.get_or_insert_with(|| tempfile::NamedTempFile::new().unwrap());
        replace(file.as_file_mut(), bytes).unwrap();
        read(file.path())
    })
}

/// Makes `bytes` the content of a file that stays open: file systems wait for the disk where one that was emptied is closed.
pub fn replace(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.rewind()?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}
