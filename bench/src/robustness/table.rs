//! The tables, for people.

use super::changes::Change;
use super::joined::{Joined, Losses, Transcribed};
use super::record::Record;
use super::spoken_word::{Verdict, judge};
use crate::alignment::Errors;
use crate::bootstrap::Interval;
use crate::wer::{Score, difference_interval, words as words_of};
use anyhow::Result;
use std::io::Write;

/// The intervals are the same in every run.
const SEED: u64 = 1;
/// Names of recordings in a line.
const NAMES: usize = 12;

/// The head of the rows of [`clips`].
///
/// # Errors
/// If it cannot be written.
pub fn clips_head(out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "\n{:<40}{:>6}{:>7}{:>7}{:>8}{:>6}{:>6}{:>6}{:>7}{:>8}  points against, 95 % interval",
        "set", "clips", "words", "errors", "WER %", "del", "ins", "sub", "empty", "warned"
    )?;
    Ok(())
}

/// A set of sentences, beside one that it is compared with; under it the recordings without text.
///
/// # Errors
/// If it cannot be written.
pub fn clips(
    out: &mut impl Write,
    name: &str,
    records: &[Record],
    base: Option<(&str, Vec<&Record>)>,
) -> Result<()> {
    let errors: Errors = records.iter().map(Record::errors).sum();
    let warned = records.iter().filter(|record| record.has_warning()).count();
    let empty: Vec<&str> = empty(records).collect();
    write!(
        out,
        "{name:<40}{:>6}{:>7}{:>7}{:>8.2}{:>6}{:>6}{:>6}{:>7}{warned:>8}",
        records.len(),
        errors.words,
        errors.total(),
        rate(errors),
        errors.deleted,
        errors.inserted,
        errors.substituted,
        empty.len(),
    )?;
    if let Some((base, base_records)) = base {
        let scores =
            |records: &mut dyn Iterator<Item = &Record>| records.map(Record::score).collect::<Vec<Score>>();
        let (theirs, ours) = (scores(&mut base_records.into_iter()), scores(&mut records.iter()));
        write!(out, "  {} against {base}", points(difference_interval(&theirs, &ours, SEED)))?;
    }
    writeln!(out)?;
    names(out, "empty", &empty)?;
    Ok(out.flush()?)
}

/// The head of the rows of [`words`].
///
/// # Errors
/// If it cannot be written.
pub fn words_head(out: &mut impl Write) -> Result<()> {
    writeln!(out, "\n{:<40}{:>6}{:>7}{:>7}{:>8}{:>8}", "set", "words", "right", "wrong", "empty", "warned")?;
    Ok(())
}

/// A set of single words; under it those without text.
///
/// # Errors
/// If it cannot be written.
pub fn words(out: &mut impl Write, name: &str, records: &[Record]) -> Result<()> {
    let count =
        |verdict| records.iter().filter(|record| judge(&record.reference, &record.text) == verdict).count();
    let [right, wrong, nothing] = [Verdict::Right, Verdict::Wrong, Verdict::Empty].map(count);
    let warned = records.iter().filter(|record| record.has_warning()).count();
    writeln!(out, "{name:<40}{:>6}{right:>7}{wrong:>7}{nothing:>8}{warned:>8}", records.len())?;
    names(out, "empty", &empty(records).collect::<Vec<_>>())?;
    Ok(out.flush()?)
}

/// Clips joined with pauses.
///
/// # Errors
/// If it cannot be written.
pub fn joined(out: &mut impl Write, joined: &Joined, losses: &Losses) -> Result<()> {
    let Losses { errors, alone, longest } = losses;
    let time = joined.time.as_secs_f64();
    let more = 100.0 * (errors.deleted as f64 - alone.deleted as f64) / errors.words as f64;
    writeln!(
        out,
        "\njoined: {} clips, {:.1} minutes with pauses, {} segments, {} words",
        joined.used.len(),
        joined.audio_s / 60.0,
        joined.heard.segments.len(),
        errors.words
    )?;
    for (name, errors) in [("joined", errors), ("clip by clip", alone)] {
        writeln!(
            out,
            "  {name:<14} {:.2} % errors: {} deleted, {} inserted, {} substituted",
            rate(*errors),
            errors.deleted,
            errors.inserted,
            errors.substituted
        )?;
    }
    writeln!(
        out,
        "  {more:+.2} % of the words more deleted; longest run of lost words {}: {}",
        longest.len(),
        longest.join(" ")
    )?;
    write!(out, "  {time:.1} s, {:.1} times real time", joined.audio_s / time)?;
    match joined.peak_bytes {
        Some(bytes) => writeln!(out, ", {:.1} MB resident at most", bytes as f64 / 1e6)?,
        None => writeln!(out, "; the system does not say the resident memory")?,
    }
    Ok(out.flush()?)
}

