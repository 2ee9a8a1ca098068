//! Who is at the other end of a connection, as its certificate says.
//!
//! An identity is a URI among the certificate's subject alternative names, exactly one:
//! `strongroom://<cluster>/<region>/node/<id>` of a node,
//! `strongroom://<cluster>/client/<name>` of a client. Other names are not looked at.
//!
//! Invariant: a value of these types came out of `parse`, so every part has its proper form.
//! The public key belongs to the certificate that was verified, never to one that was told.

use std::fmt::{Debug, Display, Formatter};

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::limits::{CLIENT_NAME_CHARS_MAX, REGION_CHARS_MAX};

/// SHA-256 of a certificate's SubjectPublicKeyInfo in DER: what a membership pins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKeyHash(pub [u8; 32]);

/// The identity of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerIdentity {
    /// Cluster id, 32 lower-case hexadecimal digits.
    pub cluster: String,
    /// Region name, such as `eu-west-1`.
    pub region: String,
    /// Node id, not zero.
    pub node: u64,
    /// Hash of the certificate's public key.
    pub public_key: [u8; 32],
}

/// The identity of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    /// Cluster id, 32 lower-case hexadecimal digits.
    pub cluster: String,
    /// Name, 1 to 128 of `A-Z a-z 0-9 . _ @ -`.
    pub name: String,
    /// Hash of the certificate's public key.
    pub public_key: [u8; 32],
}

/// Whose certificate it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A node's.
    Peer(PeerIdentity),
    /// A client's.
    Client(ClientIdentity),
}

/// Who makes a call. Every request has one among its extensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A node with a verified certificate. Whether it is a member is for the callee to check.
    Peer(PeerIdentity),
    /// A client with a verified certificate.
    Client(ClientIdentity),
    /// Somebody without a certificate.
    Anonymous,
}

/// Why a certificate gives no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not a certificate at all.
    #[error("the certificate cannot be parsed")]
    Unreadable,
    /// No name of ours.
    #[error("the certificate has no strongroom:// name; issue one with `strongroom certs issue`")]
    Missing,
    /// More than one name of ours.
    #[error("the certificate has more than one strongroom:// name")]
    Several,
    /// A name of ours that has another form.
    #[error("the certificate's name {uri:?} is neither a node's nor a client's")]
    Malformed {
        /// The name as found.
        uri: String,
    },
}

impl Identity {
    /// Reads the identity of a certificate. Does not verify the certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|_| IdentityError::Unreadable)?;
        let names = parsed
            .subject_alternative_name()
            .map_err(|_| IdentityError::Unreadable)?;
        let mut uris = names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) if uri.starts_with(SCHEME) => Some(*uri),
                _ => None,
            });
        let uri = uris.next().ok_or(IdentityError::Missing)?;
        if uris.next().is_some() {
            return Err(IdentityError::Several);
        }
        let key = PublicKeyHash(Sha256::digest(parsed.public_key().raw).into());
        parse(uri, key).ok_or_else(|| IdentityError::Malformed {
            uri: uri.to_owned(),
        })
    }

    /// The cluster it belongs to.
    pub fn cluster(&self) -> &str {
        match self {
            Self::Peer(peer) => &peer.cluster,
            Self::Client(client) => &client.cluster,
        }
    }

    /// The node's identity, if it is a node's.
    pub fn peer(&self) -> Option<&PeerIdentity> {
        match self {
            Self::Peer(peer) => Some(peer),
            Self::Client(_) => None,
        }
    }
}

impl PublicKeyHash {
    /// Hashes the public key of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|_| IdentityError::Unreadable)?;
        Ok(Self(Sha256::digest(parsed.public_key().raw).into()))
    }
}

impl From<Identity> for Caller {
    fn from(identity: Identity) -> Self {
        match identity {
            Identity::Peer(peer) => Self::Peer(peer),
            Identity::Client(client) => Self::Client(client),
        }
    }
}

impl Display for Identity {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(peer) => Display::fmt(peer, f),
            Self::Client(client) => write!(f, "{SCHEME}{}/client/{}", client.cluster, client.name),
        }
    }
}

impl Display for PeerIdentity {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self {
            cluster,
            region,
            node,
            ..
        } = self;
        write!(f, "{SCHEME}{cluster}/{region}/node/{node}")
    }
}

impl Debug for PublicKeyHash {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for PublicKeyHash {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Says whether a text is a cluster id: 32 lower-case hexadecimal digits.
pub(crate) fn is_cluster(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Says whether a text is a region name: words of `a-z`, each followed by `-`, then digits.
pub(crate) fn is_region(text: &str) -> bool {
    let Some((words, digits)) = text.rsplit_once('-') else {
        return false;
    };
    text.len() <= REGION_CHARS_MAX
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && words
            .split('-')
            .all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()))
}

/// Says whether a text is a client name: 1 to 128 of `A-Z a-z 0-9 . _ @ -`.
pub(crate) fn is_client_name(text: &str) -> bool {
    (1..=CLIENT_NAME_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'@' | b'-'))
}

