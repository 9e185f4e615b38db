//! The runtime's own chain of five stages.

use super::{Load, Passage, STAGES};
use crate::lab::distribution::{histogram, record};
use crate::lab::links::AudioMessage;
use crate::lab::open_loop::OpenLoop;
use crate::lab::pin::on_core;
use anyhow::Result;
use voxlane_runtime::chain::{Chain, Handle, Handling, Pipeline, Settings};
use voxlane_runtime::clock::Time;
use voxlane_runtime::message::Message;
use voxlane_runtime::wait::{Spin, SpinPark};

/// What an [`AudioMessage`] carries.
type Frame = [[u64; 22]; 4];

struct Copy;

impl Handle for Copy {
    type Control = ();
    type In = Frame;
    type Out = Frame;

    fn handle(&mut self, input: &Message<(), Frame>, output: &mut Message<(), Frame>) -> Handling {
        output.payload = input.payload;
        Handling::SendOn
    }
}

/// As [`super::pass`].
pub(super) fn pass(load: Load<'_>) -> Result<Passage> {
    const { assert!(size_of::<AudioMessage>() == size_of::<Message<(), Frame>>()) };
    let core = |stage: usize| load.cores[stage * load.threads / STAGES % load.cores.len()];
    let cores: [usize; STAGES] = std::array::from_fn(core);
    let chain =
        Chain::new("1", || Copy).then("2", || Copy).then("3", || Copy).then("4", || Copy).then("5", || Copy);
    // The generator needs a core too.
    let has_room = load.threads < load.cores.len();
    let mut pipeline = if has_room {
        chain.start::<Spin>(&cores, Settings::default())
    } else {
        chain.start::<SpinPark>(&cores, Settings::default())
    }?;
    let generator_core = load.cores[load.threads % load.cores.len()];
    let passage = on_core(generator_core, || Ok(send(load, &mut pipeline, !has_room)))?;
    if let Some(failure) = pipeline.failure() {
        anyhow::bail!("a stage failed: {failure}");
    }
    Ok(passage)
}

/// Sends the frames and takes them out at the other end.
fn send(load: Load<'_>, pipeline: &mut Pipeline<(), Frame, Frame>, yields: bool) -> Passage {
    let clock = pipeline.clock().clone();
    let (mut latency, begun) = (histogram(), clock.now());
    let mut generator = OpenLoop::new(&clock, load.hop);
    let (mut sent, mut received, mut waiting) = (0, 0, None::<Time>);
    let end = begun.after(load.longest());
    while received < load.frames {
        let now = clock.now();
        if now > end && received == sent {
            break;
        }
        if waiting.is_none() && sent < load.frames && now <= end {
            if load.hop.is_zero() {
                waiting = Some(now);
            } else if now >= generator.due() {
                waiting = Some(generator.wait());
            }
        }
        if let Some(due) = waiting
            && pipeline.send_at(due, |message| message.payload[0][0] = sent)
        {
            (waiting, sent) = (None, sent + 1);
        }
        let Some(message) = pipeline.receive() else {
            if yields {
                std::thread::yield_now();
            }
            continue;
        };
        record(&mut latency, clock.now().nanos_since(message.header.captured));
        received += 1;
    }
    let nanos_per_frame = clock.now().since(begun).as_nanos() as f64 / received.max(1) as f64;
    Passage { latency, lag: (!load.hop.is_zero()).then(|| generator.finish()), nanos_per_frame }
}
