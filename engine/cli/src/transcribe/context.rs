//! What all files of a run share.

use super::progress::Meter;
use super::stop::Stop;
use voxlane::Engine;

/// Which channels of a file become results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All, mixed.
    Mixed,
    /// One, counted from 1.
    One(usize),
    /// Each by itself.
    Separate,
}

/// What all files share.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// When to end early.
    pub stop: &'a Stop,
    /// How far the work is.
    pub meter: &'a Meter,
    /// Which channels are wanted.
    pub selection: Selection,
}
