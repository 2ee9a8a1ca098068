//! What is checked of the certificate at the other end, beside its chain to an authority.
//!
//! A node that is dialled is checked by its identity and its pinned key, not by host name:
//! addresses change, and whoever holds another node's certificate must not pass for it.
//!
//! Invariant: a node is of the region that its certificate names, and an issuer of that region has
//! signed it. A caller's certificate is read only when somebody who is trusted has signed it.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use crate::{
    authorities::Authorities,
    chain, clock,
    credentials::Material,
    identity::{Identity, IdentityError, PeerIdentity, PublicKeyHash},
    issuer::{IssuerError, Known, key_of, vouching},
};

/// Why a certificate that chains to an authority was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It has no identity.
    #[error("no identity")]
    Identity(#[from] IdentityError),
    /// It belongs to another cluster.
    #[error("the certificate is of cluster {found}, not of {wanted}")]
    OtherCluster { found: String, wanted: String },
    /// It is not a node's, or of another node than the one that was dialled.
    #[error("the certificate is of {found}, not of {wanted}")]
    OtherNode { found: String, wanted: String },
    /// It is the right node's, but its key is not the pinned one.
    #[error("the certificate of {node} has another key than the members have pinned")]
    OtherKey { node: String },
    /// It is of a node of a region that is not linked.
    #[error("region {region} is not linked to this one; link it first")]
    NotLinked { region: String },
    /// It names one region, but the issuer of another has signed it.
    #[error("the certificate of {node} is not from an issuer of its region; issue it with one")]
    OtherIssuer { node: String },
    /// No certificate that the server presents has the key of the issuer that must vouch for it.
    #[error(
        "no certificate presented has the issuer key {wanted}; check that key, and that the \
         server's certificate file holds its issuer's certificate too"
    )]
    OtherIssuerKey { wanted: PublicKeyHash },
    /// The issuer cannot vouch for it.
    #[error("no issuer vouches for the node")]
    Issuer(#[from] IssuerError),
}

/// Checks callers: a chain, an identity, the same cluster, and a node where nodes are required.
#[derive(Debug)]
pub(crate) struct CallerVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    cluster: String,
    retired: Arc<[PublicKeyHash]>,
    /// Where nodes are required, those that are let in.
    nodes: Option<Nodes>,
}

/// The nodes of the own region, and of linked regions.
#[derive(Debug)]
struct Nodes {
    region: String,
    /// Whoever is trusted.
    roots: Arc<RootCertStore>,
    /// Who of them vouches for the own region.
    own: Arc<RootCertStore>,
    linked: Authorities,
}

impl CallerVerifier {
    pub(crate) fn of_anyone(material: &Material) -> Result<Self, Error> {
        Ok(Self {
            chain: chain::callers(Arc::clone(&material.roots), true)?,
            cluster: material.identity.cluster().to_owned(),
            retired: Arc::clone(&material.retired),
            nodes: None,
        })
    }

    pub(crate) fn of_nodes(material: &Material, linked: &Authorities) -> Result<Self, Error> {
        // A client has no region: then no node is let in.
        let peer = material.identity.peer();
        let nodes = Nodes {
            region: peer.map(|peer| peer.region.clone()).unwrap_or_default(),
            roots: Arc::clone(&material.roots),
            own: Arc::clone(&material.peer_roots),
            linked: linked.clone(),
        };
        Ok(Self {
            chain: chain::callers(Arc::clone(&material.roots), false)?,
            cluster: material.identity.cluster().to_owned(),
            retired: Arc::clone(&material.retired),
            nodes: Some(nodes),
        })
    }

    /// What verifies that somebody who is trusted has signed a certificate.
    fn trusted(&self, now: UnixTime) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        match &self.nodes {
            Some(nodes) => Ok(nodes
                .trusted(now)?
                .unwrap_or_else(|| Arc::clone(&self.chain))),
            None => Ok(Arc::clone(&self.chain)),
        }
    }
}

impl Nodes {
    fn trusted(&self, now: UnixTime) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
        let linked = self.linked.in_force(clock::instant(now));
        if linked.is_empty() {
            return Ok(None);
        }
        // The own come first: what linked regions told must not use up what TLS spends on a chain.
        let own = self.roots.roots.iter().cloned();
        let roots = own.chain(linked).collect();
        chain::callers(Arc::new(RootCertStore { roots }), false).map(Some)
    }

    /// Requires a node, and that an issuer of its own region has signed its certificate.
    fn accept(
        &self,
        found: &Identity,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let peer = node(found)?;
        let roots = match peer.region == self.region {
            true => Arc::clone(&self.own),
            false => self.linked.vouching(peer, clock::instant(now))?,
        };
        let between = chain::between(intermediates, peer);
        match chain::of_caller(roots, end_entity, &between, now) {
            Ok(_) => Ok(()),
            Err(_) => Err(other_issuer(peer)),
        }
    }
}

