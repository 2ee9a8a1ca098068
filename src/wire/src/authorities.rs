//! The issuers of linked regions, as the region directory tells them, while the process runs.
//!
//! Invariant: the issuer of one region vouches for nodes of that region and of no other.

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

use crate::{
    certs::Holder,
    identity::{PeerIdentity, PublicKeyHash, is_region},
    issuer::{IssuerError, Known, vouching},
    limits::{ISSUERS_PER_REGION_MAX, LINKED_REGIONS_MAX},
    verify::Refusal,
};

/// The issuers of linked regions; none at first. Clones share them.
#[derive(Clone, Default)]
pub struct Authorities {
    linked: Arc<ArcSwap<BTreeMap<String, Vec<Known>>>>,
}

/// Why the issuers of linked regions were not taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthoritiesError {
    /// More regions than a cluster links.
    #[error("{count} regions are linked, at most {LINKED_REGIONS_MAX} can be; unlink some")]
    TooManyRegions {
        /// How many were given.
        count: usize,
    },
    /// A name has another form.
    #[error("{name:?} is not a region name; name it like eu-west-1")]
    Name {
        /// The name as given.
        name: String,
    },
    /// More issuers than one region has.
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
    /// Two regions have an issuer with the same key, so one could make nodes of the other.
    #[error("{region} and {other} share an issuer; give each region an issuer of its own")]
    Shared {
        /// One region.
        region: String,
        /// The other one.
        other: String,
    },
}

impl Authorities {
    /// Replaces the whole set: region name to certificates of its issuers, for at most 64 regions
    /// and 4 certificates each. Holds for connections made from then on. On an error the old set
    /// stays in force. An entry for the own region changes nothing: `CredentialFiles` tell who
    /// issues for that.
    pub fn set(
        &self,
        linked: BTreeMap<String, Vec<CertificateDer<'static>>>,
    ) -> Result<(), AuthoritiesError> {
        if linked.len() > LINKED_REGIONS_MAX {
            let count = linked.len();
            return Err(AuthoritiesError::TooManyRegions { count });
        }
        let mut fresh = BTreeMap::new();
        for (region, certificates) in linked {
            let issuers = read(&region, &certificates)?;
            fresh.insert(region, issuers);
        }
        each_has_its_own(&fresh)?;
        self.linked.store(Arc::new(fresh));
        Ok(())
    }

    /// What may vouch for a node of a linked region now.
    pub(crate) fn vouching(
        &self,
        peer: &PeerIdentity,
        now: SystemTime,
    ) -> Result<Arc<RootCertStore>, Refusal> {
        let linked = self.linked.load();
        let issuers = linked.get(&peer.region).ok_or_else(|| Refusal::NotLinked {
            region: peer.region.clone(),
        })?;
        Ok(vouching(issuers, peer, now)?)
    }

    /// What may vouch for any node of any linked region now.
    pub(crate) fn in_force(&self, now: SystemTime) -> Vec<TrustAnchor<'static>> {
        let linked = self.linked.load();
        let issuers = linked.values().flatten();
        issuers
            .filter_map(|known| known.anchor(now).ok().cloned())
            .collect()
    }
}

impl Debug for Authorities {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.linked.load().keys()).finish()
    }
}

fn read(
    region: &str,
    certificates: &[CertificateDer<'static>],
) -> Result<Vec<Known>, AuthoritiesError> {
    let region = region.to_owned();
    if !is_region(&region) {
        return Err(AuthoritiesError::Name { name: region });
    }
    if certificates.len() > ISSUERS_PER_REGION_MAX {
        return Err(AuthoritiesError::TooManyIssuers { region });
    }
    let issuers: Result<Vec<Known>, _> = certificates.iter().map(Known::read).collect();
    let issuers = issuers.map_err(|source| AuthoritiesError::Issuer {
        region: region.clone(),
        source,
    })?;
    let foreign = issuers
        .iter()
        .map(|known| &known.issuer.holder)
        .find(|holder| matches!(holder, Holder::Issuer { region: named, .. } if *named != region));
    match foreign.map(Holder::to_string) {
        Some(issuer) => Err(AuthoritiesError::OtherRegion { region, issuer }),
        None => Ok(issuers),
    }
}

fn each_has_its_own(linked: &BTreeMap<String, Vec<Known>>) -> Result<(), AuthoritiesError> {
    let mut owners: BTreeMap<PublicKeyHash, &str> = BTreeMap::new();
    for (region, issuers) in linked {
        for known in issuers {
            let owner = owners.entry(known.issuer.public_key).or_insert(region);
            if *owner != region {
                return Err(AuthoritiesError::Shared {
                    region: (*owner).to_owned(),
                    other: region.clone(),
                });
            }
        }
    }
    Ok(())
}
