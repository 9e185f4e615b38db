//! The sets of `voxlane-bench robustness`, small: three clips of each, and what must hold of them.

#![expect(clippy::print_stdout, reason = "absent recordings are to be seen")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use voxlane_bench::alignment::Errors;
use voxlane_bench::robustness::changes::changes;
use voxlane_bench::robustness::joined::Joined;
use voxlane_bench::robustness::lengths::LENGTHS;
use voxlane_bench::robustness::material::{Half, Material};
use voxlane_bench::robustness::record::Record;
use voxlane_bench::robustness::runner::{Defaults, Runner};
use voxlane_bench::robustness::sets::{BARE, Family, Plan, plans};
use voxlane_bench::robustness::spoken_word::{Verdict, judge};
use voxlane_bench::robustness::{nonspeech, table};
use voxlane_models::layers::linear::Precision;

const MODEL: &str = "moonshine-tiny";
const CLIPS: usize = 3;
const PADDING_SECONDS: f64 = 2.0;
/// Sentences of so many words: long enough to be worth a segment, short enough for a test.
const WORDS: std::ops::RangeInclusive<usize> = 8..=14;
const SEED: u64 = 1;

/// With a voice detector.
static DETECTED: LazyLock<Runner> =
    LazyLock::new(|| Runner::start(MODEL, Precision::Int8, Defaults::Recordings.config()).unwrap());

/// Three sentences and three words, where the recordings are there.
fn material() -> Option<Material> {
    let speech: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/speech");
    if !speech.is_dir() {
        println!("skipped: the recordings are absent");
        return None;
    }
    let mut material = Material::read(&speech).unwrap();
    material.clips.retain(|clip| WORDS.contains(&clip.transcript.split(' ').count()));
    // Letters alone are too hard for three of them to say anything.
    material.words.retain(|word| word.transcript.len() > 2);
    Some(material.thinned(CLIPS))
}

fn run(runner: &Runner, material: &Material, plan: &Plan) -> Vec<Record> {
    let records = runner.run(&plan.name, &plan.items(material, SEED).unwrap()).unwrap();
    assert_eq!(records.len(), CLIPS, "{}", plan.name);
    records
}

fn errors(records: &[Record]) -> Errors {
    records.iter().map(Record::errors).sum()
}

#[test]
fn treated_clips_keep_their_words() {
    let Some(material) = material() else { return };
    let plans = plans(PADDING_SECONDS);
    let bare = run(&DETECTED, &material, &plans[0]);
    let words = errors(&bare).words;
    assert!(words >= 24 && errors(&bare).total() < words / 5, "{bare:?}");
    let mut out = Vec::new();
    let treated = [
        "zeros, 2 s around",
        "white -60, 2 s around",
        "room -50, 2 s around",
        "room -40 over the clip",
        "room -40 over the clip and 2 s around",
    ];
    for name in treated {
        let plan = plans.iter().find(|plan| plan.name == name).unwrap();
        let records = run(&DETECTED, &material, plan);
        assert!(records.iter().all(|record| !record.is_empty()), "{records:?}");
        assert!(errors(&records).total() <= errors(&bare).total() + words / 5, "{records:?}");
        table::clips(&mut out, &plan.name, &records, Some((BARE, bare.iter().collect()))).unwrap();
    }
    let lines = String::from_utf8(out).unwrap();
    assert!(lines.lines().count() == treated.len() && lines.contains("against bare"), "{lines}");
}

#[test]
fn quiet_clips_keep_their_words_without_a_detector() {
    let Some(material) = material() else { return };
    let runner = Runner::start(MODEL, Precision::Int8, Defaults::Off.config()).unwrap();
    let plans = plans(PADDING_SECONDS);
    let quiet = plans.iter().filter(|plan| plan.family == Family::Quiet);
    for plan in quiet {
        let records = run(&runner, &material, plan);
        let errors = errors(&records);
        assert!(errors.total() < errors.words / 3, "{} {records:?}", plan.name);
    }
}

