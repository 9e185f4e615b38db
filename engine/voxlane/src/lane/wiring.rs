//! The rings of a lane, and how each of its stages is built.

use super::LaneSpec;
use super::helper::team;
use crate::decode_options::{Asked, decode_options};
use crate::gate::{Endpoints, Inputs};
use crate::history::History;
use crate::memory::say_unlocked;
use crate::message::{
    AudioMessage, MAX_MARKS, RequestMessage, ReturnedBuffer, SpanMessage, TokensMessage, TurnMessage,
};
use crate::meter::Meter;
use crate::settings::{SettingReceiver, settings};
use crate::sizes::Sizes;
use crate::slot_state::Slots;
use crate::stage::{
    DecoderPorts, DecoderSizes, DecoderStage, EmitPorts, EmitStage, EncoderStage, FeaturesPorts,
    FeaturesSizes, FeaturesStage, IngestPorts, IngestStage, Segmentation, TurnPorts, TurnStage,
};
use crate::stage_kind::StageKind;
use crate::telemetry::{Measure, STAGE_MEASURES};
use crate::turn::{TurnAsker, TurnAudio, TurnLoad};
use crate::warm::Warmer;
use std::sync::Arc;
use std::time::Duration;
use voxlane_models::model::Model;
use voxlane_models::residency::{Pages, Residency};
use voxlane_runtime::eventcount::{Notifier, Waiter};
use voxlane_runtime::fork_join::ForkJoin;
use voxlane_runtime::lane::{HelperPlan, LanePlan, StagePlan, ThreadPlan, Timing};
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::{Receiver, Sender, ring_guarded};
use voxlane_runtime::stage::{Stage, Turn};
use voxlane_runtime::telemetry::recorder::{Reader, recorder};
use voxlane_runtime::warm_up::WarmFeedback;

/// Messages of audio that ingest may be ahead of features.
const AUDIO_MESSAGES: usize = 64;
/// Questions about turns that may wait, for each slot: those that were taken back wait too.
const TURN_QUESTIONS: usize = 4;
/// Results and notices between the stages after that: more than the markers that one result may set free.
const SPAN_MESSAGES: usize = 2 * MAX_MARKS;

/// A lane before its threads run.
pub(super) struct Wiring {
    pub(super) plan: LanePlan,
    pub(super) endpoints: Vec<Endpoints>,
    pub(super) slots: Arc<Slots>,
    /// Ingest's thread, for clients.
    pub(super) notifier: Arc<Notifier>,
}

/// The threads of a lane, as its stages come to them.
struct Threads {
    threads: Vec<ThreadPlan>,
    /// The thread of each stage.
    places: [usize; StageKind::ALL.len()],
    residency: Residency,
}

impl Threads {
    fn notifier(&self, stage: StageKind) -> Arc<Notifier> {
        self.threads[self.places[stage as usize]].waiter.notifier()
    }

    /// Adds a stage to its thread, which `build` makes there.
    fn add<S: Stage + 'static>(
        &mut self,
        stage: StageKind,
        turn: Turn,
        build: impl FnOnce() -> S + Send + 'static,
    ) {
        let residency = self.residency;
        let build = move || {
            let (built, unlocked) = residency.apply(build);
            say_unlocked(stage.name(), unlocked);
            built
        };
        let place = self.places[stage as usize];
        self.threads[place].stages.push(StagePlan::new(stage.name(), turn, build));
    }
}

/// A ring whose pages are as the thread wants its buffers.
fn ring<T: Copy + Default + Send>(capacity: usize, notifier: Arc<Notifier>) -> (Sender<T>, Receiver<T>) {
    ring_guarded(capacity, notifier, Pages::of)
}

