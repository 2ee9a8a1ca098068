//! CreateJoinToken and Join.
//!
//! Only the digest of a token is kept. Every refusal of a token is the same, and attempts are
//! counted by source, so that trying tokens tells nothing.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use consensus::View;
use machine::{AdmitNode, Command, Hash, IssueJoinToken, Node, NodeId, Rejection, Stamp};
use sha2::{Digest, Sha256};
use wire::PeerIdentity;
use wire::admin::v1 as api;
use zeroize::Zeroizing;

use super::Admin;
use super::nodes::nodes;
use crate::clock;
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::times::timestamp;

/// Bounds of a token's life.
const LIFETIME_MIN: Duration = Duration::from_secs(60);
const LIFETIME_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const LIFETIME_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// Longest host and port.
const ADDRESS_CHARS_MAX: usize = 262;

impl Admin {
    pub(super) async fn create_join_token(
        &self,
        call: &Call,
        message: api::CreateJoinTokenRequest,
    ) -> Result<api::CreateJoinTokenResponse, Refusal> {
        let expires = expires(message.lifetime.as_ref())?;
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| Refusal::internal())?;
        let mut token = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        let command = IssueJoinToken {
            digest: digest(&token),
            expires,
        };
        self.propose(call, Command::IssueJoinToken(command)).await?;
        Ok(api::CreateJoinTokenResponse {
            token: std::mem::take(&mut *token),
            expires: Some(timestamp(expires)),
        })
    }

    pub(super) async fn join(
        &self,
        call: &Call,
        peer: &PeerIdentity,
        source: Option<IpAddr>,
        mut message: api::JoinRequest,
    ) -> Result<api::JoinResponse, Refusal> {
        let token = Zeroizing::new(std::mem::take(&mut message.token));
        if !self.joins.may_try(source) {
            return Err(Refusal::new(
                Reason::Throttling,
                "Too many attempts: wait a minute.",
            ));
        }
        check_address(&message.peer_address)?;
        check_address(&message.api_address)?;
        let view = self.view(call).await?;
        let in_force = view.machine_version().map_or(0, |version| version.0);
        if message.machine_version_supported < in_force {
            return Err(Refusal::request(
                "The joining node runs an older release than this region: upgrade it first.",
            ));
        }
        let node = Node {
            id: NodeId(peer.node),
            peer_address: message.peer_address.clone(),
            api_address: message.api_address.clone(),
            public_key: Hash(peer.public_key),
        };
        let view = if message.rehearsal {
            check_token(&view, &token, &node)?;
            view
        } else {
            drop(view);
            self.admit(call, &token, &node).await?;
            self.consensus.add_learner(&node, call.deadline).await?;
            self.view(call).await?
        };
        Ok(api::JoinResponse {
            cluster: peer.cluster.clone(),
            region: peer.region.clone(),
            node: peer.node,
            nodes: nodes(&view, &self.consensus.status()),
            sealed_keyring: self.sealed_keyring.to_vec(),
        })
    }

    /// Spends the token. A node that already spent it, with the same key, is admitted again: its
    /// first answer may have been lost.
    async fn admit(&self, call: &Call, token: &str, node: &Node) -> Result<(), Refusal> {
        let (id, public_key) = (node.id, node.public_key);
        let token_digest = digest(token);
        let command = Command::AdmitNode(AdmitNode {
            token_digest,
            node: node.clone(),
        });
        match self.fence.propose(call, command).await?.answer {
            Ok(_) => Ok(()),
            Err(Rejection::JoinTokenUsed(used)) if used == id => {
                let view = self.view(call).await?;
                match view.node(id) {
                    Some(known) if known.public_key == public_key => Ok(()),
                    _ => Err(refused()),
                }
            }
            Err(
                Rejection::JoinTokenUnknown
                | Rejection::JoinTokenExpired(_)
                | Rejection::JoinTokenUsed(_),
            ) => Err(refused()),
            Err(rejection) => Err(rejection.into()),
        }
    }
}

/// Whether the token would admit the node: it is not used, or used by this very node.
fn check_token(view: &View, token: &str, node: &Node) -> Result<(), Refusal> {
    let token = view.join_token(&digest(token)).ok_or_else(refused)?;
    let known = view.node(node.id);
    let is_good = match token.used_by {
        None => token.expires > clock::now(),
        Some(used_by) => {
            used_by == node.id && known.is_some_and(|known| known.public_key == node.public_key)
        }
    };
    match is_good {
        true => Ok(()),
        false => Err(refused()),
    }
}

/// When a token ends that is made now, to live for as long as a caller asks.
pub(super) fn expires(asked: Option<&prost_types::Duration>) -> Result<Stamp, Refusal> {
    let lifetime = asked.map_or(LIFETIME_DEFAULT, lifetime);
    if !(LIFETIME_MIN..=LIFETIME_MAX).contains(&lifetime) {
        return Err(Refusal::parameter(
            "The lifetime must be between 1 minute and 7 days.",
        ));
    }
    let millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
    Ok(clock::now().plus_ms(millis))
}

/// The duration a caller asks for; zero for one that is none. The conversion of prost panics on the
/// least number.
fn lifetime(asked: &prost_types::Duration) -> Duration {
    match (u64::try_from(asked.seconds), u32::try_from(asked.nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Duration::new(seconds, nanos),
        _ => Duration::ZERO,
    }
}

fn refused() -> Refusal {
    Refusal::new(Reason::AccessDenied, "The join token is not valid.")
}

fn digest(token: &str) -> Hash {
    let mut hash = Sha256::new();
    hash.update(b"strongroom join token 1");
    hash.update(token.as_bytes());
    Hash(hash.finalize().into())
}

pub(super) fn check_address(address: &str) -> Result<(), Refusal> {
    let is_usable = address.len() <= ADDRESS_CHARS_MAX
        && address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
    match is_usable {
        true => Ok(()),
        false => Err(Refusal::parameter(
            "An address must be a host and a port: host:port.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::check_address;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["node-1:7421", "10.0.0.1:1", "[::1]:7421"] {
            assert!(check_address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "node-1",
            ":7421",
            "node-1:0",
            "node-1:70000",
            "node-1:x",
        ] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
        assert!(check_address(&format!("{}:1", "x".repeat(300))).is_err());
    }
}
