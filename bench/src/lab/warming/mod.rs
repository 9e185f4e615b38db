//! What the first piece of work after a gap costs, and what keeping warm does about it.

mod arms;
mod engine;
mod small;
mod stand_in;

use super::context::Context;
use super::experiment::Experiment;
use super::outcome::Outcome;
use anyhow::Result;

pub const PARTS: Experiment = Experiment {
    name: "warming",
    title: "The first work after a gap, and keeping warm",
    method: "The model's parts (front end, encoder, decoder of Moonshine tiny, int8) on one pinned thread, where everything \
             between two pieces of work is under control. A generator on another core lets a gap pass and hands over half \
             a second of speech; the time counts from when the work was due until its last token, and, of that, the first 20 ms frame \
             in the front end alone. In the gap the thread sleeps (off), only spins (clock and wake-up, spin), runs the same code on a network \
             of the same kind with 0.1 MB of weights (instruction side, code), or runs the real network on recorded speech on a \
             scratch slot (everything, full), cut into units, and drops it when the work is due. Code and full never rest \
             here: that is the most that warming can give; the engine's own has a duty limit. Eviction: none; the \
             generator's core streams through 64 MB during the gap (what is left of the shared cache); or the thread itself \
             sweeps 8 MB at the beginning of the gap (which empties its L2), before any warming. Steady is the same work without a gap. \
             The arms take turns in blocks, one way in even rounds and the other way in odd ones.",
    needs_model: true,
    run: stand_in::run,
};

pub const ENGINE: Experiment = Experiment {
    name: "warming-engine",
    title: "The engine's first work after a gap, and what warming costs",
    method: "The whole engine with Moonshine tiny in int8, all stages on one core, with its own warming on and off and with threads that \
             park or spin. Half a second of speech is due after a gap or at once (steady), and the time counts from when it was due. \
             In every round each setting runs every gap on one engine, one way in even rounds and the other way in odd ones; the ratio to steady \
             is that of medians of the same round and engine. Then the reverse: what warming costs a lane under load, with half-second segments \
             due every 25 ms; there one client sends one segment after the other, and what a late answer delays counts against it from its due time.",
    needs_model: true,
    run: run_engine,
};

fn run_engine(context: &Context, outcome: &mut Outcome) -> Result<()> {
    engine::after_gaps(context, outcome)?;
    engine::loaded(context, outcome)
}
