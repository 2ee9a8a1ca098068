//! Tokens of OpenID Connect issuers, those of Kubernetes among them: signed JSON (RFC 7519) in the
//! compact form (RFC 7515).
//!
//! What a token says is read only after its signature has been found right; before that only its
//! header is, which picks one of the issuer's keys. Keys come from nowhere but [`Jwks`]: what a
//! header says of keys (`jwk`, `jku`, `x5u`) is never followed. The key decides which algorithms
//! may go with it.

mod claims;
mod header;
mod json;
mod jwks;

use thiserror::Error;

pub use claims::{Claims, Kubernetes};
pub use jwks::{Jwks, JwksError, KeyFlaw};

use crate::limits::JWT_BYTES_MAX;
use crate::session::TagError;
use header::Header;

/// An issuer that is trusted, and for whom its tokens have to be.
#[derive(Debug)]
pub struct Provider {
    /// What `iss` has to be, byte for byte: `https://oidc.example.com/path`.
    pub issuer: String,
    /// Of these, `aud` has to name one.
    pub audiences: Vec<String>,
    /// The keys the issuer signs with.
    pub jwks: Jwks,
}

/// The token is not accepted. Displays nothing of the reason, which is not for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the web identity token is not accepted")]
pub struct Denied {
    why: Why,
}

/// Why a token is not accepted: for the audit and for administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Why {
    /// The token is longer than [`JWT_BYTES_MAX`].
    #[error("the token is longer than {JWT_BYTES_MAX} bytes")]
    TooLong,
    /// It is no three parts in base64url without padding.
    #[error("the token is not three parts in base64url without padding, with a dot between them")]
    Form,
    /// Its header is no JSON object, or has a member twice, or one of the wrong kind.
    #[error("the header of the token is not a JSON object with every member once")]
    Header,
    /// Its header asks for extensions that must be understood.
    #[error("the header of the token has crit, and no extension is supported")]
    Critical,
    /// Its header says that it is another kind of token.
    #[error("the typ of the token is neither JWT nor at+jwt")]
    Type,
    /// Its algorithm is unknown, none, symmetric, or not for the key that is named.
    #[error("the alg of the token does not go with the key that it names")]
    Algorithm,
    /// The issuer has no key of its `kid`, or several keys and the token has no `kid`.
    #[error("the issuer has no key by the kid of the token: are its keys up to date?")]
    Key,
    /// Its signature is wrong.
    #[error("the signature of the token is wrong")]
    Signature,
    /// What it says is no JSON object, or has a member twice.
    #[error("the claims of the token are not a JSON object with every member once")]
    Claims,
    /// A claim that is needed is not there.
    #[error("the token has no {0}")]
    Missing(&'static str),
    /// A claim is of the wrong kind or out of bounds.
    #[error("the claim {0} of the token is of the wrong kind, or too long")]
    Claim(&'static str),
    /// `iss` is not the provider's.
    #[error("the iss of the token is not that of the provider")]
    Issuer,
    /// `aud` names none of the provider's audiences.
    #[error("the aud of the token names no audience of the provider")]
    Audience,
    /// `exp` has come.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is more than a minute ahead.
    #[error("the token is not valid yet: do the clocks agree?")]
    NotYet,
    /// It is valid for more than a day.
    #[error("the token is valid for longer than a day")]
    Lifetime,
    /// Its session tags are none that a session may have.
    #[error("the session tags of the token cannot be taken: {0}")]
    Tags(#[from] TagError),
}

impl Denied {
    /// Says why: for the audit and for administrators, not for the caller.
    pub fn why(&self) -> Why {
        self.why
    }
}

impl From<Why> for Denied {
    fn from(why: Why) -> Denied {
        Denied { why }
    }
}

/// Verifies a token at a time in milliseconds since 1970. Takes time linear in the token, which has
/// at most [`JWT_BYTES_MAX`] bytes, and one verification of a signature.
pub fn verify(token: &str, provider: &Provider, now_ms: i64) -> Result<Claims, Denied> {
    let parts = Parts::split(token)?;
    let header = Header::parse(&json::decode(parts.header)?)?;
    let key = provider.jwks.pick(&header)?;
    let signature = json::decode(parts.signature)?;
    key.verify(header.algorithm, parts.signed, &signature)?;
    let claims = json::object(&json::decode(parts.claims)?).ok_or(Why::Claims)?;
    Ok(Claims::read(&claims, provider, now_ms)?)
}

/// Reads whom a token names as its issuer, to find the provider to [`verify`] it with. It proves
/// nothing.
pub fn unverified_issuer(token: &str) -> Result<String, Denied> {
    let parts = Parts::split(token)?;
    let claims = json::object(&json::decode(parts.claims)?).ok_or(Why::Claims)?;
    Ok(claims::issuer(&claims)?.to_owned())
}

/// The parts of a token in the compact form.
struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    /// Header, dot and claims: what is signed.
    signed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Parts<'a>, Why> {
        if token.len() > JWT_BYTES_MAX {
            return Err(Why::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Why::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(Why::Form)?;
        if claims.contains('.') {
            return Err(Why::Form);
        }
        Ok(Parts {
            header,
            claims,
            signature,
            signed: signed.as_bytes(),
        })
    }
}
