//! The rings of a lane, and what each of its threads needs to build its stages.

use super::sizes::Sizes;
use super::{Chain, LanePlan, Stages};
use crate::assist::Desk;
use crate::bell::{Bell, Sleeper};
use crate::config::LaneConfig;
use crate::frame::{AudioFrame, SpanFrame, StageKind, TokensFrame};
use crate::history::History;
use crate::phrases::{PhraseReceiver, phrases};
use crate::pool::Pool;
use crate::ring::{Receiver, Sender, ring};
use crate::session::{Inputs, MAX_MARKS};
use crate::slots::Slots;
use crate::stage::{Decoder, DecoderPorts, Emit, EmitPorts, Encoder, Features, Ingest, IngestPorts, Meter};
use crate::telemetry::recorder::{Reader, recorder};
use crate::warm::{WarmFeedback, Warmer};
use std::sync::Arc;
use voxlane_models::model::Model;
use voxlane_models::team::Team;

/// Frames of audio that ingest may be ahead of features.
const AUDIO_FRAMES: usize = 64;
/// Results and notices between the stages after that: more than the markers that one result may set free.
const SPAN_FRAMES: usize = 2 * MAX_MARKS;

/// A client's ends of one slot.
pub(crate) struct Endpoints {
    pub(crate) inputs: Inputs,
    pub(crate) events: Receiver<TokensFrame>,
    pub(crate) sleeper: Sleeper,
}

type Build<S> = Box<dyn FnOnce() -> S + Send>;

/// Builds the stages of one thread, on that thread: memory belongs to the core that first touches it.
pub(crate) struct StageBuilders<M: Model> {
    ingest: Option<Build<Ingest>>,
    /// Of each chain, the one of live streams first.
    chains: [ChainBuilders<M>; 2],
    emit: Option<Build<Emit>>,
}

struct ChainBuilders<M: Model> {
    features: Option<Build<Features<M::FrontEnd>>>,
    encoder: Option<Build<Encoder<M::Encoder>>>,
    decoder: Option<Build<Decoder<M::Decoder>>>,
}

impl<M: Model> StageBuilders<M> {
    fn none() -> Self {
        let chain = || ChainBuilders { features: None, encoder: None, decoder: None };
        StageBuilders { ingest: None, chains: [chain(), chain()], emit: None }
    }

    pub(crate) fn build(self) -> Stages<M> {
        let [live, batch] = self.chains.map(ChainBuilders::build);
        let (ingest, emit) = (self.ingest.map(|build| build()), self.emit.map(|build| build()));
        Stages { ingest, live, batch, emit }
    }
}

impl<M: Model> ChainBuilders<M> {
    fn build(self) -> Chain<M> {
        Chain {
            features: self.features.map(|build| build()),
            encoder: self.encoder.map(|build| build()),
            decoder: self.decoder.map(|build| build()),
        }
    }
}

/// A lane before its threads run.
pub(crate) struct Wiring<M: Model> {
    /// For each thread of the placement.
    pub(crate) threads: Vec<(Sleeper, StageBuilders<M>)>,
    /// The helper thread's core, how it sleeps, and where it finds its work.
    pub(crate) helper: Option<(usize, Sleeper, Arc<Desk>)>,
    pub(crate) endpoints: Vec<Endpoints>,
    pub(crate) readers: Vec<(StageKind, Reader)>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) feedback: Arc<WarmFeedback>,
    /// Ingest's thread, for clients.
    pub(crate) bell: Arc<Bell>,
}

impl<M: Model> Wiring<M> {
    /// Connects everything anew: nothing of an earlier lane is reused.
    pub(crate) fn new(plan: &LanePlan<M>, lane: &LaneConfig) -> Self {
        let LanePlan { model, config, placement, clock, faults, voice, .. } = plan;
        let sizes = Sizes::new(config, lane, &**model);
        let (streams, states, count) = (sizes.streams, sizes.states(), sizes.chains);
        let limits = model.limits();
        let slots = Arc::new(Slots::new(streams));
        let feedback = Arc::new(WarmFeedback::default());
        let sleepers: Vec<Sleeper> = placement.threads.iter().map(|_| Sleeper::new()).collect();
        let thread_of = |stage| placement.threads.iter().position(|t| t.stages.contains(&stage)).unwrap_or(0);
        let bell = |stage| sleepers[thread_of(stage)].bell();

        let mut inputs = Vec::with_capacity(streams);
        let mut outputs = Vec::with_capacity(streams);
        let mut updates: Vec<Vec<PhraseReceiver>> = (0..count).map(|_| Vec::with_capacity(streams)).collect();
        let mut endpoints = Vec::with_capacity(streams);
        for _ in 0..streams {
            let (audio, input) = ring::<AudioFrame>(sizes.audio_frames, bell(StageKind::Ingest));
            let sleeper = Sleeper::considerate();
            let (output, events) = ring::<TokensFrame>(sizes.event_frames, sleeper.bell());
            inputs.push(input);
            outputs.push(output);
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| phrases()).unzip();
            updates.iter_mut().zip(receivers).for_each(|(updates, receiver)| updates.push(receiver));
            endpoints.push(Endpoints { inputs: Inputs { audio, phrases: senders }, events, sleeper });
        }

