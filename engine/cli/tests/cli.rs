//! The `voxlane` command from outside: what it prints, where, and its exit codes.
#![allow(clippy::print_stdout, reason = "says that recordings are absent")]

#[path = "cli/damage.rs"]
mod damage;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/live_ends.rs"]
mod live_ends;
#[path = "cli/live_input.rs"]
mod live_input;
#[cfg(unix)]
#[path = "cli/results.rs"]
mod results;
#[cfg(unix)]
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/streaming.rs"]
mod streaming;
#[cfg(unix)]
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/tools.rs"]
mod tools;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use tools::{
    SAMPLE_TEXT, command, configs, fixture, model, path, run, sample, sample_values, without_near_tie,
    write_f32_wav, write_i16_wav,
};
use voxlane::StageKind;

#[test]
fn without_a_file_the_sample_is_transcribed_and_the_latency_reported() {
    model();
    let said = run(&["transcribe"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let mut lines = said.out.lines();
    assert_eq!(lines.next(), Some(SAMPLE_TEXT));
    let allowed = voxlane_runtime::host::allowed_cores().unwrap();
    for stage in StageKind::CHAIN {
        let row =
            said.out.lines().find(|line| line.contains(stage.name()) && line.contains("service")).unwrap();
        let core: usize = row.split_whitespace().nth(2).unwrap().parse().unwrap();
        assert!(allowed.contains(&core), "{row}");
    }
    let files: Vec<_> = said.out.lines().filter(|line| line.ends_with("beckett.wav")).collect();
    assert_eq!(files.len(), 1, "{}", said.out);
    assert!(files[0].trim_start().starts_with("9.963 "), "{}", files[0]);
    assert!(said.out.contains("final_after_endpoint"));
}

#[test]
fn json_has_the_documented_fields() {
    let said = run(&["transcribe", "--format", "json"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(said.out.lines().count(), 1);
    let line: Value = serde_json::from_str(&said.out).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut wanted = ["file", "text", "tokens", "audio_s", "wall_s", "rtf", "segments", "latency_ms"];
    let mut at = wanted.map(|key| said.out.find(&format!("\"{key}\":")).unwrap());
    assert!(at.is_sorted(), "{}", said.out);
    at.sort_unstable();
    wanted.sort_unstable();
    let mut found = keys(&line);
    found.sort_unstable();
    assert_eq!(found, wanted);
    assert_eq!(line["text"], SAMPLE_TEXT);
    let number = |value: &Value| value.as_f64().unwrap();
    let tokens = line["tokens"].as_array().unwrap();
    assert!(
        tokens.len() > 10 && tokens.iter().all(|token| token.as_u64().unwrap() > 2),
        "{}",
        line["tokens"]
    );
    assert_eq!(number(&line["audio_s"]), 9.963375);
    let rtf = number(&line["wall_s"]) / 9.963375;
    assert!((number(&line["rtf"]) - rtf).abs() < 1e-5 && rtf > 0.0, "{line}");
    assert_eq!(line["segments"].as_array().unwrap().len(), 1);
    let segment = &line["segments"][0];
    // The times are those of speech.
    let (start, end) = (number(&segment["start"]), number(&segment["end"]));
    assert!((0.0..0.5).contains(&start) && (8.5..9.963375).contains(&end), "{start} {end}");
    assert_eq!(segment["text"], SAMPLE_TEXT);
    let latency = &line["latency_ms"];
    let (total, queue, compute) = (&latency["total"], &latency["queue"], &latency["compute"]);
    assert!(number(compute) > 0.0 && number(queue) >= 0.0, "{line}");
    // What is left is the audio behind the last speech.
    let rest = number(total) - number(queue) - number(compute);
    assert!((-0.01..1500.0).contains(&rest), "{line}");
}

#[test]
fn bad_files_are_named_in_order_and_the_others_finish() {
    let folder = tempfile::tempdir().unwrap();
    let truncated = folder.path().join("truncated.wav");
    let bytes = fs::read(sample()).unwrap();
    fs::write(&truncated, &bytes[..bytes.len() / 2]).unwrap();
    let nan = folder.path().join("nan.wav");
    write_f32_wav(&nan, 16_000, 1, &[0.0, 0.1, f32::NAN, 0.2]);
    let files = [
        sample(),
        folder.path().join("missing.wav"),
        fixture("tone-44100-stereo-24bit.flac"),
        truncated,
        nan,
        fixture("tone-44100-stereo-24bit.flac"),
        sample(),
    ];
    let files = files.map(|file| path(&file));
    let args =
        [&["transcribe", "--format", "json", "--jobs", "3"], &files.each_ref().map(String::as_str)[..]];
    let said = run(&args.concat());
    assert_eq!(said.code, 1, "{}", said.err);
    let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named: Vec<_> = lines.iter().map(|line| line["file"].as_str().unwrap()).collect();
    assert_eq!(named, files);
    for (index, words) in [(1, "No such file"), (3, "truncated"), (4, "NaN")] {
        let object = lines[index].as_object().unwrap();
        assert_eq!(object.len() == 2, index == 1, "{object:?}");
        assert!(object["error"].as_str().unwrap().contains(words), "{object:?}");
        assert!(said.err.contains(&files[index]), "{}", said.err);
    }
    for index in [0, 6] {
        assert_eq!(lines[index]["text"], SAMPLE_TEXT);
    }
    assert!(lines[3]["text"].as_str().unwrap().starts_with("Ever"), "{}", lines[3]);
    assert_eq!(lines[5]["audio_s"], 0.15);
    assert!(
        said.err.contains("\nerror: files: 3 of 7 could not be transcribed to the end\nhint: "),
        "{}",
        said.err
    );
}

#[test]
fn subtitles_have_readable_cues_with_the_times_of_words() {
    for (format, point, header) in [("srt", ',', ""), ("vtt", '.', "WEBVTT\n\n")] {
        let said = run(&["transcribe", "--format", format, "--report"]);
        let cues = said.out.strip_prefix(header).unwrap();
        let mut words = Vec::new();
        let mut last = 0.0;
        for cue in cues.split_terminator("\n\n") {
            let mut lines = cue.lines().skip(usize::from(format == "srt"));
            let (start, end) = lines.next().unwrap().split_once(" --> ").unwrap();
            let seconds = |time: &str| {
                let parts = time.split([':', point]).map(|part| part.parse::<f64>().unwrap());
                parts.zip([3600.0, 60.0, 1.0, 0.001]).map(|(part, unit)| part * unit).sum::<f64>()
            };
            let (start, end) = (seconds(start), seconds(end));
            assert!(start >= last && end > start && end - start <= 7.0, "{cue}");
            last = end;
            let lines: Vec<_> = lines.collect();
            assert!(lines.len() <= 2 && lines.iter().all(|line| line.len() <= 42), "{cue}");
            words.extend(lines.iter().flat_map(|line| line.split(' ')));
        }
        assert_eq!(without_near_tie(&words.join(" ")), SAMPLE_TEXT);
        assert!((8.0..10.0).contains(&last), "{last}");
        assert!(said.err.contains("encoder") && said.err.contains("p99.9"), "{}", said.err);
    }
    let said = run(&["transcribe", "--format", "srt", "--cue-lines", "1", "--cue-columns", "12"]);
    let texts = said.out.lines().filter(|line| line.contains(char::is_alphabetic));
    assert!(texts.clone().count() >= 6 && texts.clone().all(|line| line.len() <= 12), "{}", said.out);
}

#[test]
fn rate_channels_and_sample_format_do_not_change_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let rows = sample_values();
    // Three samples for one, on straight lines; what that adds above 8 kHz is for the resampler to remove.
    let last = rows.len() - 1;
    let between = |at: usize, third: usize| {
        let (from, to) = (f32::from(rows[at]), f32::from(rows[(at + 1).min(last)]));
        (from + (to - from) * third as f32 / 3.0) / 32_768.0
    };
    let mono = (0..rows.len()).flat_map(|at| (0..3).map(move |third| (at, third)));
    // Left and right differ; their mean is the recording.
    let stereo: Vec<f32> = mono
        .flat_map(|(at, third)| {
            let value = between(at, third);
            [value * 1.5, value * 0.5]
        })
        .collect();
    let wide = folder.path().join("wide.wav");
    write_f32_wav(&wide, 48_000, 2, &stereo);
    let said = run(&["transcribe", &path(&wide)]);
    assert_eq!((said.out.trim_end(), said.code), (SAMPLE_TEXT, 0), "{}", said.err);
}

#[test]
fn long_recordings_come_out_as_ordered_segments() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.wav");
    write_i16_wav(&long, &sample_values().repeat(5));
    let said = run(&["transcribe", "--format", "json", &path(&long)]);
    let line: Value = serde_json::from_str(&said.out).unwrap();
    let segments = line["segments"].as_array().unwrap();
    let times: Vec<_> =
        segments.iter().map(|s| (s["start"].as_f64().unwrap(), s["end"].as_f64().unwrap())).collect();
    assert!(times.len() >= 2 && times.iter().all(|(start, end)| end - start <= 30.0), "{times:?}");
    let audio_s = line["audio_s"].as_f64().unwrap();
    assert!(times[0].0 < 0.5 && (audio_s - 1.5..audio_s).contains(&times.last().unwrap().1), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{times:?}");
    let texts: Vec<_> = segments.iter().map(|segment| segment["text"].as_str().unwrap()).collect();
    let said: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    assert_eq!(line["text"], said.join(" "));
    // Of recordings that repeat themselves the network, in f32 too, sometimes says nothing at all.
    assert!(said.iter().any(|text| text.contains("again")), "{said:?}");
}

#[test]
fn histograms_are_written_as_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("out.hlog");
    let said = run(&["transcribe", "--hlog", &path(&log), &path(&sample())]);
    assert_eq!((said.out.trim_end(), said.code), (SAMPLE_TEXT, 0), "{}", said.err);
    let text = fs::read_to_string(&log).unwrap();
    for stage in StageKind::CHAIN {
        assert!(text.contains(&format!("Tag=lane0.{}.service,", stage.name())), "{text}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("typo.toml");
    fs::write(&file, "model = \"moonshine-tiny\"\n\n[[lane]]\nslot = 3\n").unwrap();
    for args in [&["config", "check", &path(&file)][..], &["transcribe", "--config", &path(&file)]] {
        let said = run(args);
        assert_eq!((said.code, said.out.as_str()), (2, ""));
        assert!(
            said.err.starts_with(&format!("error: {}:4: unknown field `slot`", path(&file))),
            "{}",
            said.err
        );
        assert_eq!(said.err.lines().count(), 2, "{}", said.err);
    }
}

#[test]
fn a_core_that_does_not_exist_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cores.toml");
    let cores = "{ ingest = 0, features = 0, encoder = 4000, decoder = 0, emit = 0 }";
    fs::write(&file, format!("[[lane]]\ncores = {cores}\n")).unwrap();
    for args in [&["config", "check", &path(&file)][..], &["transcribe", "--config", &path(&file)]] {
        let said = run(args);
        assert_eq!(said.code, 2, "{}", said.err);
        let wanted = format!("error: {}:2: core 4000: not in this machine (expected one of ", path(&file));
        assert!(said.err.starts_with(&wanted), "{}", said.err);
    }
}

#[test]
fn what_the_model_cannot_do_is_found_for_another_machine_too() {
    model();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    for (text, words) in [
        ("[endpoint]\nblank_ms = 500\n", "endpoint.blank_ms = 500"),
        ("model = \"commands\"\n[[hotword]]\nphrase = \"zyxq\"\n", "hotword \"zyxq\""),
    ] {
        fs::write(&file, text).unwrap();
        let said = run(&["config", "check", &path(&file), "--cores", "8"]);
        assert!(said.code == 2 && said.err.contains(words), "{} {}", said.code, said.err);
    }
}

#[test]
fn the_deployments_that_are_shipped_are_right() {
    model();
    for (file, cores, threads) in [
        ("laptop.toml", "2", 2),
        ("live.toml", "2", 2),
        ("dedicated.toml", "8", 5),
        ("single-core.toml", "1", 1),
    ] {
        let said = run(&["config", "check", &path(&configs().join(file)), "--cores", cores]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{file}");
        assert!(said.out.starts_with(&format!("lane 0: threads {threads},")), "{}", said.out);
        assert_eq!(said.out.lines().filter(|line| line.starts_with("  core ")).count(), threads);
        assert!(said.out.contains("model moonshine-tiny: loaded"), "{}", said.out);
        // What a file states differs from what holds without it: everything else `config show` prints.
        let text = fs::read_to_string(configs().join(file)).unwrap();
        let (stated, shown) = (text.parse::<toml::Table>().unwrap(), run(&["config", "show"]).out);
        let default = shown.parse::<toml::Table>().unwrap();
        for (table, stated) in &stated {
            let (stated, default) = match (stated, &default[table]) {
                (toml::Value::Array(lanes), toml::Value::Array(default)) => (&lanes[0], &default[0]),
                pair => pair,
            };
            for (field, value) in stated.as_table().into_iter().flatten() {
                assert_ne!(default.get(field), Some(value), "{file}: {table}.{field}");
            }
        }
    }
}

#[test]
fn a_configuration_for_this_machine_is_checked_by_starting_it() {
    model();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("here.toml");
    fs::write(&file, run(&["config", "show"]).out).unwrap();
    let said = run(&["config", "check", &path(&file)]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains("every thread pinned and started"), "{}", said.out);
    // The same file then serves.
    let said = run(&["transcribe", "--config", &path(&file), &path(&sample())]);
    assert_eq!((said.out.trim_end(), said.code), (SAMPLE_TEXT, 0), "{}", said.err);
}

#[test]
fn a_tampered_model_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("models").join("moonshine-tiny");
    fs::create_dir_all(&folder).unwrap();
    for (name, file) in model().iter() {
        fs::copy(file, folder.join(name)).unwrap();
    }
    let tokenizer = folder.join("tokenizer.json");
    let mut bytes = fs::read(&tokenizer).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&tokenizer, bytes).unwrap();
    for args in [&["transcribe", "--offline"][..], &["models", "verify", "moonshine-tiny"]] {
        let said = tools::output(command(args).env("VOXLANE_CACHE", cache.path()));
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{}", said.err);
        assert!(said.err.starts_with(&format!("error: {}: damaged", path(&tokenizer))), "{}", said.err);
    }
}

#[test]
fn offline_with_an_empty_cache_is_a_missing_model() {
    let cache = tempfile::tempdir().unwrap();
    let said = tools::output(command(&["transcribe", "--offline"]).env("VOXLANE_CACHE", cache.path()));
    assert_eq!((said.code, said.out.as_str()), (3, ""));
    let lines: Vec<_> = said.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", said.err);
    assert!(lines[0].starts_with("error: model moonshine-tiny: "), "{}", said.err);
    assert!(lines[1].starts_with("hint: run `voxlane models fetch moonshine-tiny`"), "{}", said.err);
    assert!(lines[1].contains("`voxlane models --from DIR fetch moonshine-tiny`"), "{}", said.err);
    // A configuration can be checked before its model is there.
    let file = path(&configs().join("single-core.toml"));
    let said = tools::output(
        command(&["config", "check", &file, "--cores", "1"]).env("VOXLANE_CACHE", cache.path()),
    );
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("not in the cache"), "{}", said.out);
}

#[test]
fn wrong_usage_is_one_line_and_a_hint() {
    let laptop = path(&configs().join("laptop.toml"));
    for (args, words) in [
        (&[][..], "subcommand"),
        (&["transcribe", "--frmat", "json"], "--frmat"),
        (&["transcribe", "--precision", "f17"], "f17"),
        (&["transcribe", "--model", "nobody"], "nobody"),
        (&["transcribe", "--format", "srt", "a.wav", "b.wav"], "several files"),
        (&["transcribe", "--format", "text", "--words"], "--words"),
        (&["transcribe", "--format", "text", "--cue-lines", "2"], "--cue-lines"),
        (&["transcribe", "--format", "srt", "--cue-seconds", "0"], "0.5 to 60"),
        (&["transcribe", "--channel", "0"], "'0'"),
        (&["transcribe", "--channels", "separate", "-"], "read only once"),
        (&["transcribe", "-", "-"], "more than once"),
        (&["transcribe", "--overwrite"], "--output"),
        (&["transcribe", "--jobs", "0"], "'0'"),
        (&["transcribe", "--jobs", "1000"], "--jobs 1000"),
        (&["transcribe", "--config", "/no/such/file.toml"], "/no/such/file.toml"),
        (&["transcribe", "--hlog", "/no/such/folder/out.hlog"], "/no/such/folder"),
        (&["config", "check", &laptop, "--cores", "0"], "'0'"),
        (&["config", "check", &laptop, "--cores", "1"], "core 1: not in this machine"),
    ] {
        let said = run(args);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{args:?}");
        let lines: Vec<_> = said.err.lines().collect();
        assert_eq!(lines.len(), 2, "{}", said.err);
        assert!(lines[0].starts_with("error: ") && lines[0].contains(words), "{}", said.err);
        assert!(lines[1].starts_with("hint: "), "{}", said.err);
    }
    for (args, meant) in [
        (&["transcribe", "--frmat", "json"][..], "hint: a similar argument exists: '--format'; "),
        (&["transcrib"], "hint: a similar subcommand exists: 'transcribe'; "),
        (&["transcribe", "--format", "jso"], "'json'"),
    ] {
        assert!(run(args).err.contains(meant), "{}", run(args).err);
    }
    for (variable, value) in [("VOXLANE_ISA", "sse9"), ("VOXLANE_LOG", "voxlane=loud")] {
        let said = tools::output(command(&["config", "show"]).env(variable, value));
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{variable}");
        assert!(said.err.contains(variable) && said.err.contains("hint: "), "{}", said.err);
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    model();
    let many = vec![path(&sample()); 8];
    let args = [
        &["transcribe", "--format", "json", "--jobs", "1"],
        &many.iter().map(String::as_str).collect::<Vec<_>>()[..],
    ]
    .concat();
    let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(without_near_tie(&lines.next().unwrap().unwrap()).contains(SAMPLE_TEXT));
    drop(lines);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
}

#[test]
fn help_version_and_doctor_succeed() {
    for (args, words) in [
        (&["--help"][..], "Exit codes"),
        (&["--version"], "voxlane "),
        (&["--licenses"], "serde 1."),
        (&["transcribe", "--help"], "--precision"),
        (&["doctor", "--watch", "0"], "isolated cores"),
        (&["models", "list"], "moonshine-tiny"),
    ] {
        let said = run(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?}");
        assert!(said.out.contains(words), "{}", said.out);
    }
}

#[test]
fn the_readme_shows_the_embed_example_as_it_is() {
    let root = configs().join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let example = fs::read_to_string(root.join("engine/voxlane/examples/embed.rs")).unwrap();
    assert!(example.lines().count() < 40);
    assert!(readme.contains(&example), "README.md and engine/voxlane/examples/embed.rs differ");
    assert!(without_near_tie(&readme).contains(SAMPLE_TEXT));
    let ci = fs::read_to_string(root.join(".ci/run")).unwrap();
    assert!(readme.contains("cargo test --workspace") && ci.contains("\ncargo test --workspace\n"));
}
