#![no_main]

#[allow(dead_code, reason = "one function a target")]
#[path = "../../tests/parsers/functions.rs"]
mod functions;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| functions::sentencepiece(bytes));
