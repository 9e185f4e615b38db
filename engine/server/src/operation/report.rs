//! Measurements: for Prometheus, and as a table or an HdrHistogram log.

use super::log;
use crate::admission::BreakerState;
use crate::metrics::Moment;
use crate::network::{Caller, Problem};
use crate::services::Services;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use voxlane::telemetry::Report;
use voxlane_runtime::telemetry::prometheus::{PROTOBUF_TYPE, TEXT_TYPE};

/// What is asked of `/metrics`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricsQuery {
    format: Option<MetricsFormat>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MetricsFormat {
    /// Everything.
    Text,
    /// The engine's measurements, with native histograms.
    Protobuf,
}

/// What is asked of `/v1/report`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    format: Option<ReportFormat>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ReportFormat {
    Text,
    Hlog,
}

/// The engine's report, collected on a thread that may wait for it.
async fn collect(services: &Arc<Services>) -> Result<Report, Problem> {
    let engine = Arc::clone(&services.engine);
    let report = tokio::task::spawn_blocking(move || engine.report()).await;
    report.map_err(|error| Problem::new(500, "report.failed", format!("report: failed: {error}")))
}

pub(super) async fn metrics(
    State(services): State<Arc<Services>>,
    _: Caller,
    Query(query): Query<MetricsQuery>,
) -> Result<Response, Problem> {
    let report = collect(&services).await?;
    if let Some(MetricsFormat::Protobuf) = query.format {
        return Ok(([(CONTENT_TYPE, PROTOBUF_TYPE)], report.prometheus_protobuf()).into_response());
    }
    let (waiting, used) = services.admission.counts();
    let now = Moment {
        used,
        free: services.engine.vacancies(),
        waiting,
        breaker: match services.admission.breaker() {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        },
        dropped_log_lines: log::dropped_lines(),
    };
    let page = report.prometheus() + &services.metrics.text(now);
    Ok(([(CONTENT_TYPE, TEXT_TYPE)], page).into_response())
}

pub(super) async fn report(
    State(services): State<Arc<Services>>,
    _: Caller,
    Query(query): Query<ReportQuery>,
) -> Result<Response, Problem> {
    let report = collect(&services).await?;
    match query.format {
        None | Some(ReportFormat::Text) => Ok(report.to_string().into_response()),
        Some(ReportFormat::Hlog) => {
            let mut log = Vec::new();
            report
                .write_hlog(&mut log, services.started.elapsed())
                .map_err(|error| Problem::new(500, "report.failed", format!("report: failed: {error}")))?;
            Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], log).into_response())
        }
    }
}