        let audio_ring = |_| ring::<AudioFrame>(AUDIO_FRAMES, bell(StageKind::Features));
        let (to_features, from_ingest): (Vec<Sender<AudioFrame>>, Vec<_>) =
            (0..count).map(audio_ring).unzip();

        let mut readers = Vec::new();
        let mut meter = |stage: StageKind| {
            let (recorder, reader) = recorder(stage, bell(stage));
            readers.push((stage, reader));
            Meter::new(stage, clock.clone(), recorder, Arc::clone(faults))
        };
        let mut threads: Vec<StageBuilders<M>> =
            placement.threads.iter().map(|_| StageBuilders::none()).collect();

        let warmer = Warmer::new(config.warm, streams as u16, Arc::clone(&feedback), clock.now());
        let (cutter, history) = (sizes.cutter, History::new(sizes.history_samples));
        let chunks = model.chunks();
        let (its_slots, voice) = (Arc::clone(&slots), voice.clone());
        let ingest_meter = meter(StageKind::Ingest);
        threads[thread_of(StageKind::Ingest)].ingest = Some(Box::new(move || {
            let detector = voice.detector(streams);
            let ports = IngestPorts { inputs, outputs: to_features, slots: its_slots, warmer, detector };
            Ingest::new(ports, chunks, &cutter, &history, ingest_meter)
        }));

        let helper = placement.helper.map(|core| {
            let sleeper = Sleeper::considerate();
            let desk = Arc::new(Desk::new(sleeper.bell()));
            (core, sleeper, desk)
        });
        let mut from_decoders = Vec::with_capacity(count);
        for (chain, (from_ingest, phrases)) in from_ingest.into_iter().zip(updates).enumerate() {
            let batch = model.batch();
            let pool = Arc::new(Pool::empty(sizes.spans));
            let (to_encoder, from_features) = ring::<SpanFrame>(SPAN_FRAMES, bell(StageKind::Encoder));
            let (to_decoder, from_encoder) = ring::<SpanFrame>(SPAN_FRAMES, bell(StageKind::Decoder));
            let (to_emit, from_decoder) = ring::<TokensFrame>(SPAN_FRAMES, bell(StageKind::Emit));
            let (give_back, returned) = ring::<u32>(pool.capacity(), bell(StageKind::Features));
            from_decoders.push(from_decoder);

            let (part, its_pool, its_meter) =
                (Arc::clone(model), Arc::clone(&pool), meter(StageKind::Features));
            threads[thread_of(StageKind::Features)].chains[chain].features = Some(Box::new(move || {
                let ports = (from_ingest, to_encoder, returned);
                // Before any number is handed out, and on the core that writes into the buffers first.
                its_pool.fill(|| part.span());
                Features::new(part.front_end(states), (states, chunks.is_some()), ports, its_pool, its_meter)
            }));

            let team =
                helper.as_ref().map_or(Team::alone(), |(_, _, desk)| Team::with(Arc::clone(desk) as _));
            let (part, its_pool, its_meter) =
                (Arc::clone(model), Arc::clone(&pool), meter(StageKind::Encoder));
            threads[thread_of(StageKind::Encoder)].chains[chain].encoder = Some(Box::new(move || {
                let ports = (from_features, to_decoder);
                Encoder::new(part.encoder(states, team), part.encoder_batch(), ports, its_pool, its_meter)
            }));

            let ingest_bell = bell(StageKind::Ingest);
            let (part, its_slots, its_meter) =
                (Arc::clone(model), Arc::clone(&slots), meter(StageKind::Decoder));
            threads[thread_of(StageKind::Decoder)].chains[chain].decoder = Some(Box::new(move || {
                let sizes = (states, limits.max_segment_tokens, batch);
                let ports = DecoderPorts {
                    input: from_encoder,
                    output: to_emit,
                    returned: give_back,
                    phrases,
                    bell: ingest_bell,
                    slots: its_slots,
                };
                Decoder::new(part.decoder(states), sizes, ports, pool, its_meter)
            }));
        }

        let ports = EmitPorts {
            inputs: from_decoders,
            outputs,
            slots: Arc::clone(&slots),
            feedback: Arc::clone(&feedback),
        };
        let its_meter = meter(StageKind::Emit);
        threads[thread_of(StageKind::Emit)].emit = Some(Box::new(move || Emit::new(ports, its_meter)));

        let bell = bell(StageKind::Ingest);
        let threads = sleepers.into_iter().zip(threads).collect();
        Wiring { threads, helper, endpoints, readers, slots, feedback, bell }
    }
}
