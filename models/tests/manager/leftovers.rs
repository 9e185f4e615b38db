//! What killed processes left is removed, and nothing that a living one works on.

use crate::server::{Answer, Server};
use crate::toy::{World, weights};
use std::fs::{self, File};
use std::path::Path;
use voxlane_models::manager::{Manager, Options};

/// A world whose cache is full.
fn full() -> World {
    let server = Server::start(vec![Answer::Serve(weights())]);
    let world = World::with_hub(&server);
    world.install_pip();
    world.manager().fetch("toy", &mut ()).unwrap();
    world
}

fn offline(world: &World) -> Manager {
    world.manager_with(Options { offline: true, ..world.options() })
}

#[test]
fn a_fetch_removes_what_nobody_works_on() {
    let world = full();
    let import = world.path("cache/models/.mine.import");
    for folder in [&world.cached(".package"), &import] {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("part"), "left").unwrap();
    }
    fs::write(world.cached("int8.packed.4000000-0.tmp"), "left").unwrap();
    // A download is no leftover: it goes on where it stopped.
    fs::write(world.cached("weights.bin.part"), "kept").unwrap();
    offline(&world).fetch("toy", &mut ()).unwrap();
    assert_eq!(world.listing(), ["verified.json", "weights.bin", "weights.bin.part", "words.txt"]);
    assert!(!import.exists());
}

#[test]
fn what_another_process_works_on_stays() {
    let world = full();
    let (package, packing) = (world.cached(".package"), world.cached("int8.packed.4000000-0.tmp"));
    let import = world.path("cache/models/.mine.import");
    for folder in [&package, &import] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(&packing, "on its way").unwrap();
    let locks = [&packing, &world.path("cache/models/toy.lock"), &world.path("cache/models/mine.lock")];
    let locks = locks.map(|path: &std::path::PathBuf| {
        let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
        file.lock().unwrap();
        file
    });
    let exists = || [&package, &packing, &import].map(|path: &std::path::PathBuf| Path::exists(path));
    offline(&world).fetch("toy", &mut ()).unwrap();
    assert_eq!(exists(), [true; 3]);
    drop(locks);
    offline(&world).fetch("toy", &mut ()).unwrap();
    assert_eq!(exists(), [false; 3]);
}

#[test]
fn an_import_that_fails_leaves_the_model_as_it_was() {
    let world = World::new();
    let manager = offline(&world);
    let (good, lost) = (world.path("good"), world.path("lost"));
    fs::write(&good, "weights").unwrap();
    let import = |files: &[(&str, &Path)]| manager.import("mine", "emformer-rnnt", "MIT", files);
    let files = import(&[("checkpoint.pt", &good)]).unwrap();
    fs::write(files.dir().join("int8.packed"), "of the files before").unwrap();
    // A folder stands where the copy would be written to.
    import(&[("checkpoint.pt", &good), ("tokens.model", &lost)]).unwrap_err();
    import(&[("checkpoint.pt", &good), ("no/such", &good)]).unwrap_err();
    assert_eq!(fs::read(manager.verify("mine").unwrap().path("checkpoint.pt")).unwrap(), b"weights");
    assert!(files.dir().join("int8.packed").exists());
    import(&[("checkpoint.pt", &good)]).unwrap();
    let names: Vec<_> =
        fs::read_dir(world.path("cache/models")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(!files.dir().join("int8.packed").exists());
}

#[test]
fn a_named_pipe_in_place_of_a_file_is_refused_at_once_and_replaced_by_a_fetch() {
    let world = full();
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe(&world.cached("words.txt"));
    for error in [
        offline(&world).path("toy").unwrap_err(),
        offline(&world).verify("toy").unwrap_err(),
        offline(&world).fetch("toy", &mut ()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("not a regular file (found a named pipe)"), "{error}");
    }
    world.manager().fetch("toy", &mut ()).unwrap();
    world.assert_whole();
    // Stamps only save time.
    pipe(&world.cached("verified.json"));
    offline(&world).path("toy").unwrap();
    assert!(fs::metadata(world.cached("verified.json")).unwrap().is_file());
    fs::create_dir(world.path("from")).unwrap();
    let given = world.path("from/weights.bin");
    fs::write(&given, "").unwrap();
    pipe(&given);
    let options = Options { from: Some(world.path("from")), ..world.options() };
    let error = world.manager_with(options).fetch("toy", &mut ()).unwrap_err().to_string();
    assert!(error.contains("from/weights.bin: cannot open: not a regular file"), "{error}");
}
