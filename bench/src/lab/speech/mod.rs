//! Speech as it comes live: latency, accuracy, and how many streams a core carries.

mod conversations;
mod peers;
mod player;

use super::context::Context;
use super::distribution::{Distribution, SEED, nanos};
use super::experiment::Experiment;
use super::live::Deployment;
use super::open_loop::Lag;
use super::outcome::{Cell, Outcome, Role, Unit};
use super::pin::on_core;
use super::process::resident_bytes;
use super::sample::sample_clip;
use super::table::counted;
use crate::bootstrap::Interval;
use crate::recognizer::Recognizer;
use crate::recordings::{Clip, SAMPLE_RATE, read_samples, read_set};
use crate::stopwatch::Stopwatch;
use crate::wer::{Score, rate_interval};
use anyhow::Result;
use player::{FRAME, Heard, play};
use std::time::Duration;
use voxlane::Clock;
use voxlane_models::layers::linear::Precision;

pub const EXPERIMENT: Experiment = Experiment {
    name: "speech",
    title: "Live speech: latency, word error rate, streams per core",
    method: "Recordings are played to the engine in real time, frame by frame of 20 ms, open loop: a pinned thread pushes every \
             frame when it is due, whatever the engine does. All stages of the engine run in one thread on the other core. The end \
             of each recording is marked for the engine (a client's endpoint), and the final's latency counts from when its last \
             sample was due until the client has the text. Streams \
             are added until the core is full; samples that the engine did not take are counted. Then conversations: recordings with pauses between them, \
             with endpoints by voice activity and a partial every 250 ms; a word that the next look changes or takes back is a flip. Word error rates come \
             from the whole set by the same public interface, pushed as fast as it is taken: finals do not depend on that. Other \
             systems transcribe the same recordings with the same weights where they can, on the same core, A B B A (bench/peers/compare.py).",
    needs_model: true,
    run,
};

/// A core carries so many streams if nine of ten finals come within this time.
const CARRIED: Duration = Duration::from_millis(300);

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let set = match read_set(&context.clips) {
        Ok(set) => set,
        Err(error) => {
            outcome.missing(format!("word error rates, and recordings of many speakers: {error:#}. Played was the recording that comes with the model"));
            Vec::new()
        }
    };
    streams(context, &set, outcome)?;
    if !set.is_empty() {
        conversations::run(context, &set, outcome)?;
        word_errors(context, &set, outcome)?;
        peers::run(context, outcome)?;
    }
    Ok(())
}

/// The samples of some recordings, spread over the set.
fn recordings(context: &Context, set: &[Clip]) -> Result<Vec<Vec<i16>>> {
    if set.is_empty() {
        return Ok(vec![sample_clip(context)?]);
    }
    let step = (set.len() / context.pick(2, 8, 64, 119)).max(1);
    set.iter().step_by(step).map(|clip| read_samples(&clip.path)).collect()
}

fn streams(context: &Context, set: &[Clip], outcome: &mut Outcome) -> Result<()> {
    let clock = Clock::new();
    let mut clips = recordings(context, set)?;
    if matches!(context.size, super::Size::Touch | super::Size::Smoke) {
        // Seconds, so that something ends within a short run.
        clips.iter_mut().for_each(|clip| clip.truncate(SAMPLE_RATE as usize));
    }
    let plan: Vec<(usize, f64)> = context.pick(
        vec![(1, 1.2)],
        vec![(1, 2.5), (8, 2.5)],
        vec![(1, 20.0), (8, 20.0), (32, 16.0), (64, 16.0), (128, 16.0)],
        vec![(1, 1200.0), (8, 600.0), (32, 300.0), (64, 300.0), (128, 300.0), (192, 300.0)],
    );
    let (mut finals, mut rows) = (Vec::new(), Vec::new());
    let mut carried = None;
    for (count, seconds) in plan {
        let deployment = Deployment {
            model: context.model.clone(),
            core: context.measured_core(),
            slots: count,
            wait: "spin",
            tables: "",
        };
        let engine = deployment.start()?;
        let length = Duration::from_secs_f64(seconds);
        let heard = on_core(context.generator_core(), || play(&engine, &clock, &clips, count, length))?;
        let Heard { final_latency, lag, .. } = &heard;
        let name = counted(count, "stream");
        Lag { hop: FRAME, lag: lag.clone() }.report(&name, outcome)?;
        let latency = Distribution::of(name.clone(), final_latency)?;
        let millis = |nanos: Option<u64>| Cell::from(nanos.map(|nanos| nanos as f64 / 1e6));
        rows.push(vec![
            count.into(),
            (count as f64 * seconds).into(),
            final_latency.len().into(),
            latency.median.map(|median| median.scaled(1e-6)).into(),
            millis(latency.quantile("p90")),
            millis((!final_latency.is_empty()).then(|| final_latency.max())),
            heard.refused_samples.into(),
            resident_bytes().map(|bytes| bytes as f64 / f64::from(1 << 20)).into(),
        ]);
        let slowest_tenth = final_latency.value_at_quantile(0.9);
        if heard.refused_samples == 0 && !final_latency.is_empty() && slowest_tenth <= nanos(CARRIED) {
            carried = Some((count, slowest_tenth));
        }
        if count == 1 {
            outcome.figure("speech/final of one live stream", latency.p50(), Role::Whole);
        }
        finals.push(latency);
    }
    outcome.note(match carried {
        Some((count, p90)) => format!(
            "The most streams of those tried that one core carried, nothing refused and nine of ten finals within {CARRIED:?}: {count} \
             (the slowest tenth from {} ms on).",
            super::table::number(p90 as f64 / 1e6)
        ),
        None => format!("No number of streams that was tried had nine of ten finals within {CARRIED:?} with nothing refused."),
    });
    outcome.group("Finals: from the last sample to the text", Unit::Milliseconds, finals);
    let columns = [
        "streams",
        "audio, s",
        "finals",
        "final: median (95 % interval), ms",
        "p90, ms",
        "max, ms",
        "samples refused",
        "resident memory of lab and engine, MiB",
    ];
    outcome.table("Streams on one core, in real time", &columns, rows);
    Ok(())
}

fn word_errors(context: &Context, set: &[Clip], outcome: &mut Outcome) -> Result<()> {
    let precisions: &[Precision] =
        context.pick(&[Precision::Int8][..], &[Precision::Int8], &[Precision::Int8], &Precision::ALL);
    let clips = &set[..set.len().min(context.pick(1, 3, usize::MAX, usize::MAX))];
    let mut rows = Vec::new();
    for &precision in precisions {
        let recognizer = Recognizer::start(&context.model, precision)?;
        let (mut scores, mut audio, mut seconds) = (Vec::new(), 0.0, 0.0);
        for clip in clips {
            let samples = read_samples(&clip.path)?;
            let heard = recognizer.recognize(&samples, Stopwatch::Wall)?;
            scores.push(Score::of(&clip.transcript, &heard.text));
            audio += samples.len() as f64 / f64::from(SAMPLE_RATE);
            seconds += heard.time.as_secs_f64();
        }
        let Score { errors, words } = scores.iter().copied().sum();
        let rate: Interval = rate_interval(&scores, SEED).scaled(100.0);
        rows.push(vec![
            Cell::from(precision.name()),
            scores.len().into(),
            audio.into(),
            words.into(),
            errors.into(),
            rate.into(),
            (audio / seconds).into(),
        ]);
    }
    let columns = [
        "precision",
        "recordings",
        "audio, s",
        "words",
        "errors",
        "word error rate (95 % interval), %",
        "times real time",
    ];
    outcome.table("Word error rate", &columns, rows);
    Ok(())
}
