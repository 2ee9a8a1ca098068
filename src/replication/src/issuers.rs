//! Which authorities a region cannot take for its own: those of others, which could then vouch for
//! nodes of both (R17).

use std::collections::BTreeSet;

use machine::{RegionName, State};
use wire::{CertificateDer, PublicKeyHash, check_issuer};

/// Gives the keys of the issuers of all linked regions but one, by the directory.
pub fn issuers_of_others(state: &State, but: &RegionName) -> BTreeSet<PublicKeyHash> {
    let others = state.regions().filter(|region| region.name != *but);
    let issuers = others.flat_map(|region| &region.authorities);
    let issuers = issuers.filter_map(|der| check_issuer(&CertificateDer::from(&**der)).ok());
    issuers.map(|issuer| issuer.public_key).collect()
}
