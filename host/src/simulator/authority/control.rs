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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::authority::Options;
    use crate::simulator::http::test_client;

    #[tokio::test]
    async fn an_authority_vanishes_and_returns_over_its_control_port() {
        let mut authority = Authority::start(Options::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let control = authority.open_control("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let client = test_client();
        let post = async |body: &'static str| {
            client.post(format!("http://{control}/control")).body(body).send().await.unwrap().status().as_u16()
        };

        assert_eq!(post(r#"{"behaviour": "vanish"}"#).await, 200);
        assert!(tokio::net::TcpStream::connect(authority.address()).await.is_err());
        let report = client.get(format!("http://{control}/received")).send().await.unwrap();
        let report: serde_json::Value = report.json().await.unwrap();
        assert_eq!(report["behaviour"], "vanish");
        assert_eq!(report["received"], json!([]));

        assert_eq!(post(r#"{"behaviour": "accept"}"#).await, 200);
        tokio::net::TcpStream::connect(authority.address()).await.unwrap();
        assert_eq!(post(r#"{"behaviour": "sleep"}"#).await, 422);
    }
}
