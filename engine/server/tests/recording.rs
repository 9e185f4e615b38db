//! Recordings that clients upload: the same segments as in the process itself.

mod support;

use std::net::{IpAddr, Ipv4Addr};
use support::{exact_server, in_process, server, settings, speech, until_free, wav};
use tokio::runtime::Runtime;
use voxlane_server::access::Client;
use voxlane_server::config::{LimitsConfig, ServerConfig};
use voxlane_server::recording::{RecordingOptions, Transcription, Upload, Writing};

fn client() -> Client {
    Client::of_address(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

async fn upload(file: &[u8]) -> Upload {
    let mut writing = Writing::begin(100 << 20).await.unwrap();
    for part in file.chunks(70_001) {
        writing.write(part).await.unwrap();
    }
    writing.finish().await.unwrap()
}

#[test]
fn finals_are_those_of_the_same_samples() {
    let server = exact_server(2, settings());
    let services = server.services();
    let samples = speech().repeat(4);
    let options = RecordingOptions::default();
    let expected = in_process(&services.engine, options.stream_options(&services.engine, 16_000), &samples);
    assert!(expected.iter().any(|(text, ..)| !text.is_empty()), "{expected:?}");
    Runtime::new().unwrap().block_on(async {
        let file = upload(&wav(&samples)).await;
        let mut transcription = Transcription::begin(services, client(), file, &options).await.unwrap();
        assert_eq!((transcription.sample_rate(), transcription.channels()), (16_000, 1));
        let finals = transcription.all().await.unwrap();
        let found: Vec<_> = finals.into_iter().map(|said| (said.text, said.start, said.end)).collect();
        assert_eq!(found, expected);
        assert!((transcription.seconds() - samples.len() as f64 / 16_000.0).abs() < 1e-9);
        drop(transcription);
        until_free(&server, 2).await;
    });
}

#[test]
fn what_is_damaged_too_long_or_given_up_is_told_and_frees_its_slot() {
    let limits = LimitsConfig { decoded_s: 3, ..LimitsConfig::default() };
    let server = server(1, ServerConfig { limits, ..settings() });
    let services = server.services();
    let options = RecordingOptions::default();
    Runtime::new().unwrap().block_on(async {
        let begin =
            async |file: &[u8]| Transcription::begin(services, client(), upload(file).await, &options).await;
        let error = begin(b"no audio at all, but words").await.err().unwrap();
        assert_eq!((error.status(), error.code()), (400, "audio.not_audio"), "{error}");
        let whole = wav(&speech()[..32_000]);
        let mut cut = begin(&whole[..whole.len() - 1_000]).await.unwrap();
        assert_eq!(cut.all().await.unwrap_err().code(), "audio.truncated");
        drop(cut);
        let mut long = begin(&wav(&[0; 80_000])).await.unwrap();
        assert_eq!(long.all().await.unwrap_err().status(), 413);
        drop(long);
        drop(begin(&whole).await.unwrap());
        until_free(&server, 1).await;
    });
}
