//! GetCallerIdentity, and the sessions that come with a later release.

use access::Principal;
use wire::access::v1 as api;

use super::Identities;
use crate::errors::Refusal;
use crate::secrets::ask::{Answer, Ask};

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
        view.answer(api::GetCallerIdentityResponse {
            arn,
            account,
            user_id,
            session_expires: None,
        })
    }

    /// AssumeRole, to whoever is known here.
    pub(super) async fn assume_role(
        &self,
        ask: Ask<api::AssumeRoleRequest>,
    ) -> Result<Answer<api::AssumeRoleResponse>, Refusal> {
        self.view(&ask.call, &ask.reading).await?;
        Err(Refusal::not_yet("AssumeRole"))
    }
}
