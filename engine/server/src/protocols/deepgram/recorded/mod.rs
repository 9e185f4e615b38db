//! `POST /v1/listen`: a recording, and what is said in it.

mod answer;
mod wanted;

use super::caller::Caller;
use super::clock;
use super::listen::admit;
use super::model::{self, Ran};
use super::options::{Query, Route};
use super::refusal::{Refusal, describe};
use crate::recording::{
    RecordingError, RecordingOptions, Transcription, Upload, UploadError, Writing, doubt,
};
use crate::services::Services;
use answer::Answer;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::time::timeout;
use voxlane::audio::ENGINE_RATE_HZ;
use voxlane::audio::file::Channels;
use wanted::Wanted;

/// Answers a recording with its text.
pub(super) async fn transcribe(
    State(services): State<Arc<Services>>,
    Caller(caller): Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let request_id = caller.request_id.clone();
    let of = |refusal: Refusal| refusal.of(&request_id);
    let mut query = Query::parse(&uri, Route::Recorded).map_err(of)?;
    let wanted = Wanted::of(&mut query, &services.engine).map_err(of)?;
    refuse_json(&headers).map_err(of)?;
    admit(&services, wanted.options.stream_options(&services.engine, ENGINE_RATE_HZ)).map_err(of)?;
    let (created, ran) = (clock::now(), Ran::of(&services.engine));
    let (upload, sha256) = take(&services, body).await.map_err(of)?;
    let mut answer = Answer::new(wanted.clone());
    // Channels one after another, each by the same rules as the mean.
    let mut channel = 0;
    loop {
        let channels = if wanted.is_multichannel { Channels::One(channel) } else { Channels::Mix };
        let options = RecordingOptions { channels, ..wanted.options.clone() };
        let begun = Transcription::begin(&services, caller.client.clone(), upload.clone(), &options).await;
        let mut transcription = begun.map_err(|error| of(error.into()))?;
        let finals = transcription.all().await.map_err(|error| of(error.into()))?;
        for said in &finals {
            doubt(said).into_iter().for_each(|doubt| query.warn(doubt));
        }
        transcription.warnings().iter().for_each(|warning| query.warn(warning.to_string()));
        answer.add(&finals, transcription.seconds());
        channel += 1;
        if !wanted.is_multichannel || channel >= transcription.channels() {
            break;
        }
        if channel >= services.config.limits.channels {
            let most = services.config.limits.channels;
            return Err(of(Refusal::bad_request(format!(
                "multichannel: too many channels (expected at most {most})"
            ))));
        }
    }
    let body = answer.body(request_id.as_str(), &ran, &created, &sha256, &query.warnings);
    let mut response = Json(body).into_response();
    describe(response.headers_mut(), &request_id, (&ran.name, &ran.uuid), &query.warnings);
    Ok(response)
}

/// Refuses an address in place of a recording: the server fetches nothing.
fn refuse_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        let message = "url: the server fetches no recordings; send the file itself as the body";
        return Err(Refusal::bad_request(message));
    }
    if kind.to_ascii_lowercase().starts_with("multipart/") {
        let message = "body: a form (expected the file itself as the body)";
        return Err(Refusal { status: 415, ..Refusal::bad_request(message) });
    }
    Ok(())
}

/// Keeps the body, and its SHA-256 in hexadecimal.
async fn take(services: &Services, body: Body) -> Result<(Upload, String), Refusal> {
    let refuse = |error: UploadError| Refusal::from(RecordingError::from(error));
    let mut writing = Writing::begin(services.config.limits.upload_bytes).await.map_err(refuse)?;
    let (mut hash, mut parts) = (Sha256::new(), body.into_data_stream());
    let limit = services.config.limits.header();
    let stopped = |_| Refusal { status: 408, ..Refusal::bad_request("body: stopped coming before its end") };
    while let Some(part) = timeout(limit, parts.next()).await.map_err(stopped)? {
        let part = part.map_err(|_| Refusal::bad_request("body: ended too early"))?;
        hash.update(&part);
        writing.write(&part).await.map_err(refuse)?;
    }
    let upload = writing.finish().await.map_err(refuse)?;
    if upload.bytes() == 0 {
        return Err(Refusal::bad_request("body: empty (expected a recording)"));
    }
    Ok((upload, model::hex(&hash.finalize())))
}

impl From<RecordingError> for Refusal {
    fn from(error: RecordingError) -> Self {
        Refusal {
            status: error.status(),
            retry_after: error.retry_after(),
            ..Refusal::bad_request(error.to_string())
        }
    }
}
