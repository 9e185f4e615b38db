//! A server of one's own: an engine with the values of the profile `live`, and clients' protocols in front of it. Its arguments are
//! those of `voxlane serve`, as far as it has them, so that tests of clients can run against it:
//!
//!     cargo run --release -p voxlane-server --example serve -- serve --model moonshine-tiny --listen 127.0.0.1:0

#![allow(clippy::print_stdout, reason = "an example shows what it gets")]

use std::error::Error;
use std::sync::Arc;
use voxlane::config::{Profile, Source};
use voxlane::{Config, Engine};
use voxlane_server::Server;
use voxlane_server::config::{ServerConfig, TABLES};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let mut source = match value("--config") {
        Some(file) => Config::load_beside(file.as_ref(), Profile::Live, TABLES)?,
        None => Source::from(Profile::Live),
    };
    let mut settings = ServerConfig::read(&source)?;
    if let Some(model) = value("--model") {
        source.config.model = model.clone();
    }
    if let Some(listen) = value("--listen") {
        settings.listen = listen.parse()?;
    }
    let drain = settings.drain();
    let server = Server::start(settings, Arc::new(Engine::start(source)?))?;
    println!("listening on http://{}", server.address());
    server.wait()?;
    server.drain(drain);
    Ok(())
}
