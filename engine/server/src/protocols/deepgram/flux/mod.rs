//! `GET /v2/listen` (Flux): turns of a conversation.

mod dialect;
mod message;
mod turns;
mod wanted;

use super::caller::Caller;
use super::listen::{admit, upgraded};
use super::model::Ran;
use super::notes::Notes;
use super::options::{Query, Route};
use super::refusal::{Refusal, describe};
use super::talk::Talk;
use crate::access::SUBPROTOCOL;
use crate::services::Services;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::Uri;
use axum::response::Response;
use dialect::Conversation;
use serde_json::json;
use std::sync::Arc;
use wanted::Wanted;

/// Upgrades a request to a conversation.
pub(super) async fn listen(
    State(services): State<Arc<Services>>,
    Caller(caller): Caller,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let request_id = caller.request_id.clone();
    let of = |refusal: Refusal| refusal.of(&request_id);
    let upgrade = upgraded(upgrade).map_err(of)?;
    let mut query = Query::parse(&uri, Route::Flux).map_err(of)?;
    let wanted = Wanted::of(&mut query, &services.engine).map_err(of)?;
    admit(&services, wanted.options.clone()).map_err(of)?;
    let ran = Ran::of(&services.engine);
    let bytes = services.config.limits.message_bytes;
    let connected = json!({
        "type": "Connected",
        "request_id": request_id.as_str(),
        "model_info": ran.info(),
        "tags": wanted.tags,
        "warnings": query.warnings,
    });
    let conversation = Arc::new(Conversation::new(wanted, request_id.clone()));
    let notes = Notes::new(query.warnings.clone());
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_message_size(bytes).max_frame_size(bytes);
    let talk = Talk::new(services, caller, conversation, notes);
    let mut response = upgrade.on_upgrade(move |socket| talk.run(socket, Some(connected), true));
    describe(response.headers_mut(), &request_id, (&ran.name, &ran.uuid), &query.warnings);
    Ok(response)
}