impl Wiring {
    /// Connects everything anew: nothing of an earlier lane is reused.
    pub(super) fn new<M: Model>(spec: &LaneSpec<M>) -> Self {
        let LaneSpec { number, model, config, placement, clock, faults, voice, turn, punctuation, .. } = spec;
        let lane = &config.lanes[*number];
        let sizes = Sizes::new(config, lane, &**model);
        let (streams, states, count) = (sizes.streams, sizes.states(), sizes.chains);
        let (part_states, has_context) = (sizes.part_states(), sizes.has_context);
        let info = model.info();
        let slots = Arc::new(Slots::new(streams));
        let feedback = Arc::new(WarmFeedback::default());
        let place_of = |stage| placement.threads.iter().position(|t| t.stages.contains(&stage)).unwrap_or(0);
        let mut threads = Threads {
            threads: placement.threads.iter().map(|thread| ThreadPlan::new(thread.core)).collect(),
            places: StageKind::ALL.map(place_of),
            residency: config.memory.residency(),
        };

        let mut inputs = Vec::with_capacity(streams);
        let mut rooms = Vec::with_capacity(streams);
        let mut rules = Vec::with_capacity(streams);
        let mut outputs = Vec::with_capacity(streams);
        let mut updates: Vec<Vec<SettingReceiver<Asked>>> =
            (0..count).map(|_| Vec::with_capacity(streams)).collect();
        let mut endpoints = Vec::with_capacity(streams);
        for _ in 0..streams {
            let (audio, input) =
                ring::<RequestMessage>(sizes.audio_messages, threads.notifier(StageKind::Ingest));
            let waiter = Waiter::fenced();
            let (output, events) = ring::<TokensMessage>(sizes.event_messages, waiter.notifier());
            let room = Waiter::fenced();
            rooms.push(room.notifier());
            inputs.push(input);
            outputs.push(output);
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| decode_options()).unzip();
            updates.iter_mut().zip(receivers).for_each(|(updates, receiver)| updates.push(receiver));
            let (its_rules, receiver) = settings();
            rules.push(receiver);
            let inputs = Inputs { audio, rules: its_rules, options: senders, room };
            endpoints.push(Endpoints { inputs, events, waiter });
        }

        let audio_ring = |_| ring::<AudioMessage>(AUDIO_MESSAGES, threads.notifier(StageKind::Features));
        let (to_features, from_ingest): (Vec<Sender<AudioMessage>>, Vec<_>) =
            (0..count).map(audio_ring).unzip();

