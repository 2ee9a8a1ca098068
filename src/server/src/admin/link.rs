//! CreateLinkToken and Link.
//!
//! Whoever links a region is a stranger with a token. What it says is checked before the token is
//! looked at, so that every refusal of a token takes the same work, and is the same.

use std::net::IpAddr;

use consensus::View;
use machine::{
    Command, FeedId, Hash, IssueLinkToken, LinkRegion, Region, RegionName, Rejection, Scope, Stamp,
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
        let region = described(&view, message)?;
        let digest = LinkToken::parse(token).map_or(Hash::ZERO, |token| token.digest());
        check_token(view.link_token(&digest), &region.name, clock::now())?;
        has_own_issuers(&view, &region)?;
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

/// The region a stranger speaks of, if all it says of it holds together. What is looked at here is
/// what the stranger brought: which regions there are, it is told only for a token.
fn described(view: &View, message: &api::LinkRequest) -> Result<Region, Refusal> {
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
    for authority in &authorities {
        check_issuer(authority)
            .map_err(|error| Refusal::parameter(format!("An authority: {error}.")))?;
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
        signing_key: None,
    })
}

/// Whether the token may link the region: it is not expired, and not used, or by this very region,
/// whose first answer may have been lost.
fn check_token(
    token: Option<&machine::LinkToken>,
    region: &RegionName,
    now: Stamp,
) -> Result<(), Refusal> {
    match token {
        Some(token) if token.region == *region && token.expires > now => Ok(()),
        Some(_) | None => Err(refused()),
    }
}

/// Rejects a region whose nodes another one's issuer would vouch for.
fn has_own_issuers(view: &View, region: &Region) -> Result<(), Refusal> {
    let known = replication::issuers_of_others(view, &region.name);
    let issuers = region.authorities.iter();
    let issuers = issuers.map(|der| check_issuer(&CertificateDer::from(der.to_vec())));
    let mut issuers = issuers.flatten();
    match issuers.any(|issuer| known.contains(&issuer.public_key)) {
        true => Err(Refusal::parameter(
            "An authority is another region's: each region needs one of its own.",
        )),
        false => Ok(()),
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

#[cfg(test)]
mod tests {
    use machine::{LinkToken, RegionName, Scope, Stamp};

    use super::check_token;

    #[test]
    fn a_token_links_its_region_until_it_expires_whether_it_is_used_or_not() {
        let [name, other] = ["eu-west-2", "eu-west-3"].map(|name| RegionName::new(name).unwrap());
        for used in [false, true] {
            let token = LinkToken {
                expires: Stamp(1000),
                region: name.clone(),
                scope: Scope::All,
                used,
            };
            assert!(check_token(Some(&token), &name, Stamp(999)).is_ok());
            assert!(
                check_token(Some(&token), &name, Stamp(1000)).is_err(),
                "{used}"
            );
            assert!(check_token(Some(&token), &other, Stamp(999)).is_err());
        }
        assert!(check_token(None, &name, Stamp(0)).is_err());
    }
}