#[test]
fn single_words_are_judged() {
    let Some(material) = material() else { return };
    let plans = plans(PADDING_SECONDS);
    let plans = plans.iter().filter(|plan| plan.family == Family::Words);
    let records: Vec<_> = plans.flat_map(|plan| run(&DETECTED, &material, plan)).collect();
    let is_right = |record: &Record| judge(&record.reference, &record.text) == Verdict::Right;
    assert!(records.iter().any(is_right), "{records:?}");
}

#[test]
fn no_run_of_five_words_is_lost_between_pauses() {
    let Some(material) = material() else { return };
    let clips = &material.clips;
    let joined = Joined::run(&DETECTED, clips, 30.0, SEED).unwrap();
    assert!(joined.audio_s >= 30.0 && joined.used.len() >= 2, "{joined:?}");
    let bare = run(&DETECTED, &material, &plans(PADDING_SECONDS)[0]);
    let alone: HashMap<&str, Errors> = bare.iter().map(|record| (&*record.id, record.errors())).collect();
    let losses = joined.losses(clips, &alone).unwrap();
    assert!(losses.errors.words >= 16 && losses.errors.words == losses.alone.words, "{losses:?}");
    assert!(losses.longest.len() < 5, "{losses:?}");
    assert!(joined.losses(clips, &HashMap::new()).is_err());
    let mut out = Vec::new();
    table::joined(&mut out, &joined, &losses).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("longest run"));
}

#[test]
fn segments_have_their_lengths_and_words() {
    let Some(material) = material() else { return };
    let runner = Runner::start(MODEL, Precision::F32, Defaults::Off.config()).unwrap();
    let bare = plans(PADDING_SECONDS)[0].items(&material, SEED).unwrap();
    let heard = runner.hear_all(&bare).unwrap();
    let words: Vec<_> = heard.into_iter().map(|heard| heard.words).collect();
    let mut pieces = 0;
    for length in LENGTHS {
        let items = length.items(&bare, &words, SEED);
        for item in &items {
            let seconds = item.samples.len() as f64 / 16_000.0;
            assert!((length.from..length.to).contains(&seconds) && !item.reference.is_empty(), "{}", item.id);
        }
        let records = runner.run(&length.to_string(), &items).unwrap();
        let errors = errors(&records);
        // A transcript that did not belong to its segment would share few words with the text.
        assert!(2 * errors.total() <= errors.words, "{length} {records:?}");
        pieces += items.len();
    }
    assert!(pieces > CLIPS, "{pieces}");
}

#[test]
fn noise_says_little_with_a_detector() {
    let Some(_) = material() else { return };
    let all = nonspeech::items();
    let some: Vec<_> = all.into_iter().step_by(9).collect();
    let records = DETECTED.run("nonspeech", &some).unwrap();
    assert!(records.iter().all(Record::is_empty), "{records:?}");
}

#[test]
fn a_version_equals_itself() {
    let Some(material) = material() else { return };
    let bare = run(&DETECTED, &material, &plans(PADDING_SECONDS)[0]);
    let again = run(&DETECTED, &material, &plans(PADDING_SECONDS)[0]);
    assert_eq!(bare, again);
    let all = changes(&bare, &again);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].recordings, all[0].changed, all[0].won, all[0].lost), (CLIPS, 0, 0, 0));
}

#[test]
fn halves_divide_the_recordings() {
    let speech = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/speech");
    if material().is_none() {
        return;
    }
    let whole = Material::read(&speech).unwrap();
    assert_eq!((whole.clips.len(), whole.words.len()), (159, 220));
    let [choose, report] = [Half::Choose, Half::Report].map(|half| whole.clone().of_half(half));
    assert_eq!(choose.clips.len() + report.clips.len(), whole.clips.len());
    assert_eq!(choose.words.len() + report.words.len(), whole.words.len());
    let is_shared = |clip: &voxlane_bench::recordings::Clip| {
        report.clips.iter().any(|other| other.speaker == clip.speaker && other.subset == clip.subset)
    };
    assert!(!choose.clips.iter().any(is_shared));
    assert!(
        report.clips.len() > 60 && report.words.len() > 40,
        "{} {}",
        report.clips.len(),
        report.words.len()
    );
}
