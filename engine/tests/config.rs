//! Configuration files: what is wrong is named with its line, and no text makes the reader panic.

use proptest::prelude::*;
use voxlane::config::{ConfigError, Source, Topology, WaitKind};

fn parse(text: &str) -> Result<Source, ConfigError> {
    Source::parse(text.to_owned(), Some("lane.toml".into()))
}

const GOOD: &str = "\
model = \"moonshine-tiny\"
precision = \"f32\"

[warm]
after_ms = 20

[[lane]]
slots = 3
wait = \"spin\"
cores = { ingest = 0, features = 0, encoder = 1, decoder = 1, emit = 0 }
";

#[test]
fn a_good_file_is_understood() {
    let config = parse(GOOD).unwrap().config;
    assert_eq!((config.warm.after_ms, *config.lanes[0].slots.get_ref()), (20, 3));
    assert_eq!(config.lanes[0].wait, WaitKind::Spin);
}

#[test]
fn an_empty_file_is_the_default() {
    let source = parse("").unwrap();
    assert_eq!(source.config.lanes.len(), 1);
    assert!(source.placement(&Topology::of_host()).is_ok());
}

#[test]
fn unknown_keys_wrong_types_and_syntax_errors_are_named_with_their_line() {
    for (line, text, names) in [
        (2, "model = \"m\"\nmodle = \"m\"\n", "modle"),
        (3, "\n[warm]\nafter_ms = \"soon\"\n", "invalid type"),
        (2, "[[lane]]\nwait = \"sleep\"\n", "sleep"),
        (1, "model = \n", ""),
        (3, "[[lane]]\nslots = 2\ncores = { ingest = 0 }\n", "features"),
    ] {
        let message = parse(text).unwrap_err().to_string();
        assert!(message.starts_with(&format!("lane.toml:{line}: ")), "{message}");
        assert!(message.contains(names), "{message}");
    }
}

#[test]
fn values_out_of_range_are_named() {
    for (text, field) in [
        ("lane = []\n", "lane"),
        ("[[lane]]\nslots = 0\n", "slots"),
        ("[[lane]]\nstep_us = 1\n", "step_us"),
        ("[[lane]]\naudio_ms = 1\n", "audio_ms"),
        ("[[lane]]\nevents = 1\n", "events"),
        ("[warm]\nduty = 0.0\n", "warm.duty"),
        ("[warm]\nduty = nan\n", "warm.duty"),
        ("[segment]\ncut_from_s = 30.0\n", "segment"),
        ("[segment]\ncut_by_s = nan\n", "segment"),
        ("[supervise]\nwatchdog_ms = 20\n", "supervise.watchdog_ms"),
        ("[supervise]\nwatchdog_ms = 400\n[[lane]]\nstep_us = 500000\n", "supervise.watchdog_ms"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(&error, ConfigError::Value { field: named, .. } if *named == field), "{error}");
    }
}

#[test]
fn a_configuration_made_by_a_program_is_checked_too() {
    let mut source = Source::default();
    source.config.segment.cut_by_s = 0.0;
    let error = source.placement(&Topology::with_cores(2)).unwrap_err();
    assert!(matches!(error, ConfigError::Value { field: "segment", .. }), "{error}");
    source = Source::default();
    source.config.lanes[0].step_us = 0;
    let error = source.placement(&Topology::with_cores(2)).unwrap_err();
    assert!(matches!(error, ConfigError::Value { field: "step_us", .. }), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = voxlane::Config::load("no/such.toml".as_ref()).unwrap_err();
    assert!(error.to_string().starts_with("no/such.toml: "), "{error}");
}

proptest! {
    #[test]
    fn damaged_files_are_refused_or_understood(
        edits in prop::collection::vec((0usize..GOOD.len(), any::<u8>()), 1..20),
        cut in 0usize..GOOD.len(),
    ) {
        let mut bytes = GOOD.as_bytes().to_vec();
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        bytes.truncate(cut.max(1));
        if let Ok(source) = Source::parse(String::from_utf8_lossy(&bytes).into_owned(), None) {
            let _ = source.placement(&Topology::with_cores(2));
        }
    }

    #[test]
    fn any_text_is_refused_or_understood(text in "\\PC{0,200}") {
        let _ = Source::parse(text, None);
    }
}
