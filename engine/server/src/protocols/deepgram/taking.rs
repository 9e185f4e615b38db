//! What a client's messages lead to.

use super::closing::Closing;
use super::dialect::Request;
use super::intake::Fault;
use super::options;
use super::outlet::Outlet;
use super::streams::Streams;
use super::talk::{Stage, Step, Talk};
use crate::session::SessionError;
use axum::extract::ws::Message;
use sha2::Digest;
use voxlane::StreamError;

impl Talk {
    /// Takes what has come.
    pub(super) async fn take(
        &mut self,
        message: Result<Message, axum::Error>,
        streams: &mut Streams,
        outlet: &Outlet,
    ) -> Step {
        let fault: Fault = match message {
            Err(error) => return self.broken(&error, streams, outlet).await,
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => return Ok(()),
            // What comes behind the end is not audio of the stream any more.
            Ok(_) if self.stage != Stage::Open => return Ok(()),
            Ok(Message::Binary(bytes)) if bytes.is_empty() => return self.close(streams, outlet).await,
            Ok(Message::Binary(bytes)) => {
                self.hash.update(&bytes);
                match streams.push(bytes).await {
                    Ok(()) => return Ok(()),
                    Err(fault) => fault,
                }
            }
            Ok(Message::Text(text)) => {
                let request = match self.dialect.read(&text) {
                    Ok(request) => request,
                    Err(description) => {
                        outlet.send(self.dialect.unreadable(&description, &text));
                        return Ok(());
                    }
                };
                match request {
                    Request::KeepAlive => return Ok(()),
                    Request::Close => return self.close(streams, outlet).await,
                    Request::Configure(change) => {
                        self.configure(change, streams, outlet).await;
                        return Ok(());
                    }
                    Request::Finalize(_) if streams.count() == 0 => {
                        outlet.send(self.dialect.nothing_said());
                        return Ok(());
                    }
                    Request::Finalize(Some(channel)) if channel >= streams.count() => {
                        let description = format!(
                            "channel: not there (expected 0 to {}, found {channel})",
                            streams.count() - 1
                        );
                        outlet.send(self.dialect.unreadable(&description, &text));
                        return Ok(());
                    }
                    Request::Finalize(channel) => match streams.finalize(channel).await {
                        Ok(()) => return Ok(()),
                        Err(error) => error.into(),
                    },
                }
            }
        };
        if is_lost(&fault) {
            // Its events say better what became of it.
            return Ok(());
        }
        self.end(fault.into(), streams, outlet).await
    }

    /// Ends the audio by the client's wish.
    async fn close(&mut self, streams: &mut Streams, outlet: &Outlet) -> Step {
        self.stage = Stage::Finished;
        match streams.finish().await {
            Ok(()) => Ok(()),
            Err(fault) if is_lost(&fault) => Ok(()),
            Err(fault) => self.end(fault.into(), streams, outlet).await,
        }
    }

    /// Changes the phrases, and says whether that was done.
    async fn configure(
        &self,
        change: Result<Option<Vec<String>>, String>,
        streams: &mut Streams,
        outlet: &Outlet,
    ) {
        const INTERNAL: &str = "CONFIGURE_INTERNAL_ERROR";
        let (keyterms, done) = match change {
            Err(description) => (None, Err((INTERNAL, description))),
            Ok(None) => (None, Ok(())),
            Ok(Some(_)) if !self.services.engine.model_info().takes_hotwords => {
                let description = "keyterms: the model cannot listen for phrases".to_owned();
                (None, Err(("CONFIGURE_KEYTERMS_NOT_SUPPORTED", description)))
            }
            Ok(Some(keyterms)) => {
                let phrases = options::hotwords(&keyterms);
                let done =
                    streams.set_hotwords(&phrases).await.map_err(|error| (INTERNAL, error.to_string()));
                (Some(keyterms), done)
            }
        };
        outlet.send(self.dialect.configured(keyterms.as_deref(), done));
    }

    /// What becomes of a connection on which what came is no message that is taken.
    async fn broken(&mut self, error: &axum::Error, streams: &mut Streams, outlet: &Outlet) -> Step {
        let text = error.to_string();
        if text.contains("Message too long") {
            let most = self.services.config.limits.message_bytes;
            self.end(Closing::too_large(most), streams, outlet).await
        } else {
            Err(Some(self.closing(&Closing::broken(&text), Some(outlet))))
        }
    }
}

/// Whether the stream has been lost, so that its events tell of it.
fn is_lost(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Session(SessionError::Stream(
            StreamError::SlowClient
                | StreamError::Abandoned
                | StreamError::LaneFailed
                | StreamError::ShutDown
        ))
    )
}
