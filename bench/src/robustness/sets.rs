//! The sets of clips, each treated in one way.

use super::material::Material;
use super::noise::{Color, Noise};
use super::treatment::Treatment;
use crate::recordings::Clip;
use crate::spoken::samples_16k;
use anyhow::Result;
use clap::ValueEnum;

/// Sets that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Family {
    /// An hour of clips with pauses between them.
    Joined,
    /// The clips as they are; the others are compared with them.
    Bare,
    /// Silence or noise before and after each clip.
    Padded,
    /// Noise over each clip, with and without more of it around.
    Noisy,
    /// Clips of very low level.
    Quiet,
    /// Single words.
    Words,
    /// Segments of a known length.
    Lengths,
    /// Audio in which nobody speaks.
    Nonspeech,
}

/// One recording of a set.
#[derive(Clone, Debug)]
pub struct Item {
    /// The clip's name.
    pub id: String,
    /// Who speaks.
    pub speaker: String,
    /// What is said.
    pub reference: String,
    /// At 16 kHz.
    pub samples: Vec<i16>,
}

/// A set before its samples are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it belongs to.
    pub family: Family,
    /// Its name in tables and files.
    pub name: String,
    /// The set that it is compared with.
    pub against: Option<String>,
    /// What is done to each clip.
    pub treatment: Treatment,
}

/// The name of the set of untreated clips.
pub const BARE: &str = "bare";

/// The name of the set of single words, and the beginning of those that are made from it.
const WORDS: &str = "words";

/// Whether a set of this name has single words in it.
pub fn is_of_words(set: &str) -> bool {
    set.starts_with(WORDS)
}

/// The sets that are made clip by clip, those that others are compared with before them.
pub fn plans(padding: f64) -> Vec<Plan> {
    let against = |name: &str| Some(name.to_owned());
    let mut plans =
        vec![Plan { family: Family::Bare, name: BARE.to_owned(), against: None, treatment: Treatment::None }];
    let mut padded = |name: String, noise, before, after| {
        let treatment = Treatment::Padded { noise, before, after };
        plans.push(Plan { family: Family::Padded, name, against: against(BARE), treatment });
    };
    padded("zeros, 1 s in front".to_owned(), None, 1.0, 0.0);
    padded(format!("zeros, {padding} s around"), None, padding, padding);
    let noises = || {
        let colors = [Color::White, Color::Room].into_iter();
        colors.flat_map(|color| [-60.0, -50.0, -40.0].map(|dbfs| Noise { color, dbfs }))
    };
    for noise in noises() {
        padded(format!("{noise}, {padding} s around"), Some(noise), padding, padding);
    }
    for noise in noises() {
        let over = format!("{noise} over the clip");
        for (name, around, against) in [
            (over.clone(), 0.0, against(BARE)),
            (format!("{over} and {padding} s around"), padding, against(&over)),
        ] {
            let treatment = Treatment::Noisy { noise, around };
            plans.push(Plan { family: Family::Noisy, name, against, treatment });
        }
    }
    for level in [-59.0, -65.0, -70.0, -74.0] {
        let (name, treatment) = (format!("scaled to {level} dBFS"), Treatment::Scaled(level));
        plans.push(Plan { family: Family::Quiet, name, against: against(BARE), treatment });
    }
    let room = Noise { color: Color::Room, dbfs: -60.0 };
    for (name, against, treatment) in [
        (WORDS.to_owned(), None, Treatment::None),
        (
            format!("{WORDS}, {room}, 1 s around"),
            against(WORDS),
            Treatment::Padded { noise: Some(room), before: 1.0, after: 1.0 },
        ),
    ] {
        plans.push(Plan { family: Family::Words, name, against, treatment });
    }
    plans
}

impl Plan {
    /// Reads and treats the clips.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn items(&self, material: &Material, seed: u64) -> Result<Vec<Item>> {
        let clips = if self.family == Family::Words { &material.words } else { &material.clips };
        clips.iter().map(|clip| item(clip, self.treatment, seed)).collect()
    }
}

fn item(clip: &Clip, treatment: Treatment, seed: u64) -> Result<Item> {
    Ok(Item {
        id: clip.id.clone(),
        speaker: clip.speaker.clone(),
        reference: clip.transcript.clone(),
        samples: treatment.apply(&samples_16k(&clip.path)?, &clip.id, seed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_once_and_compared_with_sets_before_them() {
        let plans = plans(5.0);
        for (place, plan) in plans.iter().enumerate() {
            let earlier = |name: &str| plans[..place].iter().any(|plan| plan.name == name);
            assert!(!earlier(&plan.name), "{} twice", plan.name);
            assert!(plan.against.as_deref().is_none_or(earlier), "{plan:?}");
        }
    }
}
