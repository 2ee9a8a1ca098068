//! CreateLinkToken and Link.
//!
//! Whoever links a region is a stranger with a token. What it says is checked before the token is
//! looked at, so that every refusal of a token takes the same work, and is the same.

use std::net::IpAddr;

use consensus::View;
use machine::{
    Command, FeedId, Hash, IssueLinkToken, LinkRegion, Region, RegionName, Rejection, Scope,
};
use wire::admin::v1 as api;
use wire::{CertificateDer, PublicKeyHash, check_issuer, verify_node};
use zeroize::Zeroizing;

use super::Admin;
use super::directory::{linked_node, scope_of, wire_scope};
use super::join::{check_address, expires};
use crate::clock;
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::link_token::LinkToken;
use crate::times::timestamp;

impl Admin {
    pub(super) async fn create_link_token(
        &self,
        call: &Call,
        message: api::CreateLinkTokenRequest,
    ) -> Result<api::CreateLinkTokenResponse, Refusal> {
        let region = region_name(&message.region)?;
        let scope = scope_of(message.scope())?;
        let expires = expires(message.lifetime.as_ref())?;
        let token = LinkToken::generate(self.issuer_key()?).map_err(|_| Refusal::internal())?;
        // Whoever links is told of this region too, and finds it by that.
        self.describe_own(call).await?;
        let command = IssueLinkToken {
            digest: token.digest(),
            expires,
            region,
            scope,
        };
        self.propose(call, Command::IssueLinkToken(command)).await?;
        Ok(api::CreateLinkTokenResponse {
            token: std::mem::take(&mut *token.text()),
            expires: Some(timestamp(expires)),
        })
    }

    pub(super) async fn link(
        &self,
        call: &Call,
        source: Option<IpAddr>,
        mut message: api::LinkRequest,
    ) -> Result<api::LinkResponse, Refusal> {
        let token = Zeroizing::new(std::mem::take(&mut message.token));
        if !self.links.may_try(source) {
            return Err(Refusal::new(
                Reason::Throttling,
                "Too many attempts: wait a minute.",
            ));
        }
        let linked = self.link_with(call, &token, &message).await;
        let outcome = if linked.is_ok() { "linked" } else { "refused" };
        self.metrics
            .regions
            .links
            .with_label_values(&[outcome])
            .inc();
        linked
    }

    async fn link_with(
        &self,
        call: &Call,
        token: &str,
        message: &api::LinkRequest,
    ) -> Result<api::LinkResponse, Refusal> {
        let view = self.view(call).await?;
        let region = self.described(&view, message)?;
        let digest = LinkToken::parse(token).map_or(Hash::ZERO, |token| token.digest());
        check_token(&view, &digest, &region)?;
        let in_force = view.machine_version().map_or(0, |version| version.0);
        if message.machine_version_supported < in_force {
            return Err(Refusal::request(
                "The node runs an older release than this region: upgrade it first.",
            ));
        }
        let home = FeedId::Home(region.name.clone());
        if view.primary_of(&home) == Some(&region.name) {
            // A region that has begun goes on with what it has, or is lost.
            let (region, feed) = (region.name, home);
            return Err(Rejection::RegionIsPrimary { region, feed }.into());
        }
        drop(view);
        let name = region.name.clone();
        let command = Command::LinkRegion(LinkRegion {
            token_digest: digest,
            region,
        });
        let committed = self.fence.propose(call, command).await?;
        match committed.answer {
            Ok(_) => {}
            Err(
                Rejection::LinkTokenUnknown
                | Rejection::LinkTokenExpired(_)
                | Rejection::LinkTokenUsed,
            ) => return Err(refused()),
            Err(rejection) => return Err(self.refused(&rejection)),
        }
        let view = self
            .consensus
            .view_at(committed.index, call.deadline)
            .await?;
        tracing::info!(region = %name, "a region was linked");
        introduction(&view, &home)
    }

