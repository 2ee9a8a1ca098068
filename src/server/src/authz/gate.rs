//! What the door asks of the policies: whether a caller is known, before its request is parsed; and
//! what it may do by calls that are about no secret.

use std::sync::Arc;

use consensus::Consensus;

use super::{Asked, Authz, Surroundings, Target};
use crate::door::{Call, Gate};
use crate::errors::Refusal;
use crate::methods::{Judged, Method};

/// Judges such calls of clients.
pub struct Policies {
    /// Where what is known of clients is.
    pub consensus: Consensus,
    /// Judges.
    pub authz: Arc<Authz>,
}

#[tonic::async_trait]
impl Gate for Policies {
    async fn pass(&self, call: &Call, method: &'static Method) -> Result<(), Refusal> {
        let (action, view) = match method.judged {
            Judged::AtDoor(action) => (action, self.consensus.read(call.deadline).await?),
            Judged::AtDoorByLocalState(action) => (action, self.consensus.local_view()),
            Judged::ByName => {
                let view = self.consensus.local_view();
                return self.authz.caller(&view, call).map(drop);
            }
            // The handler judges, from a view of its own.
            Judged::InHandler(_) => return self.known(call).await,
        };
        let who = self.authz.caller(&view, call)?;
        let region = view.region().ok_or_else(Refusal::not_founded)?;
        let of_cluster = view.account().ok_or_else(Refusal::not_founded)?;
        let around = Surroundings::of(call, region);
        let asked = Asked::of(action);
        // The cluster belongs to the account that it began with: a policy of another account gives
        // nobody a right to run it.
        let target = match action.starts_with("strongroom:") {
            true => Target::Named("*", of_cluster),
            false => Target::All,
        };
        self.authz
            .permit(&view, &who, &asked, &around, target)
            .map(drop)
    }
}

impl Policies {
    /// Lets pass who is somebody: to this node, or else after a barrier, since a node may not yet
    /// know whom the region knows. Nobody learns from what is wrong with a request that it was
    /// parsed.
    async fn known(&self, call: &Call) -> Result<(), Refusal> {
        let who = self.authz.caller(&self.consensus.local_view(), call);
        match who {
            Ok(_) => Ok(()),
            Err(_) => {
                let view = self.consensus.read(call.deadline).await?;
                self.authz.caller(&view, call).map(drop)
            }
        }
    }
}
