//! The health and reflection services of gRPC.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::Builder;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};

use crate::methods::SMALL_REQUEST_BYTES_MAX;
use crate::node::StartError;
use crate::status::NodeStatus;

/// Pause between two looks at the node.
const PAUSE: Duration = Duration::from_millis(250);

/// Tells the health service what `/ready` would say. Only the server as a whole has a status: a
/// stranger learns no names (R34).
/// At the stop its watchers are told, and their streams end.
pub async fn follow(
    mut reporter: HealthReporter,
    status: Arc<NodeStatus>,
    stop: CancellationToken,
) {
    let mut known = None;
    while !stop.is_cancelled() {
        let now = match status.check() {
            Ok(()) => ServingStatus::Serving,
            Err(_) => ServingStatus::NotServing,
        };
        if known.replace(now) != Some(now) {
            reporter.set_service_status("", now).await;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => {}
        }
    }
    reporter
        .set_service_status("", ServingStatus::NotServing)
        .await;
    reporter.clear_service_status("").await;
}

/// The reflection service over every proto of the node.
///
/// # Errors
/// When the descriptors do not decode: a fault of the build.
pub fn reflection() -> Result<ServerReflectionServer<impl ServerReflection>, StartError> {
    let built = Builder::configure()
        .register_encoded_file_descriptor_set(wire::DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // So that callers can read the details of an error.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    let service = built.map_err(|error| StartError::Build(error.to_string()))?;
    Ok(service.max_decoding_message_size(SMALL_REQUEST_BYTES_MAX))
}
