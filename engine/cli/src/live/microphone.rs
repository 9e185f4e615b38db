//! The microphone, behind the feature `microphone`: the operating system's sound libraries are not wanted on
//! a server.

use super::message::Message;
use crate::failure::Failure;
use std::sync::mpsc::Receiver;

#[cfg(feature = "microphone")]
pub use device::Device;

/// Without the feature there is none.
#[cfg(not(feature = "microphone"))]
pub enum Device {}

/// Opens the default microphone: what it sends, and its rate.
///
/// # Errors
/// [`Failure`] if there is none, or if this build cannot use one.
#[cfg(not(feature = "microphone"))]
pub fn open() -> Result<(Device, Receiver<Message>, u32), Failure> {
    Err(Failure::usage(
        "--input mic: not built in (expected a build with --features microphone)",
        "pipe raw audio in: `arecord -q -f S16_LE -r 16000 -c 1 | voxlane live`",
    ))
}

/// Opens the default microphone: what it sends, and its rate.
///
/// # Errors
/// [`Failure`] if there is none, or if it gives no format that is understood.
#[cfg(feature = "microphone")]
pub fn open() -> Result<(Device, Receiver<Message>, u32), Failure> {
    device::open().map_err(|message| {
        Failure::usage(format!("microphone: {message}"), "`arecord -l` lists what the system knows")
    })
}

#[cfg(feature = "microphone")]
mod device {
    use crate::failure::Failure;
    use crate::live::message::Message;
    use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
    use cpal::{FromSample, Sample, SizedSample};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::thread::JoinHandle;
    use voxlane::audio::file::Samples;

    /// Blocks that may wait for the engine; the sound card's thread must never wait itself.
    const BLOCKS_AHEAD: usize = 256;

    /// A microphone that records as long as this is held. Sound libraries want a stream to stay on the thread that made
    /// it: it has one of its own.
    pub struct Device {
        /// Taken when the device is dropped: then the thread lets go of the stream.
        held: Option<SyncSender<()>>,
        thread: Option<JoinHandle<()>>,
    }

    impl Drop for Device {
        fn drop(&mut self) {
            self.held = None;
            if let Some(thread) = self.thread.take() {
                // It has nothing to say, and nothing to fail with.
                let _ = thread.join();
            }
        }
    }

    /// The default microphone, its blocks of mono samples, and its rate.
    pub fn open() -> Result<(Device, Receiver<Message>, u32), String> {
        let (held, release) = sync_channel::<()>(0);
        let (answer, answered) = sync_channel(1);
        let record = move || {
            let stream = match start() {
                Ok((stream, blocks, sample_rate)) => {
                    let _ = answer.send(Ok((blocks, sample_rate)));
                    stream
                }
                Err(message) => return drop(answer.send(Err(message))),
            };
            // Ends when the other end is dropped: nothing is ever sent.
            let _ = release.recv();
            drop(stream);
        };
        let thread = std::thread::Builder::new().name("vox-microphone".into()).spawn(record);
        let thread = Some(thread.map_err(|error| error.to_string())?);
        let device = Device { held: Some(held), thread };
        let (blocks, sample_rate) = answered.recv().map_err(|_| "the sound library failed".to_owned())??;
        Ok((device, blocks, sample_rate))
    }

    /// Records, on the calling thread's behalf.
    fn start() -> Result<(cpal::Stream, Receiver<Message>, u32), String> {
        let device = cpal::default_host().default_input_device().ok_or("there is none")?;
        let supported = device.default_input_config().map_err(|error| error.to_string())?;
        let (format, config) = (supported.sample_format(), supported.config());
        let (sender, blocks) = sync_channel(BLOCKS_AHEAD);
        let stream = match format {
            cpal::SampleFormat::I16 => record::<i16>(&device, &config, sender),
            cpal::SampleFormat::U16 => record::<u16>(&device, &config, sender),
            cpal::SampleFormat::I32 => record::<i32>(&device, &config, sender),
            cpal::SampleFormat::F32 => record::<f32>(&device, &config, sender),
            other => return Err(format!("it records {other}, which is not understood")),
        }?;
        stream.play().map_err(|error| error.to_string())?;
        Ok((stream, blocks, config.sample_rate))
    }

    /// Starts recording: the mean of all channels.
    fn record<T: SizedSample>(
        device: &cpal::Device,
        config: &cpal::StreamConfig,
        sender: SyncSender<Message>,
    ) -> Result<cpal::Stream, String>
    where
        f32: FromSample<T>,
    {
        let channels = usize::from(config.channels);
        let errors = sender.clone();
        let mut lost = 0;
        let take = move |data: &[T], _: &cpal::InputCallbackInfo| {
            let mono = |frame: &[T]| {
                let sum: f32 = frame.iter().map(|&sample| f32::from_sample(sample)).sum();
                i16::from_sample(sum / channels as f32)
            };
            // A queue that is full loses a block, which is said later: better than to stop the sound card.
            let samples = Samples::I16(data.chunks_exact(channels).map(mono).collect());
            if lost > 0
                && sender
                    .try_send(Message::Warning(format!("{lost} blocks of the microphone were lost")))
                    .is_ok()
            {
                lost = 0;
            }
            if sender.try_send(Message::Samples(samples)).is_err() {
                lost += 1;
            }
        };
        let fail = move |error: cpal::StreamError| {
            let message = format!("microphone: {error}");
            // It ends the input: worth waiting for a place in the queue.
            let _ = errors
                .send(Message::Failed(Failure::Input { message, hint: "what came before is shown above" }));
        };
        device.build_input_stream(config, take, fail, None).map_err(|error| error.to_string())
    }
}
