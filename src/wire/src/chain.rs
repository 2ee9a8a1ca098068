//! Whether a certificate chains to an authority, and is valid for serving or for calling.

use std::sync::Arc;

use rustls::{
    Error, OtherError, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::{
    certs::Holder,
    credentials::provider,
    identity::{PeerIdentity, PublicKeyHash},
    issuer::key_of,
};

/// Verifies the certificate of a server.
pub(crate) fn of_server(
    roots: &RootCertStore,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(end_entity)?;
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)
}

/// Verifies the certificate of a caller.
pub(crate) fn of_caller(
    roots: Arc<RootCertStore>,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<ClientCertVerified, Error> {
    callers(roots, false)?.verify_client_cert(end_entity, intermediates, now)
}

/// What verifies the certificates of callers, and whether they may have none.
pub(crate) fn callers(
    roots: Arc<RootCertStore>,
    anonymous: bool,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let builder = if anonymous {
        builder.allow_unauthenticated()
    } else {
        builder
    };
    builder
        .build()
        .map_err(|error| Error::Other(OtherError(Arc::new(error))))
}

/// Those of the certificates presented that are not of an issuer that was retired: the root has
/// signed it, and would vouch for it for years.
pub(crate) fn in_force<'a>(
    intermediates: &[CertificateDer<'a>],
    retired: &[PublicKeyHash],
) -> Vec<CertificateDer<'a>> {
    let is_retired = |one: &&CertificateDer<'a>| {
        !retired.is_empty() && key_of(one).is_some_and(|key| retired.contains(&key))
    };
    let all = intermediates.iter();
    all.filter(|one| !is_retired(one)).cloned().collect()
}

/// Those of the certificates presented that may stand between a node and its authority. The root
/// has signed the issuers of all regions: where the root is trusted, only leaving out the others
/// keeps the issuer of one region from making a node of another.
pub(crate) fn between<'a>(
    intermediates: &[CertificateDer<'a>],
    peer: &PeerIdentity,
) -> Vec<CertificateDer<'a>> {
    intermediates
        .iter()
        .filter(|one| Holder::of(one).is_some_and(|holder| holder.may_vouch_for(peer)))
        .cloned()
        .collect()
}
