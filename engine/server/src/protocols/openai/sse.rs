//! Answers that come piece by piece, as server-sent events.

use super::answer::{micros, usage};
use super::error::ApiError;
use super::logprobs::Logprobs;
use super::request::{Request, ResponseFormat};
use crate::recording::{RecordingError, Transcription};
use crate::services::Services;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use voxlane::{Engine, Transcript};

/// What clients read as the end.
const DONE: &str = "data: [DONE]\n\n";

/// The name of the only speaker that is told of: who speaks is not found out.
const SPEAKER: &str = "unknown";

/// Answers with a delta a segment. Waits for the first segment, so that what is refused is an error with a status.
pub(super) async fn answer(
    services: &Arc<Services>,
    mut transcription: Transcription,
    request: &Request,
) -> Result<Response, ApiError> {
    let first = transcription.next().await?;
    let (sender, receiver) = mpsc::channel(services.config.limits.unsent);
    let mut pieces = Pieces {
        engine: Arc::clone(&services.engine),
        segments: request.segments || request.format == ResponseFormat::VerboseJson,
        logprobs: request.logprobs,
        text: String::new(),
        all_logprobs: Vec::new(),
        count: 0,
        sender,
        limit: services.config.limits.send(),
    };
    tokio::spawn(async move {
        let mut next = Ok(first);
        while let Ok(Some(said)) = next {
            if !pieces.segment(&said).await {
                return;
            }
            next = tokio::select! {
                next = transcription.next() => next,
                // Nobody listens any more, also where nothing is said.
                () = pieces.sender.closed() => return,
            };
        }
        pieces.end(next.err(), transcription.seconds()).await;
    });
    // An answer that does not come to its end must not look as if it had.
    let body = stream::unfold((receiver, false), |(mut receiver, is_done)| async move {
        match receiver.recv().await {
            Some(piece) => {
                let is_done = piece == DONE;
                Some((Ok(piece), (receiver, is_done)))
            }
            None if is_done => None,
            None => Some((Err(io::Error::other("the client left too much unread")), (receiver, true))),
        }
    });
    let headers = [(CONTENT_TYPE, "text/event-stream; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The events of an answer.
struct Pieces {
    engine: Arc<Engine>,
    segments: bool,
    logprobs: bool,
    text: String,
    all_logprobs: Vec<Value>,
    count: usize,
    sender: mpsc::Sender<Bytes>,
    limit: Duration,
}

impl Pieces {
    /// Tells of a segment; whether the client still listens.
    async fn segment(&mut self, said: &Transcript) -> bool {
        let text = said.text.trim();
        if text.is_empty() {
            return true;
        }
        let is_first = self.text.is_empty();
        let delta = if is_first { text.to_owned() } else { format!(" {text}") };
        self.text += &delta;
        let mut event = json!({ "type": "transcript.text.delta", "delta": delta });
        if self.logprobs {
            let engine = &self.engine;
            let mut tokens = if is_first { Logprobs::new(engine) } else { Logprobs::behind(engine) };
            let tokens = tokens.of(said);
            self.all_logprobs.extend_from_slice(&tokens);
            event["logprobs"] = tokens.into();
        }
        let id = format!("seg_{}", self.count);
        self.count += 1;
        if self.segments {
            event["segment_id"] = json!(id);
        }
        if !self.send(&event).await {
            return false;
        }
        let segment = json!({
            "type": "transcript.text.segment",
            "id": id,
            "start": micros(said.start),
            "end": micros(said.end),
            "speaker": SPEAKER,
            "text": text,
        });
        !self.segments || self.send(&segment).await
    }

    /// Tells how it ended.
    async fn end(self, error: Option<RecordingError>, seconds: f64) {
        let event = match error {
            Some(error) => json!({ "type": "error", "error": ApiError::from(error).object() }),
            None => {
                let mut event =
                    json!({ "type": "transcript.text.done", "text": self.text, "usage": usage(seconds) });
                if self.logprobs {
                    event["logprobs"] = json!(self.all_logprobs);
                }
                event
            }
        };
        if self.send(&event).await {
            self.give(DONE.to_owned()).await;
        }
    }

    async fn send(&self, event: &Value) -> bool {
        self.give(format!("data: {event}\n\n")).await
    }

    /// A client that has gone, or reads nothing for too long, gets no more: its answer ends within the stream.
    async fn give(&self, text: String) -> bool {
        matches!(timeout(self.limit, self.sender.send(text.into())).await, Ok(Ok(())))
    }
}
