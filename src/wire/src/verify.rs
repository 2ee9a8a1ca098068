//! What is checked of the certificate at the other end, beside its chain to an authority.
//!
//! A node that is dialled is checked by its identity and its pinned key, not by host name:
//! addresses change, and whoever holds another node's certificate must not pass for it.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::{
    credentials::{Material, provider},
    identity::{Identity, IdentityError, PeerIdentity},
    listen::Admission,
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
}

/// Checks callers: a chain, an identity, the same cluster, and a node where nodes are required.
#[derive(Debug)]
pub(crate) struct CallerVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    cluster: String,
    nodes_only: bool,
}

impl CallerVerifier {
    pub(crate) fn new(material: &Material, admission: Admission) -> Result<Self, Error> {
        let roots = Arc::clone(&material.roots);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let nodes_only = admission == Admission::Nodes;
        let builder = if nodes_only {
            builder
        } else {
            builder.allow_unauthenticated()
        };
        let chain = builder
            .build()
            .map_err(|error| Error::Other(OtherError(Arc::new(error))))?;
        Ok(Self {
            chain,
            cluster: material.identity.cluster().to_owned(),
            nodes_only,
        })
    }
}

impl ClientCertVerifier for CallerVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.nodes_only
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .chain
            .verify_client_cert(end_entity, intermediates, now)?;
        let identity = Identity::of(end_entity).map_err(|error| refused(error.into()))?;
        if identity.cluster() != self.cluster {
            return Err(refused(Refusal::OtherCluster {
                found: identity.cluster().to_owned(),
                wanted: self.cluster.clone(),
            }));
        }
        if self.nodes_only && identity.peer().is_none() {
            let wanted = "a node".to_owned();
            return Err(refused(Refusal::OtherNode {
                found: identity.to_string(),
                wanted,
            }));
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
    /// Any node of a region.
    Region { cluster: String, region: String },
    /// One node with the key that is pinned.
    Node(PeerIdentity),
}

/// Checks the node that was dialled: a chain, the identity, the pinned key.
#[derive(Debug)]
pub(crate) struct NodeVerifier {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
    pub(crate) wanted: Wanted,
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
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )?;
        let identity = Identity::of(end_entity).map_err(|error| refused(error.into()))?;
        self.wanted.accept(&identity).map_err(refused)?;
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
    fn accept(&self, found: &Identity) -> Result<(), Refusal> {
        let other = |wanted: String| Refusal::OtherNode {
            found: found.to_string(),
            wanted,
        };
        match (self, found.peer()) {
            (Self::Region { cluster, region }, peer) => match peer {
                Some(peer) if peer.cluster == *cluster && peer.region == *region => Ok(()),
                _ => Err(other(format!("a node of {cluster}/{region}"))),
            },
            (Self::Node(wanted), Some(peer)) if peer == wanted => Ok(()),
            (Self::Node(wanted), peer) => {
                let wanted_name = Identity::Peer(wanted.clone()).to_string();
                match peer.is_some() && found.to_string() == wanted_name {
                    true => Err(Refusal::OtherKey { node: wanted_name }),
                    false => Err(other(wanted_name)),
                }
            }
        }
    }
}

fn refused(refusal: Refusal) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
}
