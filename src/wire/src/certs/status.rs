//! Reads what certificates say.

use std::{
    fmt::{Display, Formatter},
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::CertsError;
use crate::{
    clock,
    credentials::{self, CredentialsError},
    identity::{Identity, PeerIdentity, PublicKeyHash, is_cluster, is_region},
};

/// Whose certificate it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The root authority of a cluster.
    Root {
        /// The cluster id.
        cluster: String,
    },
    /// The authority of a region.
    Issuer {
        /// The cluster id.
        cluster: String,
        /// The region.
        region: String,
    },
    /// A node or a client.
    Leaf(Identity),
    /// Somebody without an identity of ours.
    Foreign,
}

/// What one certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// The file; its first certificate is described.
    pub path: PathBuf,
    /// Whose it is.
    pub holder: Holder,
    /// DNS names and IP addresses.
    pub names: Vec<String>,
    /// SHA-256 of the public key (SubjectPublicKeyInfo, DER).
    pub public_key: PublicKeyHash,
    /// From when it is valid.
    pub valid_from: SystemTime,
    /// Until when it is valid.
    pub valid_until: SystemTime,
}

/// Describes a certificate file, or every one under a directory, sorted by path. Files that hold
/// no certificate are left out of a directory.
pub fn status(path: &Path) -> Result<Vec<CertificateStatus>, CertsError> {
    let failed = |source| CredentialsError::Read {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![describe(path)?]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        if entry.is_dir() {
            found.extend(status(&entry)?);
        } else if entry
            .extension()
            .is_some_and(|extension| extension == "pem")
        {
            found.extend(describe(&entry).ok());
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

impl CertificateStatus {
    /// How long it is still valid; zero when it is not.
    pub fn remaining(&self) -> Duration {
        self.valid_until
            .duration_since(clock::now())
            .unwrap_or_default()
    }
}

impl Holder {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        if !parsed.is_ca() {
            return Some(Identity::of(certificate).map_or(Self::Foreign, Self::Leaf));
        }
        let names = parsed.subject_alternative_name().ok()?;
        let uri = names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .find_map(|name| match name {
                GeneralName::URI(uri) => uri.strip_prefix("strongroom://"),
                _ => None,
            });
        Some(uri.and_then(Self::authority).unwrap_or(Self::Foreign))
    }

    /// Whether an authority may sign for a node. Those of ours say what they are for; of one that
    /// says nothing, whoever trusts it must know. One that is no authority signs for nobody.
    pub(crate) fn may_vouch_for(&self, peer: &PeerIdentity) -> bool {
        match self {
            Self::Root { cluster } => *cluster == peer.cluster,
            Self::Issuer { cluster, region } => *cluster == peer.cluster && *region == peer.region,
            Self::Leaf(_) => false,
            Self::Foreign => true,
        }
    }

    pub(super) fn cluster(&self) -> &str {
        match self {
            Self::Root { cluster } | Self::Issuer { cluster, .. } => cluster,
            Self::Leaf(identity) => identity.cluster(),
            Self::Foreign => "",
        }
    }

    fn authority(rest: &str) -> Option<Self> {
        match rest.split_once('/') {
            None if is_cluster(rest) => Some(Self::Root {
                cluster: rest.to_owned(),
            }),
            Some((cluster, region)) if is_cluster(cluster) && is_region(region) => {
                Some(Self::Issuer {
                    cluster: cluster.to_owned(),
                    region: region.to_owned(),
                })
            }
            _ => None,
        }
    }
}

impl Display for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root { cluster } => write!(f, "strongroom://{cluster}"),
            Self::Issuer { cluster, region } => write!(f, "strongroom://{cluster}/{region}"),
            Self::Leaf(identity) => write!(f, "{identity}"),
            Self::Foreign => write!(f, "(not of a strongroom cluster)"),
        }
    }
}

pub(super) fn first(path: &Path) -> Result<CertificateDer<'static>, CertsError> {
    let not_pem = || CredentialsError::NotPem {
        path: path.to_owned(),
        wanted: "certificate",
    };
    let certificate = credentials::certificates(path)?.into_iter().next();
    Ok(certificate.ok_or_else(not_pem)?)
}

fn describe(path: &Path) -> Result<CertificateStatus, CertsError> {
    let certificate = first(path)?;
    let unreadable = || CredentialsError::NotPem {
        path: path.to_owned(),
        wanted: "readable certificate",
    };
    let holder = Holder::of(&certificate).ok_or_else(unreadable)?;
    let public_key = PublicKeyHash::of(&certificate).map_err(|_| unreadable())?;
    let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|_| unreadable())?;
    let names = names_of(&parsed).ok_or_else(unreadable)?;
    let validity = parsed.validity();
    let (from, until) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    Ok(CertificateStatus {
        path: path.to_owned(),
        holder,
        names,
        public_key,
        valid_from: instant(from),
        valid_until: instant(until),
    })
}

/// The DNS names and IP addresses in a certificate; none if they cannot be read.
pub(super) fn names_of(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let names = certificate.subject_alternative_name().ok()?;
    let names = names.iter().flat_map(|names| &names.value.general_names);
    Some(names.filter_map(name_text).collect())
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|b| IpAddr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|b| IpAddr::from(b).to_string()),
        },
        _ => None,
    }
}

pub(crate) fn instant(unix_seconds: i64) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(unix_seconds).unwrap_or(0));
    SystemTime::UNIX_EPOCH
        .checked_add(seconds)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
