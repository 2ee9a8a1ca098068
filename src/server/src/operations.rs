//! The operations port: `/live`, `/ready` and `/metrics` in plain HTTP.
//!
//! A stranger learns one word from it: whether the node lives and whether it is ready, and which of
//! a few fixed reasons keeps it from being so. Metrics are for loopback only.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::status::NodeStatus;

#[derive(Clone)]
struct Operations {
    status: Arc<NodeStatus>,
    metrics: Metrics,
}

#[derive(Serialize)]
struct Probe {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl Probe {
    fn answer(&self, code: StatusCode) -> Response {
        match serde_json::to_string(self) {
            Ok(body) => (code, [(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// Serves until `stop` is ready.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    status: Arc<NodeStatus>,
    metrics: Metrics,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(text))
        .with_state(Operations { status, metrics });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stop)
        .await
}

async fn live() -> Response {
    let live = Probe {
        status: "live",
        reason: None,
    };
    live.answer(StatusCode::OK)
}

async fn ready(State(operations): State<Operations>) -> Response {
    match operations.status.check() {
        Ok(()) => Probe {
            status: "ready",
            reason: None,
        }
        .answer(StatusCode::OK),
        Err(reason) => {
            let probe = Probe {
                status: "not ready",
                reason: Some(reason.name()),
            };
            probe.answer(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

async fn text(
    State(operations): State<Operations>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
) -> Response {
    if !caller.ip().is_loopback() {
        return StatusCode::FORBIDDEN.into_response();
    }
    operations.status.measure();
    match operations.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written out");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
