//! Ruling a simulated authority over HTTP, on a port of its own that stays when the authority vanishes.
//!
//! `GET /received` gives the counts and everything stored. `POST /control` with `{"behaviour": "stall"}` changes how requests are
//! treated.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::behaviour::Behaviour;
use super::server::Authority;

pub(super) fn router(authority: Arc<Authority>) -> Router {
    Router::new().route("/received", get(received)).route("/control", post(control)).with_state(authority)
}

async fn received(State(authority): State<Arc<Authority>>) -> Response {
    Json(authority.report()).into_response()
}

async fn control(State(authority): State<Arc<Authority>>, body: Bytes) -> Response {
    let behaviour: Behaviour = match serde_json::from_slice(&body) {
        Ok(behaviour) => behaviour,
        Err(error) => {
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": error.to_string() }))).into_response();
        }
    };
    match authority.set_behaviour(behaviour.clone()).await {
        Ok(()) => Json(behaviour).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": error.to_string() }))).into_response(),
    }
}
