//! Faults on demand over HTTP, for a simulated analyzer that runs as its own process.
//!
//! `GET /state` says what it is doing. `POST /fault` with `{"kind": "slow", "ms": 500}` makes something wrong. `POST /clear`
//! puts everything right, or with a fault as its body only that one.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::fault::Fault;
use super::server::Running;
use crate::simulator::OrderError;

pub(super) fn router(running: Arc<Running>) -> Router {
    Router::new()
        .route("/state", get(state))
        .route("/fault", post(set_fault))
        .route("/clear", post(clear))
        .with_state(running)
}

async fn state(Shared(running): Shared<Arc<Running>>) -> Response {
    Json(running.state()).into_response()
}

async fn set_fault(Shared(running): Shared<Arc<Running>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Fault>(&body) {
        Ok(fault) => answer(&running, running.set_fault(fault).await),
        Err(error) => refuse(error.to_string()),
    }
}

async fn clear(Shared(running): Shared<Arc<Running>>, body: Bytes) -> Response {
    if body.is_empty() {
        return answer(&running, running.clear_faults().await);
    }
    match serde_json::from_slice::<Fault>(&body) {
        Ok(fault) => answer(&running, running.clear_fault(&fault).await),
        Err(error) => refuse(error.to_string()),
    }
}

fn answer(running: &Running, done: Result<(), OrderError>) -> Response {
    match done {
        Ok(()) => Json(json!({ "faults": running.state().faults })).into_response(),
        Err(OrderError::Fault(unknown)) => refuse(unknown.to_string()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": error.to_string() }))).into_response(),
    }
}

fn refuse(error: String) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": error }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::analyzer::{Analyzer, Model, Options};

    #[tokio::test]
    async fn faults_are_set_and_cleared_over_http() {
        let mut analyzer =
            Analyzer::start(Model::T300, Options::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let control = analyzer.open_control("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let client = crate::simulator::http::test_client();
        let post = async |path: &str, body: &'static str| {
            let answer = client.post(format!("http://{control}{path}")).body(body).send().await.unwrap();
            (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
        };

        assert_eq!(post("/fault", r#"{"kind": "warning", "id": "invalid_conc"}"#).await.0, 200);
        assert_eq!(post("/fault", r#"{"kind": "refuse"}"#).await.0, 200);
        let state: serde_json::Value =
            client.get(format!("http://{control}/state")).send().await.unwrap().json().await.unwrap();
        assert_eq!(state["faults"].as_array().unwrap().len(), 2);
        assert_eq!(state["on"], json!(["invalid_conc"]));
        assert!(tokio::net::TcpStream::connect(analyzer.address()).await.is_err());

        assert_eq!(post("/clear", r#"{"kind": "refuse"}"#).await.1["faults"].as_array().unwrap().len(), 1);
        tokio::net::TcpStream::connect(analyzer.address()).await.unwrap();
        assert_eq!(post("/clear", "").await.1, json!({ "faults": [] }));
        let (status, refused) = post("/fault", r#"{"kind": "warning", "id": "no_conc_alarm"}"#).await;
        assert_eq!(status, 422);
        assert!(
            refused["error"].as_str().unwrap().contains("Teledyne T300 has no status bit no_conc_alarm"),
            "{refused}"
        );
        analyzer.shutdown().await;
    }
}