    /// The region a stranger speaks of, if all it says of it holds together.
    fn described(&self, view: &View, message: &api::LinkRequest) -> Result<Region, Refusal> {
        let name = region_name(&message.region)?;
        check_address(&message.peer_address)?;
        check_address(&message.api_address)?;
        let authorities: Vec<CertificateDer<'_>> = message
            .authorities
            .iter()
            .map(|der| CertificateDer::from(der.to_vec()))
            .collect();
        if authorities.is_empty() {
            return Err(Refusal::parameter("An authority is required."));
        }
        let known = replication::issuers_of_others(view, &name);
        for authority in &authorities {
            let issuer = check_issuer(authority)
                .map_err(|error| Refusal::parameter(format!("An authority: {error}.")))?;
            if known.contains(&issuer.public_key) {
                return Err(Refusal::parameter(
                    "An authority is another region's: each region needs one of its own.",
                ));
            }
        }
        let certificate = CertificateDer::from(message.certificate.to_vec());
        let now = clock::system(clock::now());
        let node = verify_node(&certificate, &[], &authorities, now)
            .map_err(|error| Refusal::parameter(format!("The certificate: {error}.")))?;
        let cluster = view.cluster().map(|cluster| cluster.to_string());
        if cluster.as_deref() != Some(&*node.cluster) || node.region != name.as_str() {
            return Err(Refusal::parameter(
                "The certificate is not one of this cluster and the region.",
            ));
        }
        let authorities = message.authorities.iter();
        Ok(Region {
            name,
            // The token's counts.
            scope: Scope::Selected,
            authorities: authorities.map(|der| der.to_vec().into()).collect(),
            nodes: vec![machine::Node {
                id: machine::NodeId(node.node),
                peer_address: message.peer_address.clone(),
                api_address: message.api_address.clone(),
                public_key: Hash(node.public_key),
            }],
            unlinked: None,
        })
    }

    /// The key of an issuer whose certificate this region's nodes present.
    fn issuer_key(&self) -> Result<PublicKeyHash, Refusal> {
        let chain = self.credentials.chain();
        let issuers = chain.iter().skip(1).map(check_issuer);
        let issuer = issuers.flatten().next();
        issuer.map(|issuer| issuer.public_key).ok_or_else(|| {
            Refusal::request(
                "The certificate file of this node lacks its issuer's certificate, by which a \
                 new region would know it: append it.",
            )
        })
    }
}

/// Whether the token may link the region: it is not used, or by this very region.
fn check_token(view: &View, digest: &Hash, region: &Region) -> Result<(), Refusal> {
    let token = view.link_token(digest).ok_or_else(refused)?;
    let is_good = token.region == region.name && (token.used || token.expires > clock::now());
    match is_good {
        true => Ok(()),
        false => Err(refused()),
    }
}

fn introduction(view: &View, home: &FeedId) -> Result<api::LinkResponse, Refusal> {
    let (Some(cluster), Some(account), Some(version)) =
        (view.cluster(), view.account(), view.machine_version())
    else {
        return Err(Refusal::not_founded());
    };
    let regions = view.regions().map(|region| api::LinkedRegion {
        name: region.name.to_string(),
        scope: wire_scope(region.scope).into(),
        authorities: region.authorities.iter().map(|der| der.to_vec()).collect(),
        nodes: region.nodes.iter().map(linked_node).collect(),
    });
    let home = view.feed(home);
    Ok(api::LinkResponse {
        cluster: cluster.to_string(),
        account: account.to_string(),
        regions: regions.collect(),
        home_exists: home.is_some_and(|home| home.state().is_some()),
        machine_version: version.0,
    })
}

fn refused() -> Refusal {
    Refusal::new(Reason::AccessDenied, "The link token is not valid.")
}

/// A region's name as a caller writes it.
pub(super) fn region_name(text: &str) -> Result<RegionName, Refusal> {
    let missing = || Refusal::parameter("A region must be named, such as eu-west-1.");
    RegionName::new(text).map_err(|_| missing())
}
