//! Work that blocks on the disk, or takes long: beside the runtime's worker, or in place.
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

/// Does `work`, which takes long, here and now, while others take over what this worker has to do.
pub(crate) fn beside_others<T>(work: impl FnOnce() -> T) -> T {
    match is_in_place() {
        true => work(),
        false => tokio::task::block_in_place(work),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_only_worker_does_other_things_while_work_takes_long() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .expect("a runtime");
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, ended) = mpsc::channel();
        let long = runtime.spawn(async move {
            beside_others(|| {
                begun.send(()).expect("somebody waits");
                ended.recv_timeout(std::time::Duration::from_secs(60))
            })
        });
        runtime.spawn(async move {
            has_begun.await.expect("it begins");
            end.send(()).expect("it goes on");
        });
        let done = runtime.block_on(long).expect("no panic");
        done.expect("the worker did something else meanwhile");
    }
}
