//! Renews the certificates of nodes: the key, the identity and the names stay, the time moves on.

use std::{
    fmt::{Debug, Formatter},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{ExtendedKeyUsagePurpose, Issuer, KeyPair, PublicKeyData as _, SubjectPublicKeyInfo};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::{
    CertsError, Holder, Layout, Validity,
    issue::{leaf, server_name, text},
    status::{first, names_of},
};
use crate::{
    clock,
    identity::{Identity, IdentityError, PublicKeyHash},
    issuer::{IssuerError, check_issuer},
};

/// The longest that the clocks of two nodes may be apart for a certificate to be accepted at once;
/// of a certificate that does not live long, a tenth of its life.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(5 * 60);
/// Characters of a line of PEM.
const PEM_COLUMNS: usize = 64;

/// An issuer of ours with its key.
pub struct Signer {
    certificate: CertificateDer<'static>,
    holder: Holder,
    until: SystemTime,
    issuer: Issuer<'static, KeyPair>,
}

/// Why a certificate was not renewed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalError {
    /// The issuer's certificate cannot be used.
    #[error("cannot use the issuer")]
    Issuer(#[from] IssuerError),
    /// It is not one that this program made.
    #[error("the issuer is not of a strongroom cluster; make one with `certs init`")]
    NotOurs,
    /// The private key cannot be read.
    #[error("cannot use the issuer's private key; give it in PEM form")]
    Key(#[source] rcgen::Error),
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the issuer's certificate; give the two together")]
    OtherKey,
    /// The certificate to be renewed has no identity.
    #[error("the certificate does not say whose it is")]
    Identity(#[from] IdentityError),
    /// The certificate to be renewed is not one of a node of the issuer's region.
    #[error("the certificate of {found} is not of a node for which the issuer signs")]
    NotANode {
        /// Whose it is.
        found: String,
    },
    /// Signing failed.
    #[error("cannot make the certificate")]
    Sign(#[from] CertsError),
}

impl Signer {
    /// Opens an issuer of ours: its certificate, and its private key in PEM form.
    pub fn new(certificate: &[u8], key: &str) -> Result<Self, RenewalError> {
        let certificate = CertificateDer::from(certificate.to_vec());
        let known = check_issuer(&certificate)?;
        if !matches!(known.holder, Holder::Issuer { .. }) {
            return Err(RenewalError::NotOurs);
        }
        let key = KeyPair::from_pem(key).map_err(RenewalError::Key)?;
        let own = PublicKeyHash(Sha256::digest(key.subject_public_key_info()).into());
        if own != known.public_key {
            return Err(RenewalError::OtherKey);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(CertsError::Sign)?;
        Ok(Self {
            certificate,
            holder: known.holder,
            until: known.valid_until,
            issuer,
        })
    }

    /// Whose it is: an issuer names its cluster and region.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Signs anew what a node's certificate says, for its key, and gives the new one with the
    /// issuer's behind it in PEM form. It lives for `lifetime`, and never longer than the issuer.
    /// That whoever asks has the key, and may ask, is for the caller to know.
    pub fn renew(
        &self,
        held: &CertificateDer<'_>,
        lifetime: Duration,
    ) -> Result<String, RenewalError> {
        let identity = Identity::of(held)?;
        if !identity
            .peer()
            .is_some_and(|peer| self.holder.may_vouch_for(peer))
        {
            let found = identity.to_string();
            return Err(RenewalError::NotANode { found });
        }
        if self.until <= clock::now() {
            return Err(IssuerError::Expired.into());
        }
        let unreadable = || RenewalError::Identity(IdentityError::Unreadable);
        let (_, parsed) = X509Certificate::from_der(held).map_err(|_| unreadable())?;
        let key = SubjectPublicKeyInfo::from_der(parsed.public_key().raw);
        let key = key.map_err(CertsError::Sign)?;
        let validity = Validity::lasting(lifetime).within(self.until);
        let mut params = leaf(&identity, validity)?;
        for name in names_of(&parsed).ok_or_else(unreadable)? {
            params.subject_alt_names.push(server_name(&name)?);
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let signed = params.signed_by(&key, &self.issuer);
        let mut pem = signed.map_err(CertsError::Sign)?.pem();
        pem.push_str(&pem_of(&self.certificate));
        Ok(pem)
    }
}

impl Debug for Signer {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// An issuer as its files have it.
pub struct IssuerFiles {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER).
    pub public_key: PublicKeyHash,
    /// The private key, PEM.
    pub private_key: Zeroizing<String>,
}

/// Reads the files of a region's issuer.
pub fn read_issuer(layout: &Layout, region: &str) -> Result<IssuerFiles, CertsError> {
    let pair = layout.issuer(region);
    let certificate = first(&pair.cert)?;
    let public_key = PublicKeyHash::of(&certificate).map_err(|_| CertsError::NotAnAuthority {
        path: pair.cert.clone(),
    })?;
    Ok(IssuerFiles {
        certificate: certificate.to_vec(),
        public_key,
        private_key: text(&pair.key)?,
    })
}

/// The PEM form of a certificate.
pub fn pem_of(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (place, character) in text.chars().enumerate() {
        if place > 0 && place % PEM_COLUMNS == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}

impl Validity {
    /// From a little before now, for clocks that are behind, for a while.
    pub fn lasting(lifetime: Duration) -> Self {
        let now = clock::now();
        let early = CLOCKS_APART_MAX.min(lifetime / 10);
        Self {
            from: now.checked_sub(early).unwrap_or(now),
            until: now.checked_add(lifetime).unwrap_or(now),
        }
    }
}
