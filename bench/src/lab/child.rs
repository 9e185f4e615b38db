//! Work that experiments do in a process of its own.

use super::context::Context;
use super::{counters, memory};
use anyhow::Result;

/// What to do.
#[derive(Clone, Debug)]
pub enum Work {
    /// Use an engine and say how much memory is resident after each step.
    Memory {
        /// Streams.
        slots: usize,
        /// Further segments in the first.
        segments: usize,
    },
    /// Run the parts of the model.
    Decode {
        /// How the decode strategy is chosen: `type`, `trait` or `enum`.
        strategy: String,
        /// How often.
        passes: usize,
    },
}

/// Does it, and gives what is to be written to standard output.
///
/// # Errors
/// Those of the work.
pub fn run(context: &Context, work: &Work) -> Result<String> {
    match work {
        Work::Memory { slots, segments } => {
            Ok(serde_json::to_string(&memory::child(context, *slots, *segments)?)?)
        }
        Work::Decode { strategy, passes } => {
            counters::child(context, strategy, *passes)?;
            Ok(String::new())
        }
    }
}
