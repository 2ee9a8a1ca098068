//! The issuers of linked regions, as the region directory tells them, while the process runs.
//!
//! Invariant: the issuers that a region tells of vouch for nodes of that region and of no other, so
//! what it tells of itself can harm nobody else.

use std::{
    collections::BTreeMap,
    fmt::{Debug, Formatter},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, TrustAnchor},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    certs::Holder,
    identity::{PeerIdentity, is_region},
    issuer::{IssuerError, Known, vouching},
    limits::{ISSUERS_PER_REGION_MAX, LINKED_CONNECTIONS_MAX, LINKED_REGIONS_MAX},
    verify::Refusal,
};

/// The issuers of linked regions; none at first. Clones share them.
#[derive(Clone, Default)]
pub struct Authorities {
    linked: Arc<ArcSwap<BTreeMap<String, Linked>>>,
}

struct Linked {
    issuers: Vec<Known>,
    tie: Tie,
}

/// What the connections of one linked region's nodes have in common.
#[derive(Clone)]
pub(crate) struct Tie {
    /// How many more there may be: one region must not keep the others, or the own, out.
    pub(crate) places: Arc<Semaphore>,
    /// Ends them when the region is unlinked.
    pub(crate) cut: CancellationToken,
}

/// What of the issuers of linked regions was not taken over, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthoritiesError {
    /// One region more than a cluster links.
    #[error("{region} is one more than the {LINKED_REGIONS_MAX} that can be linked; unlink some")]
    TooManyRegions {
        /// The region.
        region: String,
    },
    /// A name has another form.
    #[error("{name:?} is not a region name; name it like eu-west-1")]
    Name {
        /// The name as given.
        name: String,
    },
    /// More issuers than one region has: those above the bound are left out.
    #[error("{region} has more than {ISSUERS_PER_REGION_MAX} issuers; leave out those replaced")]
    TooManyIssuers {
        /// The region.
        region: String,
    },
    /// A certificate is none of an issuer.
    #[error("cannot use an issuer of {region}")]
    Issuer {
        /// The region.
        region: String,
        /// Why.
        source: IssuerError,
    },
    /// An issuer says that it is another region's.
    #[error("{issuer} does not issue for {region}; give the issuer of {region}")]
    OtherRegion {
        /// The region it was given for.
        region: String,
        /// Whose it is.
        issuer: String,
    },
}

impl Authorities {
    /// Replaces the whole set: region name to certificates of its issuers, for at most 64 regions
    /// and 4 certificates each. Holds for connections made from then on; listeners cut those of a
    /// region that is not in it any more. What cannot be used is left out and answered, and the
    /// rest holds: what one region tells of itself must not cut off another. An entry for the own
    /// region changes nothing: `CredentialFiles` tell who issues for that.
    pub fn set(
        &self,
        linked: BTreeMap<String, Vec<CertificateDer<'static>>>,
    ) -> Vec<AuthoritiesError> {
        let before = self.linked.load_full();
        let (mut fresh, mut refused) = (BTreeMap::new(), Vec::new());
        for (region, certificates) in linked {
            if !is_region(&region) {
                refused.push(AuthoritiesError::Name { name: region });
            } else if fresh.len() == LINKED_REGIONS_MAX {
                refused.push(AuthoritiesError::TooManyRegions { region });
            } else {
                let issuers = read(&region, &certificates, &mut refused);
                let tie = before.get(&region).map(|linked| linked.tie.clone());
                let tie = tie.unwrap_or_else(Tie::new);
                fresh.insert(region, Linked { issuers, tie });
            }
        }
        let gone = before.iter().filter(|(name, _)| !fresh.contains_key(*name));
        let gone: Vec<Tie> = gone.map(|(_, linked)| linked.tie.clone()).collect();
        self.linked.store(Arc::new(fresh));
        gone.iter().for_each(|tie| tie.cut.cancel());
        refused
    }

    /// What a connection of a node of a linked region is tied to; none if it is not linked.
    pub(crate) fn tie(&self, region: &str) -> Option<Tie> {
        Some(self.linked.load().get(region)?.tie.clone())
    }

    /// What may vouch for a node of a linked region now.
    pub(crate) fn vouching(
        &self,
        peer: &PeerIdentity,
        now: SystemTime,
    ) -> Result<Arc<RootCertStore>, Refusal> {
        let linked = self.linked.load();
        let region = linked.get(&peer.region).ok_or_else(|| Refusal::NotLinked {
            region: peer.region.clone(),
        })?;
        Ok(vouching(&region.issuers, peer, now)?)
    }

    /// What may vouch for any node of any linked region now.
    pub(crate) fn in_force(&self, now: SystemTime) -> Vec<TrustAnchor<'static>> {
        let linked = self.linked.load();
        let issuers = linked.values().flat_map(|region| &region.issuers);
        issuers
            .filter_map(|known| known.anchor(now).ok().cloned())
            .collect()
    }
}

impl Tie {
    fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(LINKED_CONNECTIONS_MAX)),
            cut: CancellationToken::new(),
        }
    }
}

impl Debug for Authorities {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.linked.load().keys()).finish()
    }
}

/// Those of a region's issuers that can be used.
fn read(
    region: &str,
    certificates: &[CertificateDer<'static>],
    refused: &mut Vec<AuthoritiesError>,
) -> Vec<Known> {
    let mut issuers = Vec::new();
    for (number, certificate) in certificates.iter().enumerate() {
        let region = region.to_owned();
        if number == ISSUERS_PER_REGION_MAX {
            refused.push(AuthoritiesError::TooManyIssuers { region });
            break;
        }
        match Known::read(certificate) {
            Ok(known) => match &known.issuer.holder {
                Holder::Issuer { region: named, .. } if *named != region => {
                    let issuer = known.issuer.holder.to_string();
                    refused.push(AuthoritiesError::OtherRegion { region, issuer });
                }
                _ => issuers.push(known),
            },
            Err(source) => refused.push(AuthoritiesError::Issuer { region, source }),
        }
    }
    issuers
}
