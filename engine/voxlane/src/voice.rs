//! Which voice activity detector listens: a model at hand, and each lane's detector made of it.

use crate::config::{DetectorKind, EndpointConfig};
use std::sync::Arc;
use voxlane_models::model::Slot;
use voxlane_models::voice::{
    EnergyDetector, Level, Silero, SileroDetector, VOICE_FRAME_SAMPLES, VoiceDetector,
};

/// What an engine has for telling speech from the rest.
#[derive(Clone)]
pub(crate) enum Voice {
    /// Nothing.
    Off,
    /// Loudness.
    Energy,
    /// The network's weights.
    Silero(Arc<Silero>),
}

/// Why a detector cannot be had.
pub(crate) type VoiceError = Box<dyn std::error::Error + Send + Sync>;

impl Voice {
    /// The detector that a configuration names, with its weights from the model manager's cache.
    pub(crate) fn load(kind: DetectorKind) -> Result<Self, VoiceError> {
        match kind {
            DetectorKind::Off => Ok(Voice::Off),
            DetectorKind::Energy => Ok(Voice::Energy),
            DetectorKind::Silero => silero(),
        }
    }

    pub(crate) fn kind(&self) -> DetectorKind {
        match self {
            Voice::Off => DetectorKind::Off,
            Voice::Energy => DetectorKind::Energy,
            Voice::Silero(_) => DetectorKind::Silero,
        }
    }

    /// Whether streams may ask for these rules: off, or what the engine was started with.
    pub(crate) fn serves(&self, rules: &EndpointConfig) -> bool {
        rules.detector == DetectorKind::Off || rules.detector == self.kind()
    }

    /// A detector with `slots` states.
    pub(crate) fn detector(&self, slots: usize) -> Detector {
        match self {
            Voice::Off => Detector::Off,
            Voice::Energy => Detector::Energy(EnergyDetector::new(slots)),
            Voice::Silero(model) => {
                let levels = vec![Level::default(); slots];
                Detector::Silero { levels, network: Box::new(model.detector(2 * slots)) }
            }
        }
    }
}

/// One lane's detector. It is asked once in 32 ms of audio: a branch here costs nothing.
pub(crate) enum Detector {
    Off,
    Energy(EnergyDetector),
    /// The network hears each stream as it is, and what is quiet once more at the level of the speech it was trained
    /// with: quiet speech is heard, and noise before speech of ordinary level hides nothing of it.
    Silero {
        levels: Vec<Level>,
        /// Has two states a slot: of what is as it is, and behind those of what has been leveled.
        network: Box<SileroDetector>,
    },
}

impl Detector {
    /// The probability that there is speech in a slot's next window; certain if nothing listens.
    pub(crate) fn step(&mut self, slot: Slot, samples: &[i16; VOICE_FRAME_SAMPLES]) -> f32 {
        match self {
            Detector::Off => 1.0,
            Detector::Energy(detector) => detector.step(slot, samples),
            Detector::Silero { levels, network } => {
                let gain = levels[slot].gain(samples);
                let as_it_is = network.step(slot, samples);
                if gain == 1.0 {
                    return as_it_is;
                }
                as_it_is.max(network.step_with_gain(levels.len() + slot, samples, gain))
            }
        }
    }

    /// A new stream begins in a slot.
    pub(crate) fn reset(&mut self, slot: Slot) {
        match self {
            Detector::Off => {}
            Detector::Energy(detector) => detector.reset(slot),
            Detector::Silero { levels, network } => {
                levels[slot] = Level::default();
                network.reset(slot);
                network.reset(levels.len() + slot);
            }
        }
    }
}

#[cfg(feature = "fetch")]
fn silero() -> Result<Voice, VoiceError> {
    use voxlane_models::families::silero::load;
    use voxlane_models::manager::{Manager, Options};
    /// The network for 16 kHz in its package.
    const FILE: &str = "silero_vad_16k_op15.onnx";
    let files = Manager::new(Options::default())?.path(DetectorKind::SILERO_MODEL)?;
    let file = files.get(FILE).ok_or_else(|| format!("{}: has no {FILE}", DetectorKind::SILERO_MODEL))?;
    Ok(Voice::Silero(Arc::new(load(file)?)))
}

#[cfg(not(feature = "fetch"))]
fn silero() -> Result<Voice, VoiceError> {
    Err("this build has no model manager (feature `fetch`)".into())
}