impl ClientCertVerifier for CallerVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.nodes.is_some()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // The own only: strangers read them, and are not told which regions are linked.
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let trusted = self.trusted(now)?;
        let intermediates = &chain::in_force(intermediates, &self.retired);
        let verified = trusted.verify_client_cert(end_entity, intermediates, now)?;
        let identity = Identity::of(end_entity).map_err(|error| refused(error.into()))?;
        if identity.cluster() != self.cluster {
            return Err(refused(Refusal::OtherCluster {
                found: identity.cluster().to_owned(),
                wanted: self.cluster.clone(),
            }));
        }
        if let Some(nodes) = &self.nodes {
            nodes
                .accept(&identity, end_entity, intermediates, now)
                .map_err(refused)?;
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Which node must answer.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// Any node of a cluster.
    Cluster(String),
    /// Any node of a region.
    Region { cluster: String, region: String },
    /// One node with the key that is pinned.
    Node(PeerIdentity),
}

/// Who vouches for it.
#[derive(Clone, Debug)]
pub(crate) enum Vouching {
    /// Authorities that are known.
    Roots(Arc<RootCertStore>),
    /// An issuer that the server presents, of which the key is known.
    IssuerKey(PublicKeyHash),
}

/// Checks the node that was dialled: a chain, the identity, the pinned key.
#[derive(Debug)]
pub(crate) struct NodeVerifier {
    pub(crate) vouching: Vouching,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
    pub(crate) wanted: Wanted,
    /// The issuers that are trusted no more, whoever has signed them.
    pub(crate) retired: Arc<[PublicKeyHash]>,
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let intermediates = &chain::in_force(intermediates, &self.retired);
        let roots = match &self.vouching {
            Vouching::Roots(roots) => Arc::clone(roots),
            Vouching::IssuerKey(key) => {
                presented(*key, end_entity, intermediates, now).map_err(refused)?
            }
        };
        chain::of_server(&roots, end_entity, intermediates, now)?;
        let identity = Identity::of(end_entity).map_err(|error| refused(error.into()))?;
        let peer = self.wanted.accept(&identity).map_err(refused)?;
        let between = chain::between(intermediates, peer);
        chain::of_server(&roots, end_entity, &between, now)
            .map_err(|_| refused(other_issuer(peer)))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Wanted {
    pub(crate) fn accept<'a>(&self, found: &'a Identity) -> Result<&'a PeerIdentity, Refusal> {
        match found.peer() {
            Some(peer) if self.is(peer) => Ok(peer),
            Some(peer) => match self {
                Self::Node(wanted) if wanted.to_string() == peer.to_string() => {
                    let node = peer.to_string();
                    Err(Refusal::OtherKey { node })
                }
                _ => Err(self.other(found)),
            },
            None => Err(self.other(found)),
        }
    }

    fn is(&self, peer: &PeerIdentity) -> bool {
        match self {
            Self::Cluster(cluster) => peer.cluster == *cluster,
            Self::Region { cluster, region } => peer.cluster == *cluster && peer.region == *region,
            Self::Node(wanted) => peer == wanted,
        }
    }

    fn other(&self, found: &Identity) -> Refusal {
        let wanted = match self {
            Self::Cluster(cluster) => format!("a node of {cluster}"),
            Self::Region { cluster, region } => format!("a node of {cluster}/{region}"),
            Self::Node(peer) => peer.to_string(),
        };
        let found = found.to_string();
        Refusal::OtherNode { found, wanted }
    }
}

/// The issuer with a key, as the server presents it. Of its certificate only the key is known to be
/// true, and that is what the node's certificate is then verified with.
fn presented(
    key: PublicKeyHash,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<Arc<RootCertStore>, Refusal> {
    let presented = std::iter::once(end_entity).chain(intermediates);
    let found: Vec<Known> = presented
        .filter(|one| key_of(one) == Some(key))
        .map(Known::read)
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(Refusal::OtherIssuerKey { wanted: key });
    }
    let identity = Identity::of(end_entity)?;
    Ok(vouching(&found, node(&identity)?, clock::instant(now))?)
}

fn node(found: &Identity) -> Result<&PeerIdentity, Refusal> {
    found.peer().ok_or_else(|| Refusal::OtherNode {
        found: found.to_string(),
        wanted: "a node".to_owned(),
    })
}

fn other_issuer(peer: &PeerIdentity) -> Refusal {
    let node = peer.to_string();
    Refusal::OtherIssuer { node }
}

fn refused(refusal: Refusal) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
}
