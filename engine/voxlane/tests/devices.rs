//! Backends beside the processor's own kernels: refused where they are not built in, and otherwise the same engine.
#![cfg(feature = "fetch")]

use voxlane::config::Backend;
use voxlane::{Config, Engine, EngineError};

#[test]
fn a_backend_that_is_not_built_in_is_refused() {
    let is_built = [
        (Backend::Flex, cfg!(feature = "flex")),
        (Backend::Wgpu, cfg!(feature = "wgpu")),
        (Backend::Cuda, cfg!(feature = "cuda")),
    ];
    for (backend, _) in is_built.into_iter().filter(|&(_, is_built)| !is_built) {
        let error = Engine::start(Config { backend, ..Config::default() }).err().unwrap();
        assert!(matches!(error, EngineError::NotBuilt { .. }), "{error}");
        let message =
            format!("backend = \"{backend}\": not built in (expected a build with --features {backend})");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn options_of_a_device_are_checked() {
    use voxlane::config::Source;
    for (text, field) in [
        ("[device]\nbatch = 0", "device.batch"),
        ("[device]\nsteps_in_flight = 5", "device.steps_in_flight"),
        ("[device]\nfloat = \"f8\"", "f8"),
        ("backend = \"tpu\"", "tpu"),
    ] {
        let error = Source::parse(text.to_owned(), None).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
}

#[cfg(feature = "flex")]
mod flex {
    use super::*;
    use std::path::Path;
    use std::time::Duration;
    use voxlane::audio::file::{Samples, read};
    use voxlane::config::{DeviceOptions, LaneConfig};
    use voxlane::{Event, StreamOptions};
    use voxlane_models::families::import_moonshine;
    use voxlane_models::families::moonshine::Moonshine;
    use voxlane_models::layers::linear::Precision;
    use voxlane_models::manager;
    use voxlane_models::offline::transcribe_tokens;

    fn clips() -> [Vec<i16>; 3] {
        ["LJ001-0002", "LJ001-0013", "8226-274369-0000"].map(|clip| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tests/golden");
            match read(folder.join(format!("{clip}.wav"))).unwrap().samples {
                Samples::I16(samples) => samples,
                Samples::F32(_) => unreachable!("the clips are 16-bit"),
            }
        })
    }

    #[test]
    fn streams_decoded_together_say_what_the_processor_says() {
        let files = manager::fetch("moonshine-tiny").unwrap();
        let (weights, _) = import_moonshine(&files).unwrap();
        let cpu: Moonshine = Moonshine::new(&weights, Precision::F32);
        let config = Config {
            backend: Backend::Flex,
            device: DeviceOptions { batch: 2, ..DeviceOptions::default() },
            lanes: vec![LaneConfig::with_slots(3)],
            ..Config::default()
        };
        let engine = Engine::start(config).unwrap();
        let mut streams = clips().map(|clip| {
            let mut stream = engine.open(StreamOptions::default()).unwrap();
            stream.push_wait(&clip).unwrap();
            stream.finish().unwrap();
            stream
        });
        for (stream, clip) in streams.iter_mut().zip(clips()) {
            let mut ours = Vec::new();
            while !stream.is_closed() {
                match stream.next_timeout(Duration::from_secs(60)) {
                    Some(Event::Final(said)) => ours.extend(said.tokens.iter().map(|token| token.id)),
                    Some(Event::Error { error, .. }) => panic!("{error}"),
                    _ => {}
                }
            }
            let theirs: Vec<u32> = transcribe_tokens(&cpu, &clip).0.iter().map(|token| token.id).collect();
            assert!(ours.len() > 5);
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        let lanes = vec![LaneConfig { device: 3, ..LaneConfig::default() }];
        let config = Config { backend: Backend::Flex, lanes, ..Config::default() };
        manager::fetch("moonshine-tiny").unwrap();
        let error = Engine::start(config).err().unwrap();
        assert!(matches!(error, EngineError::Device(_)), "{error}");
        assert_eq!(error.to_string(), "flex: no device 3 (expected one of the processor)");
    }
}
