//! What an issuer tells of itself: where its keys are, and the keys.

use access::jwt::{Jwks, JwksError};
use access::limits::JWKS_BYTES_MAX;
use machine::Provider;
use serde::Deserialize;
use wire::{FetchBounds, FetchError, Fetcher};

use crate::limits::{DISCOVERY_BYTES_MAX, ISSUER_TIMEOUT};

/// Why an issuer has no keys for us.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A document did not come.
    #[error("cannot fetch {what} of the issuer")]
    Fetch {
        /// Which one.
        what: &'static str,
        /// Why.
        source: FetchError,
    },
    /// What says where the keys are is not what OpenID Connect Discovery says.
    #[error("the configuration of the issuer is no JSON object with issuer and jwks_uri")]
    Discovery,
    /// It is another issuer's.
    #[error("the configuration at the URL of the issuer is that of another issuer")]
    OtherIssuer,
    /// The keys are of no use.
    #[error("the key set of the issuer is of no use")]
    Keys(#[from] JwksError),
    /// They are no text.
    #[error("the key set of the issuer is not UTF-8")]
    NotText,
}

/// What is read of `/.well-known/openid-configuration`.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// Fetches the keys of an issuer as a JWK set that is of use.
///
/// # Errors
/// Why there is none.
pub async fn keys(provider: &Provider, plain_loopback: bool) -> Result<String, KeysError> {
    let authority = provider.authority.as_str();
    let fetcher = match authority.is_empty() {
        true => Fetcher::of_system(),
        false => Fetcher::of_pem(authority),
    };
    let failed = |what| move |source| KeysError::Fetch { what, source };
    let fetcher = fetcher.map_err(failed("the configuration"))?;
    let bounds = |bytes_max| FetchBounds {
        bytes_max,
        timeout: ISSUER_TIMEOUT,
        plain_loopback,
    };
    let issuer = provider.issuer.as_str();
    let at = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let document = fetcher.get(&at, bounds(DISCOVERY_BYTES_MAX)).await;
    let document = document.map_err(failed("the configuration"))?;
    let found: Discovery = serde_json::from_slice(&document).map_err(|_| KeysError::Discovery)?;
    if found.issuer != issuer {
        return Err(KeysError::OtherIssuer);
    }
    // Keys that are asked for over TLS are not to come without.
    let is_plain = issuer.starts_with("http://");
    let bounds = FetchBounds {
        plain_loopback: plain_loopback && is_plain,
        ..bounds(JWKS_BYTES_MAX)
    };
    let keys = fetcher.get(&found.jwks_uri, bounds).await;
    let keys = String::from_utf8(keys.map_err(failed("the key set"))?);
    let keys = keys.map_err(|_| KeysError::NotText)?;
    Jwks::parse(&keys)?;
    Ok(keys)
}

/// Whether a text has certificates in PEM that can be trusted.
pub fn is_authority(text: &str) -> bool {
    Fetcher::of_pem(text).is_ok()
}
