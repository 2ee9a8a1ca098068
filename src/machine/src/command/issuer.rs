//! Commands about the authorities of this region's certificates.

use crate::ids::Hash;
use crate::row::Issuer;

/// Makes an issuer the one that signs. The one before stays trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutIssuer {
    /// The issuer.
    pub issuer: Issuer,
    /// SHA-256 of the public key of the one that signs until then; none if there is none.
    pub replaces: Option<Hash>,
}

/// Trusts the former issuers no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetireIssuers {
    /// SHA-256 of the public key of the one that signs, as it was seen.
    pub active: Hash,
}