/// The joined clips as a file through the command.
///
/// # Errors
/// If it cannot be written.
pub fn transcribed(out: &mut impl Write, transcribed: &Transcribed, joined: &Joined) -> Result<()> {
    let Transcribed { audio_s, time, peak_bytes, text } = transcribed;
    let time = time.as_secs_f64();
    let is_same = words_of(text) == words_of(&joined.heard.text());
    writeln!(
        out,
        "  voxlane transcribe: {time:.1} s, {:.1} times real time, {:.1} MB resident at most, {} words",
        audio_s / time,
        *peak_bytes as f64 / 1e6,
        if is_same { "the same" } else { "other" }
    )?;
    Ok(out.flush()?)
}

/// What was heard where nobody speaks.
///
/// # Errors
/// If it cannot be written.
pub fn nonspeech(out: &mut impl Write, records: &[Record]) -> Result<()> {
    let count = |record: &Record| words_of(&record.text).len();
    let minutes: f64 = records.iter().map(|record| record.audio_s / 60.0).sum();
    let invented: usize = records.iter().map(count).sum();
    writeln!(
        out,
        "\nnobody speaks: {} kinds, {minutes:.1} minutes, {invented} words invented",
        records.len()
    )?;
    for record in records.iter().filter(|record| count(record) > 0) {
        writeln!(out, "  {}: {}", record.id, record.text)?;
    }
    Ok(out.flush()?)
}

/// Of clips that were empty in some set, those that are empty in the f32 reference.
///
/// # Errors
/// If it cannot be written.
pub fn reference(out: &mut impl Write, records: &[Record]) -> Result<()> {
    let empty: Vec<&str> = empty(records).collect();
    writeln!(
        out,
        "\nclips that are empty in some set: {}; of these the f32 reference finds nothing in {} either",
        records.len(),
        empty.len()
    )?;
    names(out, "empty in f32", &empty)
}

/// The head of the rows of [`length`].
///
/// # Errors
/// If it cannot be written.
pub fn lengths_head(out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "\n{:<16}{:>9}{:>7}{:>9}{:>8}{:>9}{:>8}  points int8 against f32, 95 % interval",
        "segments of", "segments", "words", "f32 WER", "empty", "int8 WER", "empty"
    )?;
    Ok(())
}

/// Segments of one length in two number formats.
///
/// # Errors
/// If it cannot be written.
pub fn length(out: &mut impl Write, name: &str, f32: &[Record], int8: &[Record]) -> Result<()> {
    if f32.is_empty() {
        writeln!(out, "{name:<16}{:>9}", 0)?;
        return Ok(());
    }
    let scores = |records: &[Record]| records.iter().map(Record::score).collect::<Vec<Score>>();
    let (theirs, ours) = (scores(f32), scores(int8));
    let rate = |scores: &[Score]| 100.0 * scores.iter().copied().sum::<Score>().rate();
    writeln!(
        out,
        "{name:<16}{:>9}{:>7}{:>9.2}{:>8}{:>9.2}{:>8}  {}",
        f32.len(),
        theirs.iter().map(|score| score.words).sum::<usize>(),
        rate(&theirs),
        empty(f32).count(),
        rate(&ours),
        empty(int8).count(),
        points(difference_interval(&theirs, &ours, SEED))
    )?;
    Ok(out.flush()?)
}

/// Two versions beside each other.
///
/// # Errors
/// If it cannot be written.
pub fn changes(out: &mut impl Write, changes: &[Change]) -> Result<()> {
    writeln!(
        out,
        "\n{:<40}{:>11}{:>9}{:>6}{:>6}{:>10}  points against the other version, 95 % interval",
        "set", "recordings", "changed", "won", "lost", "invented"
    )?;
    for change in changes {
        let Change { set, recordings, changed, won, lost, invented, .. } = change;
        write!(out, "{set:<40}{recordings:>11}{changed:>9}{won:>6}{lost:>6}{invented:>10}")?;
        writeln!(out, "  {}", change.difference.map(points).unwrap_or_default())?;
        names(out, "right before", &change.words_lost.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(out.flush()?)
}

fn rate(errors: Errors) -> f64 {
    100.0 * errors.total() as f64 / errors.words as f64
}

fn points(difference: Interval) -> String {
    let Interval { estimate, low, high } = difference.scaled(100.0);
    format!("{estimate:+.2} ({low:+.2} … {high:+.2})")
}

fn empty(records: &[Record]) -> impl Iterator<Item = &str> {
    records.iter().filter(|record| record.is_empty()).map(|record| record.id.as_str())
}

/// The names of recordings, a few of them where there are many.
fn names(out: &mut impl Write, what: &str, names: &[&str]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let shown = &names[..names.len().min(NAMES)];
    let rest = names.len() - shown.len();
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    Ok(writeln!(out, "  {what}: {}{more}", shown.join(", "))?)
}
