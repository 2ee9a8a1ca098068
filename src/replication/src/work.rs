//! Work that blocks: beside the runtime's workers, or in place.
//!
//! On a runtime of one thread it is done in place, as consensus does it: a simulated node blocks
//! nobody, and threads beside it would make the machine's scheduler part of the simulation.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// Does `work` where it may block; an error when it panicked or the runtime stops.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}
