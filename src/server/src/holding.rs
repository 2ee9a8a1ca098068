//! Waiting for a state that a caller has seen elsewhere.

use consensus::{Consensus, Unavailable, View};
use machine::{FeedId, NotHeld, Token};

use crate::door::Call;
use crate::errors::Refusal;

/// Waits until the local state holds the positions a caller has seen.
///
/// # Errors
/// When it never will; `ServiceUnavailable` when it does not by the call's deadline.
pub async fn view_holding(
    consensus: &Consensus,
    call: &Call,
    mut view: View,
    token: &Token,
) -> Result<View, Refusal> {
    let mut applied = consensus.applied();
    loop {
        applied.borrow_and_update();
        match view.holds(token) {
            Ok(()) => return Ok(view),
            Err(NotHeld::Ahead { .. }) => {}
            // The feed of a region that is followed from now on.
            Err(NotHeld::FeedUnknown(FeedId::Home(region))) if view.knows_region(&region) => {}
            Err(lost) => return Err(Refusal::not_held(&view, &lost)),
        }
        let changed = tokio::time::timeout_at(call.deadline, applied.changed()).await;
        if !matches!(changed, Ok(Ok(()))) {
            return Err(Unavailable::Behind.into());
        }
        view = consensus.local_view();
    }
}
