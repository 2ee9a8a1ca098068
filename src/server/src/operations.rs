//! The operations port: `/live`, `/ready` and `/metrics` in plain HTTP.
//!
//! A stranger learns one word from it: whether the node lives and whether it is ready, and which of
//! a few fixed reasons keeps it from being so. Metrics are for loopback only.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::limits::{PROBE_DEADLINE, PROBES_MAX, TASK_PAUSE};
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

/// Who asks.
#[derive(Clone, Copy)]
struct Source(SocketAddr);

/// Serves until `stop` is ready, then cuts what is left: whoever connects here may be a stranger,
/// and must not keep the node from stopping.
pub async fn serve(
    listener: TcpListener,
    status: Arc<NodeStatus>,
    metrics: Metrics,
    stop: impl Future<Output = ()>,
) {
    let router = Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(text))
        .with_state(Operations { status, metrics });
    let mut stop = std::pin::pin!(stop);
    let mut probes = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            Some(_) = probes.join_next() => continue,
            accepted = listener.accept(), if probes.len() < PROBES_MAX => accepted,
        };
        match accepted {
            Ok((stream, source)) => {
                let router = router.clone().layer(Extension(Source(source)));
                probes.spawn(timeout(PROBE_DEADLINE, answer(router, stream)));
            }
            Err(error) => {
                tracing::warn!(%error, "probe not accepted");
                sleep(TASK_PAUSE).await;
            }
        }
    }
}

/// Answers one request.
async fn answer(router: Router, stream: TcpStream) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "probe not answered");
    }
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
    Extension(Source(source)): Extension<Source>,
) -> Response {
    if !source.ip().is_loopback() {
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
