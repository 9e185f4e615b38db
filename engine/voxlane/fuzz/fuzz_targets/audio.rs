#![no_main]

#[allow(dead_code, reason = "one function a target")]
#[path = "../../tests/parsers/functions.rs"]
mod functions;

// The library catches what panics in a decoder; libFuzzer's hook would end the process before. What nobody catches still
// ends it.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    functions::audio(bytes)
});
