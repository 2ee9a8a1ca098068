//! The authorities that sign the certificates of a region's nodes.

use std::sync::Arc;

use bytes::Bytes;

use crate::ids::Hash;
use crate::secret::{SealedValue, Wrap};

/// The issuers of this region, of the cluster's own making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuers {
    /// The one that signs.
    pub active: Issuer,
    /// What those before were, which are trusted still, oldest first.
    pub former: Vec<IssuerCertificate>,
    /// SHA-256 of the public keys of those that are trusted no more, oldest first, whatever else
    /// says so.
    pub retired: Vec<Hash>,
}

/// An issuer that signs: any node that leads has its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// What it is known by.
    pub certificate: IssuerCertificate,
    /// Its private key, PKCS#8 in DER, sealed for the uid that `State::issuer_uid` gives.
    pub key: Arc<SealedValue>,
    /// The key of that, wrapped.
    pub wrap: Wrap,
}

/// The certificate of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerCertificate {
    /// The certificate, DER, at most 4 KiB.
    pub der: Bytes,
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER).
    pub public_key: Hash,
}

impl Issuers {
    /// Gives the certificates that are trusted, the one that signs first.
    pub fn trusted(&self) -> impl Iterator<Item = &IssuerCertificate> {
        std::iter::once(&self.active.certificate).chain(&self.former)
    }
}
