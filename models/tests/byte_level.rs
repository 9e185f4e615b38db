//! Byte-level vocabularies spell and join as the `tokenizers` library does (`bench/peers/byte_level_reference.py` made the cases).
#![cfg(feature = "tokenizer-json")]
#![expect(clippy::print_stdout, reason = "an absent vocabulary is to be seen")]

use proptest::prelude::*;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use voxlane_models::tokenizers::vocabulary::Vocabulary;
use voxlane_models::tokenizers::{ByteLevel, TokenizerError};

#[derive(Deserialize)]
struct Case {
    /// None where only the way back is asked for.
    text: Option<String>,
    ids: Vec<u32>,
    decoded: String,
}

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/byte_level").join(file)
}

fn tokenizer() -> ByteLevel {
    ByteLevel::from_json_file(&data("tokenizer.json")).unwrap()
}

fn check(tokenizer: &ByteLevel, cases: &Path) {
    let cases: Vec<Case> = serde_json::from_str(&fs::read_to_string(cases).unwrap()).unwrap();
    assert!(cases.len() > 20);
    for Case { text, ids, decoded } in cases {
        if let Some(text) = &text {
            assert_eq!(tokenizer.encode(text), ids, "{text:?}");
        }
        assert_eq!(tokenizer.text(&ids), decoded, "{ids:?} of {text:?}");
    }
}

#[test]
fn texts_are_spelled_and_joined_as_in_the_reference() {
    check(&tokenizer(), &data("cases.json"));
}

/// Whisper's own vocabulary, where somebody has it and its cases: `VOXLANE_BYTE_LEVEL=tokenizer.json:cases.json`.
#[test]
fn a_vocabulary_that_is_given_is_the_references_too() {
    let Ok(files) = std::env::var("VOXLANE_BYTE_LEVEL") else {
        println!("skipped: VOXLANE_BYTE_LEVEL is not set");
        return;
    };
    let (tokenizer, cases) = files.split_once(':').unwrap();
    check(&ByteLevel::from_json_file(Path::new(tokenizer)).unwrap(), Path::new(cases));
}

#[test]
fn special_pieces_give_no_text_and_are_not_spelled() {
    let tokenizer = tokenizer();
    let end = tokenizer.special("<|endoftext|>").unwrap();
    assert_eq!(tokenizer.special("the"), None);
    let ids = tokenizer.encode("<|endoftext|>");
    assert!(!ids.contains(&end));
    assert_eq!(tokenizer.text(&ids), "<|endoftext|>");
    assert_eq!(tokenizer.text(&[end, u32::MAX]), "");
}

#[test]
fn other_files_are_refused() {
    let read = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut file: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(data("tokenizer.json")).unwrap()).unwrap();
        edit(&mut file);
        ByteLevel::from_json(Path::new("t.json"), file.to_string().as_bytes())
    };
    assert!(read(&|_| {}).is_ok());
    let refused = |edit: &dyn Fn(&mut serde_json::Value)| read(edit).unwrap_err();
    for edit in [
        &(|file: &mut serde_json::Value| file["decoder"]["type"] = "Metaspace".into())
            as &dyn Fn(&mut serde_json::Value),
        &|file| file["pre_tokenizer"]["add_prefix_space"] = true.into(),
        &|file| file["model"]["type"] = "WordPiece".into(),
        &|file| file["model"]["merges"] = serde_json::json!(["th zz9"]),
        &|file| file["model"]["vocab"]["\u{4e00}"] = 7.into(),
    ] {
        assert!(matches!(refused(edit), TokenizerError::Rules { .. }), "{}", refused(edit));
    }
    let far = refused(&|file| file["added_tokens"][0]["id"] = 4_000_000_000u32.into());
    assert!(matches!(far, TokenizerError::Id { .. }), "{far}");
    assert!(matches!(refused(&|file| file["model"] = 3.into()), TokenizerError::Damaged { .. }));
}

proptest! {
    #[test]
    fn any_text_comes_back(text in "\\PC*|[ \t\n\r'a-z0-9]{0,40}") {
        let tokenizer = tokenizer();
        prop_assert_eq!(tokenizer.text(&tokenizer.encode(&text)), text);
    }
}
