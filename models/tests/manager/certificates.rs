//! Hubs behind certificates that the system knows nothing of.

use crate::server::{Answer, Server};
use crate::toy::{World, manifest, weights};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use voxlane_models::manager::{Manager, ManagerError, Options, Source};

/// A hub on `localhost` with a certificate of an authority of its own, and the authority's certificate in a file.
fn hub() -> (World, Server, PathBuf) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let server = Server::start_with(vec![Answer::Serve(weights())], Some(Arc::new(tls)));
    let world = World::with_hub(&server);
    world.install_pip();
    let file = world.path("authority.pem");
    fs::write(&file, authority_pem).unwrap();
    (world, server, file)
}

/// What the hub did wrong in a fetch that fails.
fn fault(world: &World) -> ManagerError {
    let ManagerError::Unavailable { attempts, .. } = world.manager().fetch("toy", &mut ()).unwrap_err()
    else {
        panic!("only the hub has the weights")
    };
    *attempts.into_iter().find(|attempt| attempt.source == Source::Hub).unwrap().error
}

#[test]
fn an_authority_that_the_user_names_is_trusted() {
    let (mut world, server, authority) = hub();
    world.certificates = Some(authority);
    world.manager().fetch("toy", &mut ()).unwrap();
    world.assert_whole();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_unknown_authority_is_refused_and_the_error_says_what_is_trusted() {
    let (world, server, _) = hub();
    let error = fault(&world).to_string();
    assert!(error.contains("certificate") && error.contains("SSL_CERT_FILE"), "{error}");
    assert_eq!(server.requests(), []);
}

#[test]
fn a_file_without_certificates_is_named() {
    let (mut world, ..) = hub();
    fs::write(world.path("empty.pem"), "no certificate").unwrap();
    for file in ["no-such.pem", "empty.pem"] {
        let file = world.path(file);
        world.certificates = Some(file.clone());
        let error = fault(&world);
        assert!(matches!(&error, ManagerError::Certificates { .. }), "{error}");
        assert!(error.to_string().starts_with(&file.display().to_string()), "{error}");
    }
}

#[test]
fn the_environment_names_authorities() {
    let (world, server, authority) = hub();
    let folder = world.path("authorities");
    fs::create_dir(&folder).unwrap();
    fs::copy(&authority, folder.join("a.pem")).unwrap();
    let fetch = |variable: &str, value: PathBuf| {
        // The environment of this process is the other tests' too.
        let name = "certificates::fetches_as_the_environment_says";
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name, "--ignored"]).env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
        child.env(variable, value).env("HF_ENDPOINT", &world.endpoint).env("PATH", world.path("bin"));
        child.env("VOXLANE_CACHE", world.path("cache")).output().unwrap()
    };
    for (variable, value) in [("SSL_CERT_FILE", authority), ("SSL_CERT_DIR", folder)] {
        let child = fetch(variable, value);
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        world.assert_whole();
        fs::remove_dir_all(world.path("cache")).unwrap();
    }
    assert_eq!(server.requests().len(), 2);
    let child = fetch("SSL_CERT_FILE", world.path("no-such.pem"));
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(!child.status.success() && said.contains("SSL_CERT_FILE="), "{said}");
}

#[test]
#[ignore = "the_environment_names_authorities runs it, in a process of its own"]
fn fetches_as_the_environment_says() {
    let manager = Manager::new(Options::default()).unwrap().with_manifest(manifest());
    if let Err(error) = manager.fetch("toy", &mut ()) {
        panic!("{error}");
    }
}
