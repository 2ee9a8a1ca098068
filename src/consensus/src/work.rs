//! Work that blocks on the disk: beside the runtime's worker, or in place.
//!
//! On a runtime of one thread it is done in place: a simulated node, whose store blocks nobody, has
//! such a one, and threads beside it would make the machine's scheduler part of the simulation.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// Whether work is done in place here. Must be called within a runtime.
pub(crate) fn is_in_place() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread
}

/// Does `work` where it may block; an error when it panicked or the runtime stops.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if is_in_place() {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}
