//! ARNs of what is in the root feed: how they are written, and what one means.

use machine::{
    AccountId, EntityKind, EntityName, EntityPath, Identity, IssuerUrl, Policy, Provider,
};

use crate::errors::Refusal;

/// Where an ARN of something with a name points.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct At {
    pub(crate) account: AccountId,
    pub(crate) path: EntityPath,
    pub(crate) name: EntityName,
}

/// What an ARN of a provider means: it says all of a URL but whether that is secured.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) account: AccountId,
    pub(crate) issuers: Vec<IssuerUrl>,
}

/// The ARN of a user, a group or a role.
pub(crate) fn identity(identity: &Identity) -> String {
    named(
        identity.kind(),
        &identity.account,
        &identity.path,
        &identity.name,
    )
}

/// The ARN of a managed policy.
pub(crate) fn policy(policy: &Policy) -> String {
    named(
        EntityKind::Policy,
        &policy.account,
        &policy.path,
        &policy.name,
    )
}

/// The ARN of a provider.
pub(crate) fn provider(provider: &Provider) -> String {
    of_issuer(&provider.account, &provider.issuer)
}

/// The ARN that something of this name has, or would have.
pub(crate) fn named(
    kind: EntityKind,
    account: &AccountId,
    path: &EntityPath,
    name: &EntityName,
) -> String {
    format!("arn:aws:iam::{account}:{}{path}{name}", kind.as_str())
}

/// The ARN of the provider with this URL.
pub(crate) fn of_issuer(account: &AccountId, issuer: &IssuerUrl) -> String {
    let (_, rest) = issuer.as_str().split_once("://").unwrap_or_default();
    format!("arn:aws:iam::{account}:oidc-provider/{rest}")
}

/// What the ARN of a managed policy at this place of a request means.
pub(crate) fn policy_at(place: &str, text: &str) -> Result<At, Refusal> {
    let parsed = of_iam(text).and_then(|(account, resource)| {
        let resource = resource.strip_prefix("policy")?;
        let end = resource.rfind('/')?.checked_add(1)?;
        let (path, name) = resource.split_at_checked(end)?;
        Some(At {
            account,
            path: EntityPath::new(path).ok()?,
            name: EntityName::new(name).ok()?,
        })
    });
    parsed.ok_or_else(|| no_arn(place, "arn:aws:iam::ACCOUNT:policy/NAME"))
}

/// What the ARN of a provider at this place of a request means.
pub(crate) fn provider_at(place: &str, text: &str) -> Result<Issued, Refusal> {
    let parsed = of_iam(text).and_then(|(account, resource)| {
        let rest = resource.strip_prefix("oidc-provider/")?;
        let schemes = ["https", "http"].into_iter();
        let urls = schemes.filter_map(|scheme| IssuerUrl::new(&format!("{scheme}://{rest}")).ok());
        let issuers: Vec<IssuerUrl> = urls.collect();
        (!issuers.is_empty()).then_some(Issued { account, issuers })
    });
    parsed.ok_or_else(|| no_arn(place, "arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH"))
}

/// The account and the resource of an ARN of IAM.
fn of_iam(text: &str) -> Option<(AccountId, &str)> {
    let rest = text.strip_prefix("arn:aws:iam::")?;
    let (account, resource) = rest.split_once(':')?;
    Some((AccountId::new(account).ok()?, resource))
}

fn no_arn(place: &str, form: &str) -> Refusal {
    Refusal::constraint(place, &format!("be an ARN such as {form}"))
}

#[cfg(test)]
mod tests {
    use machine::{AccountId, EntityKind, EntityName, EntityPath, IssuerUrl};

    use super::{named, of_issuer, policy_at, provider_at};

    #[test]
    fn the_arn_of_a_policy_means_what_it_was_written_for() {
        let account = AccountId::new("111122223333").unwrap();
        for (path, name) in [("/", "readers"), ("/a/b/", "x"), ("/policy/", "policy")] {
            let (path, name) = (
                EntityPath::new(path).unwrap(),
                EntityName::new(name).unwrap(),
            );
            let text = named(EntityKind::Policy, &account, &path, &name);
            let at = policy_at("arn", &text).unwrap();
            assert_eq!(
                (at.account, at.path, at.name),
                (account.clone(), path, name)
            );
        }
        for text in [
            "",
            "readers",
            "arn:aws:iam::111122223333:policy",
            "arn:aws:iam::111122223333:policy/",
            "arn:aws:iam::111122223333:policyreaders",
            "arn:aws:iam::111122223333:user/readers",
            "arn:aws:iam::1111:policy/readers",
            "arn:aws:iam::aws:policy/readers",
            "arn:aws:iam:eu-west-1:111122223333:policy/readers",
        ] {
            assert!(policy_at("arn", text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_arn_of_a_provider_means_its_url_secured_or_not() {
        let account = AccountId::new("111122223333").unwrap();
        for url in [
            "https://issuer.example/tenant/",
            "https://issuer.example:8443",
            "http://localhost:8080/realm",
        ] {
            let issuer = IssuerUrl::new(url).unwrap();
            let at = provider_at("arn", &of_issuer(&account, &issuer)).unwrap();
            assert_eq!(at.account, account);
            assert!(at.issuers.contains(&issuer), "{url}");
        }
        let other = "arn:aws:iam::111122223333:policy/x";
        assert!(provider_at("arn", other).is_err());
        assert!(provider_at("arn", "arn:aws:iam::111122223333:oidc-provider/").is_err());
    }
}
