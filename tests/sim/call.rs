//! Calls on nodes, as the simulation waits for them.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Runtime;

/// A call on a node. It never answers when the node ends before it.
pub struct Call<T>(Arc<Mutex<Option<T>>>);

impl<T: Send + 'static> Call<T> {
    /// Makes a call on the node of a runtime.
    pub fn make<F>(runtime: &Runtime, answer: F) -> Call<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let to = Arc::clone(&slot);
        runtime.spawn(async move {
            let answered = answer.await;
            *to.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
        });
        Call(slot)
    }

    pub fn answer(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the node ended with the call.
    pub fn is_lost(&self) -> bool {
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answer.is_none() && Arc::strong_count(&self.0) == 1
    }
}
