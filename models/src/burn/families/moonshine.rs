//! The network as a [`Model`].

use crate::budget::{Budget, Progress};
use crate::burn::encoders::moonshine::{BurnEncoder, DeviceEncoder};
use crate::burn::frontends::raw_conv::{BurnFrontEnd, Stem};
use crate::burn::heads::attention::batch::{self, Batch, DeviceDecoder};
use crate::burn::heads::attention::decoder::BurnDecoder;
use crate::burn::layers::{Place, Rotation};
use crate::burn::span::BurnSpan;
use crate::device::DeviceOptions;
use crate::fault::Faults;
use crate::layers::rotary;
use crate::model::{Decoder as _, Encoder as _, FrontEnd, Goal, Model, ModelInfo, WorkingMemory};
use crate::networks::moonshine::config::{Config, SAMPLE_RATE_HZ};
use crate::networks::moonshine::weights::MoonshineWeights;
use crate::team::Team;
use burn_tensor::backend::Backend;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The lengths that segments are padded to, in seconds; the longest segment is one more. Each is compiled and
/// tuned once; padding at most doubles the work.
const LENGTHS_S: [usize; 4] = [2, 4, 8, 16];

/// Moonshine on Burn's backend `B`, decoded greedily.
///
/// What it guarantees:
/// - Tokens are those of the CPU in f32, but for near ties of rounding.
/// - A segment's tokens do not depend on what shares its batch.
pub struct BurnMoonshine<B: Backend> {
    config: Config,
    options: DeviceOptions,
    device: B::Device,
    /// Padded lengths in samples, ascending.
    lengths: Arc<[usize]>,
    stem: Arc<Stem<B>>,
    encoder: Arc<DeviceEncoder<B>>,
    decoder: Arc<DeviceDecoder<B>>,
}

impl<B: Backend> BurnMoonshine<B> {
    /// Puts `weights` onto `device`.
    ///
    /// # Panics
    /// If the matrices do not have the sizes that `weights` states, or the device fails.
    pub fn new(weights: &MoonshineWeights, device: &B::Device, options: DeviceOptions) -> Self {
        let config = Config::new(weights);
        let place = Place { device: device.clone(), float: options.float };
        let most = config.limits().max_segment_samples;
        let lengths: Arc<[usize]> = LENGTHS_S
            .map(|seconds| seconds * SAMPLE_RATE_HZ as usize)
            .into_iter()
            .filter(|&length| length < most)
            .chain([most])
            .collect();
        let rotation = rotation(weights, &config, &place);
        BurnMoonshine {
            stem: Arc::new(Stem::new(&weights.stem, &config, &place)),
            encoder: Arc::new(DeviceEncoder::new(weights, &config, rotation.clone(), &place)),
            decoder: Arc::new(DeviceDecoder::new(weights, &config, rotation, &place)),
            device: device.clone(),
            config,
            options,
            lengths,
        }
    }

    /// Runs every shape once, so that all is compiled and tuned; says how long that took.
    pub fn warm_up(&self) -> Duration {
        const SLOT: usize = 0;
        let begun = Instant::now();
        let (mut front_end, mut encoder) = (self.front_end(1), self.encoder(1, Team::alone()));
        let (mut decoder, mut span) = (self.decoder(1), self.span());
        let (budget, mut faults) = (Budget::one_unit(), Faults::NONE);
        for &length in &*self.lengths {
            front_end.reset(SLOT);
            front_end.push(SLOT, &vec![0; length], &mut faults);
            front_end.begin(SLOT, length, Goal::Final);
            while front_end.step(&mut span, &budget, &mut faults) == Progress::More {}
            encoder.begin(SLOT, &mut span);
            while encoder.step(&mut span, &budget, &mut faults) == Progress::More {}
            decoder.begin(SLOT, &mut span, Goal::Final.into());
            // The layers' frames, the start, and two steps or as many as silence takes.
            for _ in 0..self.config.decoder_layers + 3 {
                if decoder.step(&mut span, &budget, &mut faults) == Progress::Done {
                    break;
                }
            }
            decoder.reset(SLOT);
        }
        begun.elapsed()
    }

    /// A batch of its own, to time steps with.
    pub fn new_batch(&self) -> Batch<B> {
        let (decoder, frames) = (Arc::clone(&self.decoder), self.config.max_frames());
        Batch::new(decoder, &self.config, frames, self.options.batch)
    }

    /// Floating-point operations of a decode step for each place, attention over all columns and frames included.
    pub fn step_flops(&self) -> f64 {
        let sizes = &self.config.sizes;
        let (hidden, mlp) = (sizes.hidden as f64, sizes.decoder_mlp as f64);
        let seen = (self.config.max_frames() + batch::columns(&self.config)) as f64;
        // Projections with their quarter turns, three more of the attentions, the MLP, scores and sums.
        let layer = 5.0 * hidden * hidden + 3.0 * hidden * hidden + 3.0 * hidden * mlp + 2.0 * seen * hidden;
        2.0 * (self.config.decoder_layers as f64 * layer + hidden * sizes.vocabulary as f64)
    }

    /// Bytes of device memory that the keys and values of each place take.
    pub fn place_bytes(&self) -> usize {
        let rows = self.config.max_frames() + batch::columns(&self.config);
        2 * self.config.decoder_layers
            * rows
            * self.config.sizes.hidden
            * crate::burn::dtype(self.options.float).size()
    }

    /// The network's sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Cosines and sines as wide as a head: both channels of a pair have its angle.
fn rotation<B: Backend>(weights: &MoonshineWeights, config: &Config, place: &Place<B>) -> Rotation<B> {
    let (head, turned) = (config.sizes.head_dim, config.sizes.rotary_dim);
    let positions = config.max_frames().max(batch::columns(config));
    let (cos, sin) = rotary::rotation(&weights.rotary_frequencies, positions);
    let spread = |values: &[f32], still: f32| {
        let row = |row: &[f32]| {
            let channel = |channel: usize| if channel < turned { row[channel / 2] } else { still };
            (0..head).map(channel).collect::<Vec<f32>>()
        };
        place.tensor(values.chunks_exact(turned / 2).flat_map(row).collect(), [positions, head])
    };
    Rotation { cos: spread(&cos, 1.0), sin: spread(&sin, 0.0) }
}

impl<B: Backend> Model for BurnMoonshine<B> {
    type Span = BurnSpan<B>;
    type FrontEnd = BurnFrontEnd<B>;
    type Encoder = BurnEncoder<B>;
    type Decoder = BurnDecoder<B>;

    fn info(&self) -> ModelInfo {
        ModelInfo { batch: self.options.batch, ..ModelInfo::new(self.config.limits()) }
    }

    /// It is the device's.
    fn working_memory(&self, _: usize) -> Option<WorkingMemory> {
        None
    }

    fn span(&self) -> BurnSpan<B> {
        BurnSpan::empty()
    }

    fn front_end(&self, slots: usize) -> BurnFrontEnd<B> {
        let (stem, lengths) = (Arc::clone(&self.stem), Arc::clone(&self.lengths));
        BurnFrontEnd::new(stem, self.device.clone(), self.config.clone(), lengths, slots)
    }

    fn encoder(&self, _slots: usize, _team: Team) -> BurnEncoder<B> {
        BurnEncoder::new(Arc::clone(&self.encoder))
    }

    fn decoder(&self, slots: usize) -> BurnDecoder<B> {
        BurnDecoder::new(self.new_batch(), self.config.clone(), slots, self.options)
    }
}
