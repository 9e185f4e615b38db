//! What the first piece of work after a gap costs, and what keeping warm does about it.

mod arms;
mod engine;
mod small;
mod stand_in;

use super::context::Context;
use super::experiment::Experiment;
use super::outcome::Outcome;
use anyhow::Result;

pub const EXPERIMENT: Experiment = Experiment {
    name: "warming",
    title: "The first work after a gap, and keeping warm",
    method: "First the model's parts (front end, encoder, decoder of Moonshine tiny, int8) on one pinned thread, where everything \
             between two pieces of work is under control. A generator on another core lets a gap pass and hands over half \
             a second of speech; the time counts from when the work was due until its last token, and, of that, the first 20 ms frame \
             in the front end alone. In the gap the thread sleeps (off), only spins (clock and wake-up, spin), runs the same code on a network \
             of the same kind with 0.1 MB of weights (instruction side, code), or runs the real network on recorded speech on a \
             scratch slot (everything, full), cut into units, and drops it when the work is due. Code and full never rest \
             here: that is the most that warming can give; the engine's own has a duty limit. Eviction: none; the \
             generator's core streams through 64 MB during the gap (what is left of the shared cache); or the thread itself \
             sweeps 8 MB at the beginning of the gap (which empties its L2), before any warming. Steady is the same work without a gap. \
             The arms take turns in blocks, one way in even rounds and the other way in odd ones. Then the whole engine, \
             all stages on one core, with its own warming on and off and with threads that park or spin; code-only is not a \
             mode of the engine. Last, the reverse: what warming costs a lane under load, with half-second segments due every 25 ms; there one client sends one segment after the other, and what a late answer delays counts against it from its due time.",
    needs_model: true,
    run,
};

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    stand_in::run(context, outcome)?;
    engine::after_gaps(context, outcome)?;
    engine::loaded(context, outcome)
}
