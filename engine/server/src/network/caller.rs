//! Who sends a request.

use super::connections::Connection;
use super::problem::Problem;
use super::request_id::RequestId;
use crate::access::Client;
use crate::services::Services;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The other side of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address: a proxy's, if one stands between.
    pub address: IpAddr,
    /// The connection: to be held as long as it counts.
    pub connection: Arc<Connection>,
}

/// Who sends a request: an extractor that refuses whoever may not.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The client.
    pub client: Client,
    /// The request's name.
    pub request_id: RequestId,
    /// The connection, to be held by what it is upgraded to.
    pub connection: Option<Arc<Connection>>,
}

impl FromRequestParts<Arc<Services>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().cloned();
        let request_id = parts.extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::random);
        let address = peer.as_ref().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address);
        match services.access.identify(&parts.headers, address) {
            Ok(client) => Ok(Caller { client, request_id, connection: peer.map(|peer| peer.connection) }),
            Err(error) => {
                services.metrics.refused(error.code());
                Err(Problem::from(error).of(request_id))
            }
        }
    }
}
