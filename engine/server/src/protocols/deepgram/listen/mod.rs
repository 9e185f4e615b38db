//! `GET /v1/listen`: a stream, and what is said in it as it is said.

mod dialect;
mod message;
mod results;
mod wanted;

use super::caller::Caller;
use super::model::Ran;
use super::notes::Notes;
use super::options::{Query, Route};
use super::refusal::{Refusal, describe};
use super::talk::Talk;
use crate::access::SUBPROTOCOL;
use crate::admission;
use crate::network::Problem;
use crate::services::Services;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::Uri;
use axum::response::Response;
use dialect::Listening;
use std::sync::Arc;
use wanted::Wanted;

/// Upgrades a request to a stream.
pub(super) async fn listen(
    State(services): State<Arc<Services>>,
    Caller(caller): Caller,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let request_id = caller.request_id.clone();
    let of = |refusal: Refusal| refusal.of(&request_id);
    let upgrade = upgraded(upgrade).map_err(of)?;
    let mut query = Query::parse(&uri, Route::Live).map_err(of)?;
    let wanted = Wanted::of(&mut query, &services.engine).map_err(of)?;
    let options = wanted.stream_options();
    admit(&services, options).map_err(of)?;
    let ran = Ran::of(&services.engine);
    let bytes = services.config.limits.message_bytes;
    let notes = Notes::new(query.warnings.clone());
    let listening = Arc::new(Listening::new(wanted, caller.request_id.clone(), ran.clone()));
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_message_size(bytes).max_frame_size(bytes);
    let talk = Talk::new(services, caller, listening, notes);
    let mut response = upgrade.on_upgrade(move |socket| talk.run(socket, None, false));
    describe(response.headers_mut(), &request_id, (&ran.name, &ran.uuid), &query.warnings);
    Ok(response)
}

/// The upgrade, if the request is one.
pub(super) fn upgraded(
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<WebSocketUpgrade, Refusal> {
    upgrade.map_err(|rejection| {
        let status = rejection.status().as_u16();
        Refusal { status, ..Refusal::bad_request(format!("websocket: {rejection}")) }
    })
}

/// Refuses options that the engine does not take, and everybody while the server is being stopped.
pub(super) fn admit(services: &Services, options: voxlane::StreamOptions) -> Result<(), Refusal> {
    if services.lifecycle.is_draining() {
        return Err(Problem::from(admission::Refusal::Draining).into());
    }
    services.admission.check(options).map_err(|refusal| Problem::from(refusal).into())
}
