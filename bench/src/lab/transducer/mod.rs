//! The loop over a transducer's frames: as a type that is compiled for its network, behind trait objects, and behind
//! enums.

mod by_enum;
mod by_trait;
mod listed;

use super::context::Context;
use super::sample::sample_clip;
use crate::recordings::read_samples;
use crate::spoken;
use anyhow::{Result, bail};
use by_enum::ByEnum;
use by_trait::ByTrait;
pub use listed::{LISTED_FRAMES, without_arithmetic};
use std::hint::black_box;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::decode::{Joiner, Predictor, StreamStrategy, TransducerGreedy};
use voxlane_models::families::commands;
use voxlane_models::families::emformer::Emformer;
use voxlane_models::fault::Faults;
use voxlane_models::heads::transducer::Heads;
use voxlane_models::hypothesis::Hypothesis;
use voxlane_models::layers::linear::Precision;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model, Slot};
use voxlane_models::networks::emformer::span::EmformerSpan;
use voxlane_models::team::Team;

/// How the parts are called, as tables and the child process name it.
pub const NAMES: [&str; 3] = ["type", "trait", "enum"];
/// What a child process calls these loops: this and one of [`NAMES`].
pub const PREFIX: &str = "transducer-";
const SLOT: Slot = 0;

/// What the loop needs.
trait Network: Predictor + Joiner {}

impl<N: Predictor + Joiner> Network for N {}

/// What a strategy does but once a pass, by the greedy one within it.
macro_rules! forwarded {
    ($network:ident) => {
        fn conclude(&mut self, slot: Slot, is_last: bool) {
            StreamStrategy::<$network>::conclude(self.greedy_mut(), slot, is_last);
        }

        fn hypothesis(&self, slot: Slot) -> &voxlane_models::hypothesis::Hypothesis {
            StreamStrategy::<$network>::hypothesis(self.greedy(), slot)
        }

        fn quiet_frames(&self, slot: Slot) -> usize {
            StreamStrategy::<$network>::quiet_frames(self.greedy(), slot)
        }

        fn set_hotwords(
            &mut self,
            slot: Slot,
            hotwords: Option<std::sync::Arc<voxlane_models::decode::Hotwords>>,
        ) -> Option<std::sync::Arc<voxlane_models::decode::Hotwords>> {
            StreamStrategy::<$network>::set_hotwords(self.greedy_mut(), slot, hotwords)
        }

        fn reset(&mut self, network: &mut $network, slot: Slot) {
            self.greedy_mut().reset(network, slot);
        }
    };
}
use forwarded;

/// The frames of a recording and decoders of them that have begun nothing.
pub struct Loops {
    network: Emformer,
    span: EmformerSpan,
}

impl Loops {
    /// Those of a spoken order where the recordings of orders lie beside the others, else of the model's own
    /// recording, in which the network hears nothing.
    ///
    /// # Errors
    /// If there is no recording.
    pub fn new(context: &Context) -> Result<Self> {
        let orders = context.clips.join("../commands");
        let samples = match spoken::split(&orders, "dev") {
            Ok(clips) => read_samples(&clips[0].path)?,
            Err(_) => sample_clip(context)?,
        };
        let (network, _) = commands::load(Precision::Int8)?;
        Self::of(network, &samples)
    }

    fn of(network: Emformer, samples: &[i16]) -> Result<Self> {
        let (mut front_end, mut encoder, mut span) =
            (network.front_end(1), network.encoder(1, Team::alone()), network.span());
        let (budget, mut faults) = (Budget::unlimited(), Faults::NONE);
        front_end.push(SLOT, samples, &mut faults);
        front_end.begin(SLOT, samples.len(), Goal::Final);
        while front_end.step(&mut span, &budget, &mut faults) == Progress::More {}
        encoder.begin(SLOT, &mut span);
        while encoder.step(&mut span, &budget, &mut faults) == Progress::More {}
        if !faults.is_none() {
            bail!("the network flags {faults:?}");
        }
        Ok(Loops { network, span })
    }

    /// Frames of a pass.
    pub fn frames(&self) -> usize {
        self.span.frames().count
    }

    /// Tokens of a pass.
    pub fn tokens(&self) -> usize {
        self.pass::<TransducerGreedy>()().len()
    }

    /// A pass over all frames, for one of [`NAMES`].
    ///
    /// # Errors
    /// If it is none of them.
    pub fn named(&self, name: &str) -> Result<Box<dyn FnMut()>> {
        fn run(mut pass: impl FnMut() -> Vec<u32> + 'static) -> Box<dyn FnMut()> {
            Box::new(move || drop(black_box(pass())))
        }
        Ok(match name {
            "type" => run(self.pass::<TransducerGreedy>()),
            "trait" => run(self.pass::<ByTrait>()),
            "enum" => run(self.pass::<ByEnum>()),
            _ => bail!("strategies: {}", NAMES.join(", ")),
        })
    }

    /// Decodes all frames from the beginning; the tokens.
    fn pass<S: StreamStrategy<Heads>>(&self) -> impl FnMut() -> Vec<u32> + 'static {
        let mut decoder = self.network.decoded_by::<S>().decoder(1);
        let (mut span, budget) = (self.span.clone(), Budget::unlimited());
        move || {
            let mut faults = Faults::NONE;
            decoder.reset(SLOT);
            decoder.begin(SLOT, &mut span, Goal::Final.into());
            while decoder.step(&mut span, &budget, &mut faults) == Progress::More {}
            ids(decoder.hypothesis(SLOT))
        }
    }
}

fn ids(hypothesis: &Hypothesis) -> Vec<u32> {
    hypothesis.tokens().iter().map(|token| token.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_says_the_same_however_it_is_called() {
        let (network, _) = commands::load(Precision::Int8).unwrap();
        let samples: Vec<i16> = (0..32_000i32).map(|i| (i * i % 8_191 * (i / 4_000 % 2)) as i16).collect();
        let loops = Loops::of(network, &samples).unwrap();
        let typed = loops.pass::<TransducerGreedy>()();
        assert_eq!((loops.pass::<ByTrait>()(), loops.pass::<ByEnum>()()), (typed.clone(), typed));
        assert!(loops.frames() > 40 && loops.named("other").is_err());
    }
}
