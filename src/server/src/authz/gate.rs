//! What the door asks of the policies: for calls that are about no secret.

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
        let view = match method.judged {
            Judged::AtDoor(_) => self.consensus.read(call.deadline).await?,
            Judged::AtDoorByLocalState(_) | Judged::ByName | Judged::InHandler(_) => {
                self.consensus.local_view()
            }
        };
        let who = self.authz.caller(&view, call)?;
        let action = match method.judged {
            Judged::AtDoor(action) | Judged::AtDoorByLocalState(action) => action,
            // The handler judges, from a view of its own.
            Judged::ByName | Judged::InHandler(_) => return Ok(()),
        };
        let region = view.region().ok_or_else(Refusal::not_founded)?;
        let around = Surroundings::of(call, region);
        let asked = Asked::of(action);
        self.authz
            .permit(&view, &who, &asked, &around, Target::All)
            .map(drop)
    }
}
