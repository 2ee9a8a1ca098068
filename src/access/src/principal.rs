//! Who calls, as it was authenticated.

use crate::context::Context;

/// Who calls. Ids of accounts have 12 digits; ARNs are full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The root of an account, which may do everything in it that nothing denies.
    Root {
        /// Its account.
        account: String,
    },
    /// A user, by keys of its own.
    User {
        /// Its account.
        account: String,
        /// `arn:aws:iam::ACCOUNT:user/path/name`.
        arn: String,
        /// Its unique id, `AIDA…`.
        id: String,
    },
    /// Who has assumed a role.
    Session {
        /// The account of the role.
        account: String,
        /// `arn:aws:iam::ACCOUNT:role/path/name`.
        role: String,
        /// `arn:aws:sts::ACCOUNT:assumed-role/name/session`.
        arn: String,
        /// The unique id of the role, a colon and the name of the session: `AROA…:session`.
        id: String,
    },
    /// A service, which acts for no account: what a resource policy names `Service`.
    Service {
        /// Its name, such as `rotation.strongroom.internal`.
        name: String,
    },
    /// Who proves to be somebody elsewhere, while a trust policy is asked whether that is enough.
    Federated {
        /// The account of the role that is to be assumed.
        account: String,
        /// The ARN of the provider, or its issuer.
        provider: String,
    },
    /// Nobody that we know.
    Anonymous,
}

impl Principal {
    /// The account whose policies speak for the caller; none for services, federated callers and
    /// anonymous ones, for whom only the policy of the resource speaks.
    pub fn account(&self) -> Option<&str> {
        match self {
            Principal::Root { account }
            | Principal::User { account, .. }
            | Principal::Session { account, .. } => Some(account),
            Principal::Service { .. } | Principal::Federated { .. } | Principal::Anonymous => None,
        }
    }

    /// Sets the keys that say who calls: `aws:PrincipalArn`, `aws:PrincipalAccount`,
    /// `aws:PrincipalType`, `aws:userid`, `aws:username`, `aws:FederatedProvider`,
    /// `aws:PrincipalIsAWSService`, `aws:PrincipalServiceName` and `…NamesList`, each where AWS has
    /// it. [`decide`](crate::decide) sets none.
    pub fn describe(&self, context: &mut Context) {
        let is_service = matches!(self, Principal::Service { .. });
        context.set("aws:PrincipalIsAWSService", is_service.to_string());
        if let Some(account) = self.account() {
            context.set("aws:PrincipalAccount", account);
        }
        match self {
            Principal::Root { account } => {
                context.set("aws:PrincipalArn", format!("arn:aws:iam::{account}:root"));
                context.set("aws:PrincipalType", "Account");
                context.set("aws:userid", account.as_str());
            }
            Principal::User { arn, id, .. } => {
                context.set("aws:PrincipalArn", arn.as_str());
                context.set("aws:PrincipalType", "User");
                context.set("aws:userid", id.as_str());
                if let Some((_, name)) = arn.rsplit_once('/') {
                    context.set("aws:username", name);
                }
            }
            Principal::Session { role, id, .. } => {
                context.set("aws:PrincipalArn", role.as_str());
                context.set("aws:PrincipalType", "AssumedRole");
                context.set("aws:userid", id.as_str());
            }
            Principal::Service { name } => {
                context.set("aws:PrincipalServiceName", name.as_str());
                context.set_many("aws:PrincipalServiceNamesList", [name.as_str()]);
            }
            Principal::Federated { provider, .. } => {
                context.set("aws:FederatedProvider", provider.as_str());
            }
            Principal::Anonymous => {
                context.set("aws:PrincipalType", "Anonymous");
                context.set("aws:userid", "anonymous");
            }
        }
    }
}
