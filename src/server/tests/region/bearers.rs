//! Callers that carry the token of a session, and short ways to open one.

use tonic::{Request, Status};
use wire::access::v1 as api;
use wire::{Channel, StrangerDialer};

use super::harness::{Region, SecretsClient, eventually};
use super::principals::{ACCOUNT, AccessClient};
use super::requests::{get, with};

impl Region {
    /// A channel to the first node without a certificate.
    pub fn bare(&self) -> Channel {
        let dialer = StrangerDialer::load(&[self.files.layout.root().cert]).unwrap();
        dialer.channel(&self.address(), "127.0.0.1").unwrap()
    }

    /// The secrets API of the first node, for who shows no certificate.
    pub fn bare_secrets(&self) -> SecretsClient {
        SecretsClient::new(self.bare())
    }

    /// The access API of the first node, for who shows no certificate.
    pub fn bare_access(&self) -> AccessClient {
        AccessClient::new(self.bare())
    }

    /// What a caller with this token reads of a secret here.
    pub async fn reads(&self, token: &str, id: &str) -> Result<(), Status> {
        let asked = bearing(token, get(id));
        self.bare_secrets().get_secret_value(asked).await.map(drop)
    }

    /// Waits until a caller with this token reads a secret here.
    pub async fn until_reads(&self, token: &str, id: &str) {
        eventually("the session reads", async || {
            self.reads(token, id).await.is_ok()
        })
        .await;
    }

    /// Waits until a token is taken here no more, and gives the refusal.
    pub async fn until_refused(&self, token: &str, id: &str) -> Status {
        let mut refused = None;
        eventually("the session is refused", async || {
            refused = self.reads(token, id).await.err();
            refused.is_some()
        })
        .await;
        refused.unwrap()
    }
}

/// A request that carries a token.
pub fn bearing<T>(token: &str, message: T) -> Request<T> {
    with("authorization", &format!("Bearer {token}"), message)
}

/// The ARN of a role of the first account.
pub fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// The request that assumes a role.
pub fn assuming(role: &str) -> api::AssumeRoleRequest {
    api::AssumeRoleRequest {
        role_arn: role_arn(role),
        role_session_name: "me".to_owned(),
        ..Default::default()
    }
}

/// Opens a session of the user whose certificate the client shows, once there are keys.
pub async fn session_of(client: &mut AccessClient) -> api::Session {
    let mut opened = None;
    eventually("a session is opened", async || {
        let asked = client.get_session_token(api::GetSessionTokenRequest::default());
        opened = asked.await.ok().and_then(|one| one.into_inner().session);
        opened.is_some()
    })
    .await;
    opened.unwrap()
}

/// Opens a session of a role, once there are keys.
pub async fn assumed(
    client: &mut AccessClient,
    asked: api::AssumeRoleRequest,
) -> Result<api::Session, Status> {
    let reply = client.assume_role(asked).await?;
    Ok(reply.into_inner().session.unwrap())
}
