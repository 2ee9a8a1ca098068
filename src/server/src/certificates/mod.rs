//! Certificates of this region: who signs them, who is trusted, and what is renewed and when (R17).
//!
//! Invariant: a renewed certificate says what the one before said, for the same key. The key of the
//! issuer is opened on the node that leads, to sign, and is in memory no longer than that.

mod expiry;
mod renew;
mod sever;

use std::sync::Arc;
use std::time::Duration;

use consensus::Consensus;
use machine::{Hash, Issuers, State};
use wire::certs::{RenewalError, Signer};
use wire::{CertificateDer, Credentials, OwnIssuers, PublicKeyHash, verify_node};

pub use self::expiry::Expiry;
pub use self::renew::Renewal;
pub use self::sever::Sever;
use crate::clock;
use crate::errors::Refusal;
use crate::vault::Vault;

/// What signs certificates on the node that leads.
#[derive(Clone)]
pub struct Signing {
    /// Where the issuer is.
    pub consensus: Consensus,
    /// Opens its key.
    pub vault: Arc<Vault>,
    /// How long a renewed certificate lives.
    pub lifetime: Duration,
}

/// Why a certificate was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignFailed {
    /// None is installed, or another one signs.
    #[error("another issuer signs, or none")]
    Moved,
    /// Its key did not open.
    #[error("the issuer's key does not open")]
    Sealed,
    /// The certificate cannot be renewed with it.
    #[error(transparent)]
    Renewal(#[from] RenewalError),
}

impl Signing {
    /// Signs anew what a certificate says, with the issuer of this key.
    ///
    /// # Errors
    /// When that one does not sign now, or cannot.
    pub fn renew(&self, held: &CertificateDer<'_>, issuer: &Hash) -> Result<String, SignFailed> {
        let view = self.consensus.local_view();
        let issuers = view.issuers().ok_or(SignFailed::Moved)?;
        let active = &issuers.active;
        if active.certificate.public_key != *issuer {
            return Err(SignFailed::Moved);
        }
        let key = self.vault.open_issuer(&view, active);
        let key = key.map_err(|_| SignFailed::Sealed)?;
        let text = std::str::from_utf8(&key).map_err(|_| SignFailed::Sealed)?;
        Ok(Signer::new(&active.certificate.der, text)?.renew(held, self.lifetime)?)
    }
}

impl From<SignFailed> for Refusal {
    fn from(failed: SignFailed) -> Self {
        tracing::warn!(
            error = &failed as &dyn std::error::Error,
            "a certificate was not renewed"
        );
        match failed {
            SignFailed::Moved => Self::request("Another issuer signs, or none is installed."),
            SignFailed::Sealed => Self::internal(),
            SignFailed::Renewal(_) => Self::request("The issuer does not sign this certificate."),
        }
    }
}

/// Has connections believe what the state says of this region's issuers.
pub fn believe(state: &State, credentials: &Credentials) {
    let Some(issuers) = state.issuers() else {
        return;
    };
    let trusted = issuers.trusted();
    credentials.believe(OwnIssuers {
        trusted: trusted.map(|one| certificate(&one.der)).collect(),
        retired: issuers
            .retired
            .iter()
            .map(|key| PublicKeyHash(key.0))
            .collect(),
    });
}

/// Which of the region's issuers has signed the certificate in force; none if an authority from
/// elsewhere has, or if it is over.
pub fn issuer_of(issuers: &Issuers, credentials: &Credentials) -> Option<Hash> {
    let chain = credentials.chain();
    let leaf = chain.first()?;
    let now = clock::system(clock::now());
    let mut trusted = issuers.trusted();
    let signed = trusted.find(|one| verify_node(leaf, &[], &[certificate(&one.der)], now).is_ok());
    signed.map(|one| one.public_key)
}

fn certificate(der: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from(der.to_vec())
}
