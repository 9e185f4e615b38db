//! Configuration files: what is wrong is named with its line, and no text makes the reader panic.

use proptest::prelude::*;
use voxlane::Config;
use voxlane::config::{ConfigError, LaneConfig, Profile, Source, Topology, WaitKind};

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
    assert_eq!((config.warm.after_ms, config.lanes[0].slots), (20, 3));
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
        ("[[lane]]\nslots = 0\n", "lane.slots"),
        ("[[lane]]\nstep_us = 1\n", "lane.step_us"),
        ("[[lane]]\naudio_ms = 1\n", "lane.audio_ms"),
        ("[[lane]]\nevents = 1\n", "lane.events"),
        ("[warm]\nduty = 0.0\n", "warm.duty"),
        ("[warm]\nduty = nan\n", "warm.duty"),
        ("[segment]\ncut_from_s = 30.0\n", "segment.cut_from_s"),
        ("[segment]\ncut_from_s = nan\n", "segment.cut_from_s"),
        ("[segment]\ncut_by_s = nan\n", "segment.cut_by_s"),
        ("[supervise]\nwatchdog_ms = 20\n", "supervise.watchdog_ms"),
        ("[supervise]\nwatchdog_ms = 400\n[[lane]]\nstep_us = 500000\n", "supervise.watchdog_ms"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(&error, ConfigError::Value { field: named, .. } if *named == field), "{error}");
    }
}

/// `endpoint.silence_without_speech_ms = 600: silence_ms to 60000` meant nothing to a reader.
#[test]
fn a_relation_names_both_fields_and_the_line_of_the_one_that_is_stated() {
    for (text, expected) in [
        (
            "[endpoint]\nsilence_ms = 800\n",
            "lane.toml:2: endpoint.silence_without_speech_ms = 600: must be at least endpoint.silence_ms (800)",
        ),
        (
            "[endpoint]\n\nsilence_without_speech_ms = 200\n",
            "lane.toml:3: endpoint.silence_without_speech_ms = 200: must be at least endpoint.silence_ms (300)",
        ),
        (
            "[endpoint]\ntrail_ms = 400\n",
            "lane.toml:2: endpoint.trail_ms = 400: must be at most endpoint.silence_ms (300)",
        ),
        (
            "endpoint = { release = 0.5 }\n",
            "lane.toml:1: endpoint.release = 0.5: must be at most endpoint.threshold (0.4)",
        ),
        (
            "[segment]\ncut_by_s = 10\n",
            "lane.toml:2: segment.cut_from_s = 20: must be from 0 to segment.cut_by_s - 0.5 (9.5)",
        ),
        (
            "[[lane]]\n[[lane]]\nstep_us = 500_000\n",
            "lane.toml:3: supervise.watchdog_ms = 2000: must be at least 10 × lane.step_us (500000 µs), which is 5000",
        ),
        ("[[lane]]\n[[lane]]\nslots = 0\n", "lane.toml:3: lane.slots = 0: must be from 1 to 4096"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected);
    }
}

