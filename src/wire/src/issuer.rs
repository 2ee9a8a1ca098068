//! Issuers, each the authority of one region, and the nodes they vouch for.
//!
//! Invariant: an issuer vouches for the nodes of one region. Which one is known from where its
//! certificate was learnt; one of ours says so itself too, and then the two must agree.

use std::{sync::Arc, time::SystemTime};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, TrustAnchor},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{
    certs::{self, Holder},
    chain, clock,
    identity::{Identity, IdentityError, PeerIdentity, PublicKeyHash},
    limits::{ISSUER_BYTES_MAX, ISSUERS_PER_REGION_MAX},
};

/// What the certificate of an issuer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Whose it is: an issuer of ours names its region, one from elsewhere is `Foreign`.
    pub holder: Holder,
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER).
    pub public_key: PublicKeyHash,
    /// From when it is valid.
    pub valid_from: SystemTime,
    /// Until when it is valid.
    pub valid_until: SystemTime,
}

/// Why a certificate is not one of an issuer, or not of one that may vouch for a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// There is none.
    #[error("no issuer is known; give the certificate of the region's issuer")]
    Missing,
    /// It is larger than any of its kind.
    #[error("the issuer's certificate is larger than {ISSUER_BYTES_MAX} bytes; give that alone")]
    TooLarge,
    /// Not a certificate, or one that TLS cannot use.
    #[error("the issuer's certificate cannot be parsed; give one X.509 certificate in DER form")]
    Unreadable,
    /// It may not sign certificates.
    #[error("the certificate is not of an authority; give that of the region's issuer")]
    NotAnAuthority,
    /// It is the root, which is above the issuers of all regions.
    #[error("the certificate is of the root of all regions; give that of the region's issuer")]
    Root,
    /// Its time has not come.
    #[error("the issuer's certificate is not valid yet; look at the clocks")]
    NotYetValid,
    /// Its time is over.
    #[error("the issuer's certificate has expired; issue another one")]
    Expired,
    /// It says that it is another region's.
    #[error("{issuer} does not issue for {node}; use the issuer of the node's region")]
    OtherRegion {
        /// Whose it is.
        issuer: String,
        /// For whom it signed.
        node: String,
    },
}

