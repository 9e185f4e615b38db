//! The parts of a multipart request: small fields in memory, the file on the disk.

use super::error::ApiError;
use crate::recording::{RecordingError, Upload, UploadError, Writing};
use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use futures_util::{Stream, StreamExt};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// The most bytes of a field that is no file.
const FIELD_BYTES: usize = 64 << 10;

/// The most fields.
const MOST_FIELDS: usize = 2048;

/// The most bytes of all fields that are no file.
const FIELDS_BYTES: usize = 1 << 20;

/// The most bytes that may wait for the end of a part's head.
const HEAD_BYTES: usize = 1 << 20;

/// The bounds of a form.
#[derive(Clone, Copy, Debug)]
pub struct FormLimits {
    /// The most bytes of the file.
    pub file_bytes: usize,
    /// The longest time without a byte.
    pub silence: Duration,
}

/// A form that was sent whole.
#[derive(Debug, Default)]
pub struct Form {
    /// Names and values of the fields, in order.
    pub fields: Vec<(String, String)>,
    /// The file.
    pub file: Option<Upload>,
}

impl Form {
    /// Reads a request's form.
    ///
    /// # Errors
    /// [`ApiError`] for what is no form, too long, or comes too slowly.
    pub async fn read(request: Request, limits: FormLimits) -> Result<Self, ApiError> {
        // Bytes that have come and are part of nothing yet: without a bound a head that never ends would be kept.
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut request = request.map(|body| Body::from_stream(counted(body, Arc::clone(&waiting))));
        DefaultBodyLimit::disable().apply(&mut request);
        let mut parts = Multipart::from_request(request, &()).await.map_err(|rejection| {
            let message = format!("body: not a form: {rejection}");
            ApiError::of_status(rejection.status().as_u16(), "invalid_form", message)
        })?;
        let (mut form, mut bytes) = (Form::default(), 0);
        while let Some(field) = soon(limits, parts.next_field()).await?.map_err(|error| broken(&error))? {
            waiting.store(0, Ordering::Relaxed);
            if form.fields.len() >= MOST_FIELDS {
                return Err(too_many());
            }
            let Some(name) = field.name().map(str::to_owned) else {
                return Err(ApiError::of_status(400, "invalid_form", "body: a part of the form has no name"));
            };
            if name == "file" {
                if form.file.is_some() {
                    return Err(ApiError::value("file", "file: given twice (expected once)"));
                }
                form.file = Some(file(field, limits, &waiting).await?);
            } else {
                let value = text(field, &name, limits, &waiting).await?;
                bytes += name.len() + value.len();
                if bytes > FIELDS_BYTES {
                    return Err(too_many());
                }
                form.fields.push((name, value));
            }
        }
        Ok(form)
    }
}

/// Counts the bytes of a body, and ends it where too many wait.
fn counted(
    body: Body,
    waiting: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>> {
    body.into_data_stream().map(move |bytes| {
        let bytes = bytes?;
        let before = waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        if before > HEAD_BYTES { Err("the head of a part is too long".into()) } else { Ok(bytes) }
    })
}

async fn soon<T>(limits: FormLimits, next: impl Future<Output = T>) -> Result<T, ApiError> {
    let late = |_| ApiError::of_status(408, "timeout", "body: stopped coming before its end");
    timeout(limits.silence, next).await.map_err(late)
}

/// The next bytes of a part.
async fn chunk(
    field: &mut Field<'_>,
    limits: FormLimits,
    waiting: &AtomicUsize,
) -> Result<Option<Bytes>, ApiError> {
    let chunk = soon(limits, field.chunk()).await?.map_err(|error| broken(&error))?;
    // What has come with them is not known: it is counted anew.
    waiting.store(0, Ordering::Relaxed);
    Ok(chunk)
}

async fn file(mut field: Field<'_>, limits: FormLimits, waiting: &AtomicUsize) -> Result<Upload, ApiError> {
    let told = |error: UploadError| ApiError::from(RecordingError::from(error));
    let mut writing = Writing::begin(limits.file_bytes).await.map_err(told)?;
    while let Some(bytes) = chunk(&mut field, limits, waiting).await? {
        writing.write(&bytes).await.map_err(told)?;
    }
    writing.finish().await.map_err(told)
}

async fn text(
    mut field: Field<'_>,
    name: &str,
    limits: FormLimits,
    waiting: &AtomicUsize,
) -> Result<String, ApiError> {
    let mut value = Vec::new();
    while let Some(bytes) = chunk(&mut field, limits, waiting).await? {
        if value.len() + bytes.len() > FIELD_BYTES {
            let message = format!("{name}: too long (expected at most {FIELD_BYTES} bytes)");
            return Err(ApiError { status: 413, ..ApiError::value(name, message) });
        }
        value.extend_from_slice(&bytes);
    }
    String::from_utf8(value).map_err(|_| ApiError::value(name, format!("{name}: not UTF-8")))
}

fn broken(error: &MultipartError) -> ApiError {
    ApiError::of_status(400, "invalid_form", format!("body: the form is broken: {}", error.body_text()))
}

fn too_many() -> ApiError {
    let message =
        format!("body: too many fields (expected at most {MOST_FIELDS} of {FIELDS_BYTES} bytes together)");
    ApiError::of_status(413, "too_many_fields", message)
}
