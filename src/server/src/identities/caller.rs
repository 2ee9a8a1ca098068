//! GetCallerIdentity.

use access::Principal;
use machine::Stamp;
use wire::access::v1 as api;

use super::Identities;
use crate::errors::Refusal;
use crate::secrets::ask::{Answer, Ask};
use crate::times::timestamp;

impl Identities {
    pub(super) async fn caller_identity(
        &self,
        ask: Ask<api::GetCallerIdentityRequest>,
    ) -> Result<Answer<api::GetCallerIdentityResponse>, Refusal> {
        let view = self.view(&ask.call, &ask.reading).await?;
        let account = view.who.account().to_string();
        let (arn, user_id) = match view.who.principal() {
            Principal::User { arn, id, .. } | Principal::Session { arn, id, .. } => {
                (arn.clone(), id.clone())
            }
            Principal::Root { account } => {
                (format!("arn:aws:iam::{account}:root"), account.clone())
            }
            // None of these calls.
            Principal::Service { .. } | Principal::Federated { .. } | Principal::Anonymous => {
                return Err(Refusal::denied());
            }
        };
        let session = view.who.session();
        let expires = session.map(|held| Stamp(u64::try_from(held.expires_ms).unwrap_or(0)));
        view.answer(api::GetCallerIdentityResponse {
            arn,
            account,
            user_id,
            session_expires: expires.map(timestamp),
            session_id: session.map(|held| held.id.to_string()).unwrap_or_default(),
        })
    }
}
