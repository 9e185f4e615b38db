//! What a chunk of audio costs: the network's parts driven directly on the calling thread, with all the time they want.

use crate::lab::distribution::{histogram, record};
use crate::spoken::Recording;
use crate::stopwatch::Stopwatch;
use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use std::time::Duration;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::decode::{CtcGreedy, CtcPrefixBeam, TransducerBeam};
use voxlane_models::encoders::emformer::EmformerEncoder;
use voxlane_models::families::emformer::Emformer;
use voxlane_models::fault::Faults;
use voxlane_models::frontends::fbank::FbankFrontEnd;
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model};
use voxlane_models::networks::emformer::config::Config;
use voxlane_models::networks::emformer::span::EmformerSpan;
use voxlane_models::team::Team;

/// Hypotheses of the beams.
pub const BEAM: usize = 4;
/// Samples that are pushed at once: one frame of the engine.
const FRAME_SAMPLES: usize = 320;
const SLOT: usize = 0;

/// A decoder by name. One call through its trait object a chunk is nothing beside the decoder's work.
type Contender = (&'static str, Box<dyn Decoder<Span = EmformerSpan>>);

/// Times of chunks, in nanoseconds: what one segment of the network's grid costs.
pub struct Chunks {
    /// Taking the samples, and the front end's pass.
    pub front_end: Histogram<u64>,
    /// The encoder's pass.
    pub encoder: Histogram<u64>,
    /// The decoders', with their names, on the same frames; the first is greedy decoding of the transducer.
    pub decoders: Vec<(&'static str, Histogram<u64>)>,
    /// Front end, encoder and the first decoder.
    pub whole: Histogram<u64>,
    /// Encoder frames of a chunk.
    pub frames: usize,
    /// Milliseconds of audio of an encoder frame.
    pub frame_ms: f64,
}

/// The parts of one stream.
pub struct Parts {
    config: Config,
    front_end: FbankFrontEnd,
    encoder: EmformerEncoder,
    contenders: Vec<Contender>,
    span: EmformerSpan,
    budget: Budget,
    faults: Faults,
}

impl Parts {
    /// Greedy decoding alone, or all strategies on the same frames.
    pub fn new(network: &Emformer, all_strategies: bool) -> Self {
        let mut contenders: Vec<Contender> = vec![("greedy", Box::new(network.decoder(1)))];
        if all_strategies {
            let beam = network.decoded_by::<TransducerBeam<BEAM>>().decoder(1);
            let ctc = network.decoded_by::<CtcGreedy>().decoder(1);
            let ctc_beam = network.decoded_by::<CtcPrefixBeam<BEAM>>().decoder(1);
            contenders.push(("beam 4", Box::new(beam)));
            contenders.push(("CTC greedy", Box::new(ctc)));
            contenders.push(("CTC prefix beam 4", Box::new(ctc_beam)));
        }
        Parts {
            config: network.config().clone(),
            front_end: network.front_end(1),
            encoder: network.encoder(1, Team::alone()),
            contenders,
            span: network.span(),
            budget: Budget::unlimited(),
            faults: Faults::NONE,
        }
    }

    /// Runs a recording as one segment and gives `each` the times of every chunk that came whole: front end,
    /// encoder and decoders. Returns the tokens of the first decoder.
    ///
    /// # Errors
    /// If the network flags a fault.
    pub fn run(
        &mut self,
        samples: &[i16],
        watch: Stopwatch,
        mut each: impl FnMut([Duration; 2], &[Duration]),
    ) -> Result<Vec<u32>> {
        self.front_end.reset(SLOT);
        self.encoder.reset(SLOT);
        self.contenders.iter_mut().for_each(|(_, decoder)| decoder.reset(SLOT));
        let mut pushing = Duration::ZERO;
        for frame in samples.chunks(FRAME_SAMPLES) {
            let begun = watch.now();
            self.front_end.push(SLOT, frame, &mut self.faults);
            pushing += watch.now() - begun;
            if self.front_end.is_ready(SLOT) {
                let ([features, encoder], decoders) = self.pass(samples.len(), Goal::Partial, watch);
                each([std::mem::take(&mut pushing) + features, encoder], &decoders);
            }
        }
        self.pass(samples.len(), Goal::Final, watch);
        ensure!(self.faults.is_none(), "the network flags {:?}", self.faults);
        let hypothesis = self.contenders[0].1.hypothesis(SLOT);
        Ok(hypothesis.tokens().iter().map(|token| token.id).collect())
    }

    /// One pass through all parts: the times of front end and encoder, and those of the decoders.
    fn pass(&mut self, samples: usize, goal: Goal, watch: Stopwatch) -> ([Duration; 2], Vec<Duration>) {
        let Parts { front_end, encoder, contenders, span, budget, faults, .. } = self;
        let mut decoded = Vec::with_capacity(contenders.len());
        let begun = watch.now();
        front_end.begin(SLOT, samples, goal);
        while front_end.step(span, budget, faults) == Progress::More {}
        let has_features = watch.now();
        encoder.begin(SLOT, span);
        while encoder.step(span, budget, faults) == Progress::More {}
        let encoded = watch.now();
        for (_, decoder) in contenders {
            let begun = watch.now();
            decoder.begin(SLOT, span, goal.into());
            while decoder.step(span, budget, faults) == Progress::More {}
            decoded.push(watch.now() - begun);
        }
        ([has_features - begun, encoded - has_features], decoded)
    }
}

/// Times `rounds` rounds over all recordings, after one that is thrown away. A chunk is one segment: recordings are
/// at least that long.
///
/// # Errors
/// If the network flags a fault.
pub fn measure(
    network: &Emformer,
    recordings: &[Recording],
    rounds: usize,
    watch: Stopwatch,
) -> Result<Chunks> {
    let mut parts = Parts::new(network, network.has_ctc());
    let [mut front_end, mut encoder, mut whole] = [histogram(), histogram(), histogram()];
    let mut times: Vec<Histogram<u64>> = parts.contenders.iter().map(|_| histogram()).collect();
    let nanos = |time: Duration| time.as_nanos() as u64;
    for round in 0..=rounds {
        for recording in recordings {
            parts.run(&recording.samples, watch, |[features, encoded], decoded| {
                if round == 0 {
                    return;
                }
                record(&mut front_end, nanos(features));
                record(&mut encoder, nanos(encoded));
                record(&mut whole, nanos(features + encoded + decoded[0]));
                times.iter_mut().zip(decoded).for_each(|(times, time)| record(times, nanos(*time)));
            })?;
        }
    }
    let config = &parts.config;
    Ok(Chunks {
        front_end,
        encoder,
        whole,
        decoders: parts.contenders.iter().map(|(name, _)| *name).zip(times).collect(),
        frames: config.segment_frames(),
        frame_ms: config.frame_samples() as f64 / 16.0,
    })
}
