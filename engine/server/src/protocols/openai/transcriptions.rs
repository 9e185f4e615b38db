//! `POST /v1/audio/transcriptions` and `POST /v1/audio/translations`.

use super::answer::{Answer, Heard};
use super::caller::Caller;
use super::error::ApiError;
use super::form::{Form, FormLimits};
use super::request::Request;
use super::sse;
use crate::admission::Refusal;
use crate::recording::{RecordingError, Transcription, doubt};
use crate::services::Services;
use axum::Json;
use axum::extract::{Request as HttpRequest, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use voxlane::Task;

/// Writes down what is said in a recording.
pub(super) async fn transcribe(
    State(services): State<Arc<Services>>,
    caller: Caller,
    request: HttpRequest,
) -> Result<Response, ApiError> {
    serve(services, caller, request, Task::Transcribe).await
}

/// Translates what is said in a recording into English.
pub(super) async fn translate(
    State(services): State<Arc<Services>>,
    caller: Caller,
    request: HttpRequest,
) -> Result<Response, ApiError> {
    serve(services, caller, request, Task::Translate).await
}

async fn serve(
    services: Arc<Services>,
    Caller(caller): Caller,
    request: HttpRequest,
    task: Task,
) -> Result<Response, ApiError> {
    if services.lifecycle.is_draining() {
        return Err(RecordingError::from(Refusal::Draining).into());
    }
    let limits = &services.config.limits;
    let bounds = FormLimits { file_bytes: limits.upload_bytes, silence: limits.header() };
    let form = Form::read(request, bounds).await?;
    let mut request = Request::read(&services.engine, form, task)?;
    let upload = request.upload.clone();
    let transcription = Transcription::begin(&services, caller.client, upload, &request.options).await?;
    let mut response = if request.stream {
        sse::answer(&services, transcription, &request).await?
    } else {
        whole(&services, transcription, &mut request).await?
    };
    request.warnings.write(response.headers_mut(), &services.engine);
    Ok(response)
}

/// The answer at the end of the recording.
async fn whole(
    services: &Services,
    mut transcription: Transcription,
    request: &mut Request,
) -> Result<Response, ApiError> {
    let finals = transcription.all().await?;
    for doubt in finals.iter().filter_map(doubt) {
        request.warnings.add(doubt);
    }
    for oddity in transcription.warnings() {
        request.warnings.add(oddity.to_string());
    }
    let heard = Heard { finals: &finals, seconds: transcription.seconds() };
    let failed = |error: std::io::Error| ApiError::of_status(500, "answer", format!("answer: {error}"));
    Ok(match heard.answer(request, &services.engine).map_err(failed)? {
        Answer::Json(object) => Json(object).into_response(),
        Answer::Text { kind, text } => ([(CONTENT_TYPE, kind)], text).into_response(),
    })
}