/// Why a certificate does not prove that it is a node's.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// More issuers than a region has.
    #[error("a region has at most {ISSUERS_PER_REGION_MAX} issuers; leave out those replaced")]
    TooManyIssuers,
    /// An issuer is none, or none of them may vouch for the node.
    #[error("cannot use the issuer")]
    Issuer(#[from] IssuerError),
    /// The certificate has no identity.
    #[error("the certificate does not say whose it is")]
    Identity(#[from] IdentityError),
    /// It is a client's.
    #[error("the certificate is of {found}; give a node's")]
    NotANode {
        /// Whose it is.
        found: String,
    },
    /// No issuer vouches for it, or not now, or not both for serving and calling.
    #[error("the issuer does not vouch for the certificate of {node}; issue it with that issuer")]
    Chain {
        /// Whose it is.
        node: String,
        /// What TLS said.
        source: rustls::Error,
    },
}

/// Checks that a certificate is one of an authority that can issue for a region: no leaf, and not
/// the root of a cluster. At most 16 KiB. Whether it is valid now is for the caller to compare.
pub fn check_issuer(certificate: &CertificateDer<'_>) -> Result<Issuer, IssuerError> {
    Ok(Known::read(certificate)?.issuer)
}

/// Verifies at an instant that one of the issuers, at most 4, has made a certificate for a node to
/// serve and to call with. Intermediates may be empty, and may hold the issuer. Does not prove
/// that whoever presents the certificate has its key; whose peer the node is, is for the caller.
pub fn verify_node(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    issuers: &[CertificateDer<'_>],
    now: SystemTime,
) -> Result<PeerIdentity, NodeError> {
    if issuers.len() > ISSUERS_PER_REGION_MAX {
        return Err(NodeError::TooManyIssuers);
    }
    let issuers: Vec<Known> = issuers.iter().map(Known::read).collect::<Result<_, _>>()?;
    let peer = match Identity::of(end_entity)? {
        Identity::Peer(peer) => peer,
        client @ Identity::Client(_) => {
            let found = client.to_string();
            return Err(NodeError::NotANode { found });
        }
    };
    let roots = vouching(&issuers, &peer, now)?;
    let refused = |source| NodeError::Chain {
        node: peer.to_string(),
        source,
    };
    let now = clock::unix(now);
    chain::of_server(&roots, end_entity, intermediates, now).map_err(refused)?;
    chain::of_caller(roots, end_entity, intermediates, now).map_err(refused)?;
    Ok(peer)
}

/// An issuer with what TLS verifies with.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) issuer: Issuer,
    anchor: TrustAnchor<'static>,
}

impl Known {
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Result<Self, IssuerError> {
        if certificate.len() > ISSUER_BYTES_MAX {
            return Err(IssuerError::TooLarge);
        }
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|_| IssuerError::Unreadable)?;
        let usage = parsed.key_usage().map_err(|_| IssuerError::Unreadable)?;
        let signs = usage.is_none_or(|usage| usage.value.key_cert_sign());
        if !parsed.is_ca() || !signs {
            return Err(IssuerError::NotAnAuthority);
        }
        let holder = Holder::of(certificate).ok_or(IssuerError::Unreadable)?;
        if matches!(holder, Holder::Root { .. }) {
            return Err(IssuerError::Root);
        }
        let mut store = RootCertStore::empty();
        store
            .add(certificate.clone())
            .map_err(|_| IssuerError::Unreadable)?;
        let anchor = store.roots.pop().ok_or(IssuerError::Unreadable)?;
        let validity = parsed.validity();
        Ok(Self {
            issuer: Issuer {
                holder,
                public_key: key_of(certificate).ok_or(IssuerError::Unreadable)?,
                valid_from: certs::instant(validity.not_before.timestamp()),
                valid_until: certs::instant(validity.not_after.timestamp()),
            },
            anchor,
        })
    }

    /// What vouches for the certificates of this issuer, while it is in force.
    pub(crate) fn anchor(&self, now: SystemTime) -> Result<&TrustAnchor<'static>, IssuerError> {
        // TLS asks how long every certificate is valid but the one it trusts.
        if now < self.issuer.valid_from {
            return Err(IssuerError::NotYetValid);
        }
        if now > self.issuer.valid_until {
            return Err(IssuerError::Expired);
        }
        Ok(&self.anchor)
    }

    fn anchor_for(
        &self,
        peer: &PeerIdentity,
        now: SystemTime,
    ) -> Result<&TrustAnchor<'static>, IssuerError> {
        let holder = &self.issuer.holder;
        match holder.may_vouch_for(peer) {
            true => self.anchor(now),
            false => Err(IssuerError::OtherRegion {
                issuer: holder.to_string(),
                node: peer.to_string(),
            }),
        }
    }
}

/// Those of a region's issuers that may vouch for one of its nodes now, at least one; else why the
/// last of them may not.
pub(crate) fn vouching(
    issuers: &[Known],
    peer: &PeerIdentity,
    now: SystemTime,
) -> Result<Arc<RootCertStore>, IssuerError> {
    let mut roots = RootCertStore::empty();
    let mut refused = IssuerError::Missing;
    for known in issuers {
        match known.anchor_for(peer, now) {
            Ok(anchor) => roots.roots.push(anchor.clone()),
            Err(error) => refused = error,
        }
    }
    match roots.is_empty() {
        true => Err(refused),
        false => Ok(Arc::new(roots)),
    }
}

/// The hash of a certificate's public key, read by the parser that verifies signatures with it: no
/// two parsers can be made to see two keys in one certificate. `None` if it is no certificate.
pub(crate) fn key_of(certificate: &CertificateDer<'_>) -> Option<PublicKeyHash> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let key = parsed.subject_public_key_info();
    Some(PublicKeyHash(Sha256::digest(key.as_ref()).into()))
}
