//! Codes of errors: each is itself, and documented as it is.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use voxlane::ErrorCode;

#[test]
fn numbers_rise_and_names_are_unlike() {
    assert!(ErrorCode::ALL.is_sorted_by_key(|code| code.number()));
    let numbers: HashSet<u16> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
    let names: HashSet<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
    assert_eq!((numbers.len(), names.len()), (ErrorCode::ALL.len(), ErrorCode::ALL.len()));
}

#[test]
fn the_page_lists_every_code() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let page = fs::read_to_string(page).unwrap();
    let documented: Vec<&str> = page.lines().filter(|line| line.contains("| `")).collect();
    let row = |code: &ErrorCode| format!("| {} | `{code}` | {} |", code.number(), code.meaning());
    let listed: Vec<String> = ErrorCode::ALL.iter().map(row).collect();
    assert_eq!(documented, listed);
}
