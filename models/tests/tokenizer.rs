//! Our detokenizer against the `tokenizers` library, on every golden transcript and on random ids.

use proptest::prelude::*;
use std::sync::LazyLock;
use voxlane_models::manager;
use voxlane_models::tokenizers::Tokenizer;

static BOTH: LazyLock<(Tokenizer, tokenizers::Tokenizer)> = LazyLock::new(|| {
    let files = manager::fetch("moonshine-tiny").expect("the model can be fetched");
    let path = files.path("tokenizer.json");
    (Tokenizer::from_json_file(path).unwrap(), tokenizers::Tokenizer::from_file(path).unwrap())
});

fn compare(ids: &[u32]) -> String {
    let ours = BOTH.0.decode(ids.iter().copied());
    assert_eq!(ours, BOTH.1.decode(ids, true).unwrap(), "{ids:?}");
    ours
}

#[test]
fn golden_transcripts_are_the_same() {
    let table = include_str!("golden/tokens.tsv");
    let rows = table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let mut count = 0;
    for row in rows {
        let ids = row[3].split(' ').map(|id| id.parse().unwrap()).collect::<Vec<u32>>();
        assert_eq!(compare(&ids), row[5], "{}", row[0]);
        count += 1;
    }
    assert_eq!(count, 120);
}

#[test]
fn every_id_alone_is_the_same() {
    assert_eq!(BOTH.0.len(), 32768);
    for id in 0..32768 {
        compare(&[id]);
        compare(&[450, id, 450]);
    }
}

/// Ids 3 to 258 are single bytes.
fn id() -> impl Strategy<Value = u32> {
    prop_oneof![0..32_780u32, 3..259u32, 0..3u32, Just(29871)]
}

proptest! {
    #[test]
    fn random_ids_are_the_same(ids in prop::collection::vec(id(), 0..24)) {
        compare(&ids);
    }
}
