//! What parts of a model are asked for.

/// The index of a stream's state within a lane, below the `slots` a part was made with.
pub type Slot = usize;

/// Why features are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A look at an open segment; may be thrown away.
    Partial,
    /// The result for a whole segment; a pure function of its samples.
    Final,
}

/// What a decoder is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the result is for.
    pub goal: Goal,
    /// How many samples of the segment a voice detector heard as speech; 0 where that is not known.
    pub voiced_samples: usize,
}

impl From<Goal> for Request {
    /// Where nothing is known of the speech in the segment.
    fn from(goal: Goal) -> Self {
        Request { goal, voiced_samples: 0 }
    }
}