/// It overflowed, which panics in builds that check for that.
#[test]
fn audio_ms_overflow_is_refused_with_the_range() {
    for (value, message) in [
        (1_u64 << 60, "lane.toml:2: lane.audio_ms = 1152921504606846976: must be from 40 to 600000"),
        (i64::MAX as u64, "lane.toml:2: lane.audio_ms = 9223372036854775807: must be from 40 to 600000"),
    ] {
        let error = parse(&format!("[[lane]]\naudio_ms = {value}\n")).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    // What is of that kind: every whole number of the file at its largest is refused or does no harm.
    let everything = toml::to_string(&Profile::Live.config()).unwrap();
    for line in everything.lines() {
        let Some((name, value)) = line.split_once(" = ") else { continue };
        if value.parse::<i64>().is_ok() {
            let largest = everything.replace(line, &format!("{name} = {}", i64::MAX));
            if let Ok(source) = parse(&largest) {
                let _ = source.placement(&Topology::with_cores(2));
            }
        }
    }
}

#[test]
fn a_value_that_was_changed_since_is_not_said_to_stand_in_the_file() {
    let mut source = parse("[endpoint]\nsilence_ms = 300\n").unwrap();
    source.config.endpoint.silence_ms = 5;
    let error = source.placement(&Topology::with_cores(2)).unwrap_err().to_string();
    assert_eq!(error, "configuration: endpoint.silence_ms = 5: must be from 32 to 10000");
}

#[test]
fn a_file_lies_over_the_values_of_its_profile() {
    let plain = |config: &Config| toml::to_string(config).unwrap();
    let text = "[endpoint]\nspeech_ms = 99\n[[lane]]\nslots = 9\n[[lane]]\n";
    for profile in [Profile::Manual, Profile::Recordings, Profile::Live] {
        let mut expected = profile.config();
        expected.endpoint.speech_ms = 99;
        expected.lanes = vec![LaneConfig::with_slots(9), LaneConfig::default()];
        let source = Source::parse_as(text.into(), None, profile).unwrap();
        assert_eq!(plain(&source.config), plain(&expected));
        // A file's own word counts more than its reader's.
        let named = Source::parse(format!("profile = \"{profile}\"\n{text}"), None).unwrap();
        assert_eq!(plain(&named.config), plain(&expected));
        assert_eq!(named.profile(), profile);
    }
    let error = parse("model = \"m\"\nprofile = \"lively\"\n").unwrap_err().to_string();
    assert!(error.starts_with("lane.toml:2: ") && error.contains("recordings"), "{error}");
}

#[test]
fn an_unknown_field_is_named_with_all_that_there_are() {
    let error = parse("model = \"m\"\nslots = 8\n").unwrap_err().to_string();
    let begin = "lane.toml:2: unknown field `slots` (expected one of `profile`, `model`, `precision`, ";
    assert!(error.starts_with(begin), "{error}");
    for key in toml::Table::try_from(Config::live()).unwrap().keys() {
        assert!(error.contains(&format!("`{key}`")), "{key}: {error}");
    }
    let error = parse("[warm]\nduties = 1\n").unwrap_err().to_string();
    let known = "`enabled`, `after_ms`, `duty`, `stop_after_s`";
    assert_eq!(error, format!("lane.toml:2: unknown field `duties` (expected one of {known})"));
    let error = parse("model = 3\n").unwrap_err().to_string();
    assert_eq!(error, "lane.toml:1: invalid type: integer `3` (expected a string)");
}

#[cfg(unix)]
#[test]
fn a_file_without_end_or_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.toml");
    std::fs::write(&long, "#".repeat((1 << 20) + 1)).unwrap();
    for (path, problem) in [
        (&*long, "too long for a configuration (expected at most 1048576 bytes)"),
        (folder.path(), "found a directory or a device"),
        ("/dev/zero".as_ref(), "found a directory or a device"),
    ] {
        let error = Config::load(path).unwrap_err().to_string();
        assert!(error.contains(problem) && error.starts_with(path.to_str().unwrap()), "{error}");
    }
    // A pipe is what a shell gives for `<(...)`.
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, "model = \"piped\"\n").unwrap()
    });
    assert_eq!(Config::load(&pipe).unwrap().config.model, "piped");
    writer.join().unwrap();
}

#[test]
fn a_configuration_made_by_a_program_is_checked_too() {
    let mut source = Source::default();
    source.config.segment.cut_by_s = 0.0;
    let error = source.placement(&Topology::with_cores(2)).unwrap_err();
    assert!(matches!(error, ConfigError::Value { field: "segment.cut_by_s", .. }), "{error}");
    source = Source::default();
    source.config.lanes[0].step_us = 0;
    let error = source.placement(&Topology::with_cores(2)).unwrap_err();
    assert!(matches!(error, ConfigError::Value { field: "lane.step_us", .. }), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load("no/such.toml".as_ref()).unwrap_err();
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