fn parse(uri: &str, key: PublicKeyHash) -> Option<Identity> {
    let parts: Vec<&str> = uri.strip_prefix(SCHEME)?.split('/').collect();
    match parts.as_slice() {
        [cluster, "client", name] if is_cluster(cluster) && is_client_name(name) => {
            let (cluster, name) = ((*cluster).to_owned(), (*name).to_owned());
            Some(Identity::Client(ClientIdentity {
                cluster,
                name,
                public_key: key.0,
            }))
        }
        [cluster, region, "node", id] if is_cluster(cluster) && is_region(region) => {
            Some(Identity::Peer(PeerIdentity {
                cluster: (*cluster).to_owned(),
                region: (*region).to_owned(),
                node: parse_node(id)?,
                public_key: key.0,
            }))
        }
        _ => None,
    }
}

fn parse_node(text: &str) -> Option<u64> {
    // One text per id: no sign, no leading zero.
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

const SCHEME: &str = "strongroom://";

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn a_node_and_a_client_are_read_back_as_they_were_written() {
        for uri in [
            format!("strongroom://{CLUSTER}/eu-west-1/node/18446744073709551615"),
            format!("strongroom://{CLUSTER}/us-gov-east-12/node/1"),
            format!("strongroom://{CLUSTER}/client/ci@example.com"),
        ] {
            let identity = parse(&uri, PublicKeyHash([7; 32])).expect("an identity");
            assert_eq!(identity.to_string(), uri);
        }
    }

    #[test]
    fn a_name_of_another_form_is_no_identity() {
        for rest in [
            "",
            "/",
            "00112233445566778899aabbccddeeff",
            "00112233445566778899AABBCCDDEEFF/client/x",
            "00112233445566778899aabbccddeef/client/x",
            "00112233445566778899aabbccddeeff/client/",
            "00112233445566778899aabbccddeeff/client/a b",
            "00112233445566778899aabbccddeeff/client/a/b",
            "00112233445566778899aabbccddeeff/eu-west-1/node/0",
            "00112233445566778899aabbccddeeff/eu-west-1/node/01",
            "00112233445566778899aabbccddeeff/eu-west-1/node/+1",
            "00112233445566778899aabbccddeeff/eu-west-1/node/18446744073709551616",
            "00112233445566778899aabbccddeeff/eu-west-1/node/1/",
            "00112233445566778899aabbccddeeff/eu-west/node/1",
            "00112233445566778899aabbccddeeff/-1/node/1",
            "00112233445566778899aabbccddeeff/eu--1/node/1",
            "00112233445566778899aabbccddeeff/EU-west-1/node/1",
        ] {
            assert_eq!(
                parse(&format!("{SCHEME}{rest}"), PublicKeyHash([0; 32])),
                None,
                "{rest}"
            );
        }
        assert_eq!(
            parse(
                &format!("https://{CLUSTER}/client/x"),
                PublicKeyHash([0; 32])
            ),
            None
        );
    }
    /// The identity of a certificate with these URI and DNS names.
    fn identity(uris: &[&str], dns: &[&str]) -> Result<Identity, IdentityError> {
        let name = |text: &&str| rcgen::string::Ia5String::try_from(*text).expect("ASCII");
        let uris = uris.iter().map(name).map(rcgen::SanType::URI);
        let dns = dns.iter().map(name).map(rcgen::SanType::DnsName);
        let mut params = rcgen::CertificateParams::default();
        params.subject_alt_names = uris.chain(dns).collect();
        let key = rcgen::KeyPair::generate().expect("a key");
        Identity::of(params.self_signed(&key).expect("a certificate").der())
    }

    #[test]
    fn a_certificate_has_one_name_of_ours_or_no_identity() {
        let client = format!("strongroom://{CLUSTER}/client/ci");
        let node = format!("strongroom://{CLUSTER}/eu-west-1/node/1");
        let other = "spiffe://example.org/ci";
        assert!(identity(&[other, &client], &["localhost"]).is_ok());
        for twice in [[&*client, &*node], [&*client, &*client]] {
            assert_eq!(identity(&twice, &[]), Err(IdentityError::Several));
        }
        let long = format!("strongroom://{CLUSTER}/client/{}", "a".repeat(100_000));
        for uri in [&*long, "strongroom://", "strongroom:///client/ci"] {
            let uri = uri.to_owned();
            let malformed = identity(&[&uri], &[]);
            assert_eq!(malformed, Err(IdentityError::Malformed { uri }));
        }
        // A name of another kind says nothing, whatever it looks like.
        for names in [&[][..], &["STRONGROOM://x", other]] {
            assert_eq!(identity(names, &[&client]), Err(IdentityError::Missing));
        }
        let rubbish = Identity::of(&CertificateDer::from(vec![0x30; 64]));
        assert_eq!(rubbish, Err(IdentityError::Unreadable));
    }
}