        let mut readers: Vec<(&'static str, Reader)> = Vec::new();
        let mut meter = |stage: StageKind, threads: &Threads| {
            let measures = if stage == StageKind::Emit { Measure::ALL } else { STAGE_MEASURES };
            let (recorder, reader) = recorder(measures, threads.notifier(stage));
            readers.push((stage.name(), reader));
            Meter::new(stage, clock.clone(), recorder, Arc::clone(faults))
        };

        let warmer = Warmer::new(config.warm, Arc::clone(&feedback), clock.now());
        let (cutter, history) = (sizes.cutter, History::new(sizes.history_samples));
        let chunks = info.chunks;
        let (its_slots, voice) = (Arc::clone(&slots), voice.clone());
        let (mut asker, load) = (None, Arc::new(TurnLoad::default()));
        if let Some(network) = turn.clone() {
            let (output, input) =
                ring::<TurnMessage>(TURN_QUESTIONS * streams, threads.notifier(StageKind::Turn));
            let pool = Arc::new(Pool::empty(streams));
            asker = Some(TurnAsker { output, pool: Arc::clone(&pool), load: Arc::clone(&load) });
            let (its_slots, ingest) = (Arc::clone(&slots), threads.notifier(StageKind::Ingest));
            let (its_meter, its_load) = (meter(StageKind::Turn, &threads), Arc::clone(&load));
            threads.add(StageKind::Turn, Turn::Foreground, move || {
                pool.fill(TurnAudio::new);
                let ports = TurnPorts { input, pool, load: its_load, slots: its_slots, ingest };
                TurnStage::new(network.detector(), ports, its_meter)
            });
        }
        let its_meter = meter(StageKind::Ingest, &threads);
        threads.add(StageKind::Ingest, Turn::Always, move || {
            let detector = voice.detector(streams);
            let ports = IngestPorts {
                inputs,
                rules,
                rooms,
                outputs: to_features,
                slots: its_slots,
                warmer,
                detector,
                turn: asker,
            };
            IngestStage::new(ports, Segmentation { chunks, cutter, history, has_context }, its_meter)
        });

        let helper = placement.helper.map(|core| {
            let waiter = Waiter::fenced();
            let fork_join = Arc::new(ForkJoin::new(waiter.notifier()));
            HelperPlan { core, waiter, fork_join }
        });
        let mut from_decoders = Vec::with_capacity(count);
        for (chain, (from_ingest, options)) in from_ingest.into_iter().zip(updates).enumerate() {
            let turn = if chain == 0 { Turn::Foreground } else { Turn::Background };
            let pool = Arc::new(Pool::empty(sizes.spans));
            let (to_encoder, from_features) =
                ring::<SpanMessage>(SPAN_MESSAGES, threads.notifier(StageKind::Encoder));
            let (to_decoder, from_encoder) =
                ring::<SpanMessage>(SPAN_MESSAGES, threads.notifier(StageKind::Decoder));
            let (to_emit, from_decoder) =
                ring::<TokensMessage>(SPAN_MESSAGES, threads.notifier(StageKind::Emit));
            let (give_back, returned) =
                ring::<ReturnedBuffer>(pool.capacity(), threads.notifier(StageKind::Features));
            from_decoders.push(from_decoder);

            let (part, its_pool) = (Arc::clone(model), Arc::clone(&pool));
            let its_meter = meter(StageKind::Features, &threads);
            // Elsewhere, a partial keeps no question waiting.
            let shares_core = threads.places[StageKind::Turn as usize]
                == threads.places[StageKind::Encoder as usize]
                || threads.places[StageKind::Turn as usize] == threads.places[StageKind::Decoder as usize];
            let its_load = shares_core.then(|| Arc::clone(&load));
            threads.add(StageKind::Features, turn, move || {
                let ports =
                    FeaturesPorts { input: from_ingest, output: to_encoder, returned, turns: its_load };
                // Before any number is handed out, and on the core that writes into the buffers first.
                its_pool.fill(|| part.span());
                let sizes = FeaturesSizes {
                    states,
                    is_chunked: chunks.is_some(),
                    most_samples: info.limits.max_segment_samples,
                };
                FeaturesStage::new(part.front_end(part_states), sizes, ports, its_pool, its_meter)
            });

            let team = team(helper.as_ref().map(|helper| &helper.fork_join));
            let (part, its_pool) = (Arc::clone(model), Arc::clone(&pool));
            let its_meter = meter(StageKind::Encoder, &threads);
            threads.add(StageKind::Encoder, turn, move || {
                let ports = (from_features, to_decoder);
                let encoder = part.encoder(states, team);
                EncoderStage::new(encoder, (states, info.encoder_batch), ports, its_pool, its_meter)
            });

            let ingest = threads.notifier(StageKind::Ingest);
            let (part, its_slots) = (Arc::clone(model), Arc::clone(&slots));
            let punctuation = Arc::clone(punctuation);
            let its_meter = meter(StageKind::Decoder, &threads);
            threads.add(StageKind::Decoder, turn, move || {
                let sizes = DecoderSizes {
                    states,
                    max_tokens: info.limits.max_segment_tokens,
                    batch: info.batch,
                    is_chunked: chunks.is_some(),
                    has_context,
                };
                let ports = DecoderPorts {
                    input: from_encoder,
                    output: to_emit,
                    returned: give_back,
                    options,
                    ingest,
                    slots: its_slots,
                    punctuation,
                };
                DecoderStage::new(part.decoder(part_states), sizes, ports, pool, its_meter)
            });
        }

        let ports = EmitPorts {
            inputs: from_decoders,
            outputs,
            slots: Arc::clone(&slots),
            feedback: Arc::clone(&feedback),
        };
        let its_meter = meter(StageKind::Emit, &threads);
        threads.add(StageKind::Emit, Turn::Always, move || EmitStage::new(ports, its_meter));

        let notifier = threads.notifier(StageKind::Ingest);
        let (slice, spin) = (Duration::from_micros(lane.step_us), Duration::from_micros(lane.spin_us));
        let plan = LanePlan {
            number: *number,
            prefix: "vox",
            threads: threads.threads,
            helper,
            readers,
            timing: Timing { clock: clock.clone(), slice, spin },
            warm_up: config.warm.enabled.then_some(feedback),
        };
        Wiring { plan, endpoints, slots, notifier }
    }
}
