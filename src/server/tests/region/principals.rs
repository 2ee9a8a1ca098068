//! Short ways to say who is who and may do what.

use tonic::{Code, Status};
use wire::Channel;
use wire::access::v1 as api;
use wire::access::v1::access_service_client::AccessServiceClient;
use wire::access::v1::certificate_binding::Match;
pub use wire::access::v1::update_principal_request::Change;

use super::harness::{ADMIN, REGION, Region, SecretsClient, refusal};

pub type AccessClient = AccessServiceClient<Channel>;

/// The account that a cluster begins with.
pub const ACCOUNT: &str = "000000000000";

impl Region {
    /// The access API of the first node, as the administrator.
    pub fn access(&self) -> AccessClient {
        AccessClient::new(self.channel_of(ADMIN))
    }

    /// The access API of the first node, as the client of this name.
    pub fn access_as(&self, client: &str) -> AccessClient {
        AccessClient::new(self.channel_of(client))
    }

    /// The secrets API of the first node, as the client of this name.
    pub fn secrets_as(&self, client: &str) -> SecretsClient {
        SecretsClient::new(self.channel_of(client))
    }

    /// A channel to the first node as a client, which has a certificate from here on.
    pub fn channel_of(&self, client: &str) -> Channel {
        let pair = self.files.layout.client(REGION, client);
        if !pair.cert.exists() {
            self.files.client(client);
        }
        self.files.channel(self.nodes[0].addresses().api, &pair)
    }
}

pub fn user(name: &str) -> api::PrincipalName {
    named(api::PrincipalKind::User, name)
}

pub fn group(name: &str) -> api::PrincipalName {
    named(api::PrincipalKind::Group, name)
}

pub fn role(name: &str) -> api::PrincipalName {
    named(api::PrincipalKind::Role, name)
}

fn named(kind: api::PrincipalKind, name: &str) -> api::PrincipalName {
    api::PrincipalName {
        kind: kind.into(),
        account: String::new(),
        name: name.to_owned(),
    }
}

/// The request that makes a principal; a role trusts its account.
pub fn making(who: &api::PrincipalName) -> api::CreatePrincipalRequest {
    let trust = match who.kind() {
        api::PrincipalKind::Role => format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow",
                "Principal": {{"AWS": "{ACCOUNT}"}}, "Action": "sts:AssumeRole"}}}}"#
        ),
        _ => String::new(),
    };
    api::CreatePrincipalRequest {
        principal: Some(who.clone()),
        trust_policy: trust,
        ..Default::default()
    }
}

/// Makes a principal.
pub async fn make(client: &mut AccessClient, who: &api::PrincipalName) -> api::Principal {
    let made = client.create_principal(making(who)).await.unwrap();
    made.into_inner().principal.unwrap()
}

/// Changes one thing of a principal.
pub async fn change(
    client: &mut AccessClient,
    who: &api::PrincipalName,
    change: Change,
) -> Result<api::Principal, Status> {
    let request = api::UpdatePrincipalRequest {
        principal: Some(who.clone()),
        change: Some(change),
    };
    let changed = client.update_principal(request).await?;
    Ok(changed.into_inner().principal.unwrap())
}

/// A policy of one statement, on one resource.
pub fn policy(effect: &str, action: &str, resource: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "Only", "Effect": "{effect}",
            "Action": "{action}", "Resource": "{resource}"}}]}}"#
    )
}

pub fn inline(name: &str, document: &str) -> Change {
    Change::PutInlinePolicy(api::InlinePolicy {
        name: name.to_owned(),
        document: document.to_owned(),
    })
}

/// Makes a managed policy, and gives its ARN.
pub async fn managed(client: &mut AccessClient, name: &str, document: &str) -> String {
    let request = api::CreatePolicyRequest {
        name: name.to_owned(),
        document: document.to_owned(),
        ..Default::default()
    };
    let made = client.create_policy(request).await.unwrap();
    made.into_inner().policy.unwrap().arn
}

/// The request that binds the certificate of a client to a principal.
pub fn binding(who: &api::PrincipalName, client: &str) -> api::CreateCredentialRequest {
    api::CreateCredentialRequest {
        principal: Some(who.clone()),
        regions: Vec::new(),
        certificate: Some(api::CertificateBinding {
            r#match: Some(Match::Subject(client.to_owned())),
        }),
    }
}

/// Makes a user whose name is that of the client that it calls as.
pub async fn known(admin: &mut AccessClient, name: &str) -> api::PrincipalName {
    let who = user(name);
    make(admin, &who).await;
    admin.create_credential(binding(&who, name)).await.unwrap();
    who
}

/// The ARNs of all secrets of the first region whose names begin like this.
pub fn secrets_like(name: &str) -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-??????")
}

/// Asserts the AWS error name and the code.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, tonic::Status>, reason: &str, code: Code) {
    let (found, was, message) = refusal(outcome);
    assert_eq!((found.as_str(), was), (reason, code), "{message}");
}
