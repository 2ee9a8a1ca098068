//! Signature Version 4, by which callers of the AWS protocol prove an access key.
//!
//! ```text
//! Authorization::read    what a request says of its signature: whose key, which region, until when
//! Authorization::verify  whether the secret of that key made the signature, and just now
//! ```
//!
//! Between the two the caller looks the key up, and the session token if there is one. A request is
//! signed in its headers or, presigned, in its query. Everything in a request that may change what
//! it asks for is under the signature: method, path, query, body, `host` and every `x-amz-` header.

mod canonical;
mod credential;
mod key;
mod query;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use thiserror::Error;

pub use key::SecretKey;

use crate::limits::{
    SIGV4_EXPIRY_SECONDS_MAX, SIGV4_HEADERS_MAX, SIGV4_REQUEST_BYTES_MAX, SIGV4_SKEW_MS_MAX,
};
use canonical::Payload;
use credential::{Credential, SignedHeaders};
use query::Query;

/// The only algorithm there is.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How a time is written: `20150830T123600Z`.
const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";
const DATE_HEADER: &str = "x-amz-date";
const TOKEN_HEADER: &str = "x-amz-security-token";

/// A request as it came in. It may hold secrets, and has no `Debug`.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it was sent, still percent-encoded; begins with `/`.
    pub path: &'a str,
    /// The query as it was sent, without the `?`; may be empty.
    pub query: &'a str,
    /// Names in any case, and values; one entry for each line. A name may stand in several. A value
    /// that is not UTF-8 is for the caller to refuse.
    pub headers: &'a [(&'a str, &'a str)],
    /// The whole body; may be empty.
    pub body: &'a [u8],
}

/// What a request says of its signature. Nothing of it is proved before [`Authorization::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    credential: Credential,
    signed_headers: SignedHeaders,
    signature: [u8; 32],
    /// As it was written.
    time: String,
    time_ms: i64,
    /// For how many seconds it is good, if it is presigned.
    expires_s: Option<i64>,
    token: Option<String>,
}

/// The signature is not accepted. Displays nothing of the reason, which is not for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature of the request is not accepted")]
pub struct Denied {
    why: Why,
}

/// Why a signature is not accepted: for the audit and for administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Why {
    /// The request has more headers or text than are looked at.
    #[error(
        "the request has more than {SIGV4_HEADERS_MAX} headers, or more than \
         {SIGV4_REQUEST_BYTES_MAX} bytes without its body"
    )]
    TooLong,
    /// It is signed twice: in two headers, or in a header and in the query.
    #[error("the request is signed twice")]
    Twice,
    /// Its authorization is not of the form, or a part is missing or stands twice.
    #[error("{0} of the request is missing, stands twice, or is not of its form")]
    Form(&'static str),
    /// A header that has to be signed is not.
    #[error("host, every x-amz- header and every signed header have to be there and signed")]
    Unsigned,
    /// A body was sent that is not the signed one, or is not signed at all.
    #[error("the hash of the body is not the one that is signed, or the body is not signed")]
    Payload,
    /// The key is not for this service.
    #[error("the credential scope is for another service")]
    Service,
    /// The signature is wrong.
    #[error("the signature is not the one that the secret access key makes of this request")]
    Signature,
    /// It was signed more than five minutes ago, or from now.
    #[error("the request was signed more than five minutes away from now: is the clock right?")]
    Skewed,
    /// It is presigned, and has expired.
    #[error("the presigned request has expired")]
    Expired,
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

impl Authorization {
    /// Reads how a request is signed; none if it is not. Takes time linear in the request, of which
    /// at most [`SIGV4_REQUEST_BYTES_MAX`] bytes are looked at besides the body.
    pub fn read(request: &Request<'_>) -> Result<Option<Authorization>, Denied> {
        refuse_long(request)?;
        let query = Query::parse(request.query)?;
        let is_presigned = query.has("X-Amz-Algorithm") || query.has("X-Amz-Signature");
        match (single(request, "authorization")?, is_presigned) {
            (None, false) => Ok(None),
            (Some(_), true) => Err(Why::Twice.into()),
            (Some(header), false) => Ok(Some(Authorization::from_header(header, request)?)),
            (None, true) => Ok(Some(Authorization::from_query(&query, request)?)),
        }
    }

    /// The id of the access key.
    pub fn access_key(&self) -> &str {
        &self.credential.access_key
    }

    /// The region that the request is for.
    pub fn region(&self) -> &str {
        &self.credential.region
    }

    /// The service that the request is for.
    pub fn service(&self) -> &str {
        &self.credential.service
    }

    /// The session token, if the key is a temporary one.
    pub fn security_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Verifies the signature of the request that this was read of, for a service, by the secret of
    /// [`Authorization::access_key`], at a time in milliseconds since 1970. Compares in constant
    /// time.
    pub fn verify(
        &self,
        request: &Request<'_>,
        service: &str,
        secret: &SecretKey,
        now_ms: i64,
    ) -> Result<(), Denied> {
        if self.credential.service != service {
            return Err(Why::Service.into());
        }
        let signed = self.string_to_sign(request)?;
        let key = secret.signing_key(&self.credential).ok_or(Why::Signature)?;
        key.verify(signed.as_bytes(), &self.signature)?;
        Ok(self.refuse_untimely(now_ms)?)
    }

    fn string_to_sign(&self, request: &Request<'_>) -> Result<String, Why> {
        let payload = Payload::of(request)?;
        let canonical = canonical::request(request, &self.signed_headers, &payload)?;
        let (scope, hash) = (
            self.credential.scope(),
            canonical::hash(canonical.as_bytes()),
        );
        Ok(format!("{ALGORITHM}\n{}\n{scope}\n{hash}", self.time))
    }

    fn refuse_untimely(&self, now_ms: i64) -> Result<(), Why> {
        let age_ms = now_ms.saturating_sub(self.time_ms);
        match self.expires_s {
            _ if age_ms < -SIGV4_SKEW_MS_MAX => Err(Why::Skewed),
            None if age_ms > SIGV4_SKEW_MS_MAX => Err(Why::Skewed),
            Some(seconds) if age_ms >= seconds.saturating_mul(1000) => Err(Why::Expired),
            _ => Ok(()),
        }
    }

    fn from_header(header: &str, request: &Request<'_>) -> Result<Authorization, Why> {
        let fields = header
            .strip_prefix(ALGORITHM)
            .filter(|rest| rest.starts_with(' '));
        let fields = fields.ok_or(Why::Form("the algorithm"))?;
        let (mut credential, mut headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let parts = field.trim().split_once('=');
            let (name, value) = parts.ok_or(Why::Form("the authorization header"))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut headers,
                "Signature" => &mut signature,
                _ => return Err(Why::Form("the authorization header")),
            };
            if place.replace(value).is_some() {
                return Err(Why::Form("the authorization header"));
            }
        }
        let time = single(request, DATE_HEADER)?;
        Authorization::new(&Parts {
            credential,
            headers,
            signature,
            time,
            expires_s: None,
            token: single(request, TOKEN_HEADER)?,
        })
    }

    fn from_query(query: &Query, request: &Request<'_>) -> Result<Authorization, Why> {
        if query.single("X-Amz-Algorithm")? != Some(ALGORITHM) {
            return Err(Why::Form("the algorithm"));
        }
        let seconds = query.single("X-Amz-Expires")?;
        let is_number = |text: &&str| text.bytes().all(|b| b.is_ascii_digit());
        let seconds = seconds.filter(is_number).and_then(|text| text.parse().ok());
        let seconds = seconds.filter(|seconds| (1..=SIGV4_EXPIRY_SECONDS_MAX).contains(seconds));
        // A token in a header beside a presigned query is under no rule that says which counts.
        if single(request, TOKEN_HEADER)?.is_some() {
            return Err(Why::Form("the security token"));
        }
        Authorization::new(&Parts {
            credential: query.single("X-Amz-Credential")?,
            headers: query.single("X-Amz-SignedHeaders")?,
            signature: query.single("X-Amz-Signature")?,
            time: query.single("X-Amz-Date")?,
            expires_s: Some(seconds.ok_or(Why::Form("the expiry"))?),
            token: query.single("X-Amz-Security-Token")?,
        })
    }

    fn new(parts: &Parts<'_>) -> Result<Authorization, Why> {
        let time = parts.time.ok_or(Why::Form("the time"))?;
        let time_ms = parse_time(time).ok_or(Why::Form("the time"))?;
        let credential = parts.credential.and_then(Credential::parse);
        let credential = credential.ok_or(Why::Form("the credential"))?;
        if !time.starts_with(&credential.date) {
            return Err(Why::Form("the time"));
        }
        let headers = parts.headers.and_then(SignedHeaders::parse);
        let signature = parts.signature.and_then(credential::unhex);
        Ok(Authorization {
            credential,
            signed_headers: headers.ok_or(Why::Form("the list of signed headers"))?,
            signature: signature.ok_or(Why::Form("the signature"))?,
            time: time.to_owned(),
            time_ms,
            expires_s: parts.expires_s,
            token: parts.token.map(str::to_owned),
        })
    }
}

/// Not the token, nor the signature.
impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("credential", &self.credential)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// What both forms have, before it is parsed.
struct Parts<'a> {
    credential: Option<&'a str>,
    headers: Option<&'a str>,
    signature: Option<&'a str>,
    time: Option<&'a str>,
    expires_s: Option<i64>,
    token: Option<&'a str>,
}

fn refuse_long(request: &Request<'_>) -> Result<(), Why> {
    let headers = request.headers.iter().take(SIGV4_HEADERS_MAX);
    let header_bytes: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
    let bytes = request.method.len() + request.path.len() + request.query.len() + header_bytes;
    match request.headers.len() > SIGV4_HEADERS_MAX || bytes > SIGV4_REQUEST_BYTES_MAX {
        true => Err(Why::TooLong),
        false => Ok(()),
    }
}

/// The value of a header that may stand once.
fn single<'a>(request: &Request<'a>, name: &str) -> Result<Option<&'a str>, Why> {
    let mut values = canonical::values(request, name);
    match (values.next(), values.next()) {
        (_, Some(_)) if name == "authorization" => Err(Why::Twice),
        (_, Some(_)) => Err(Why::Form("an x-amz- header")),
        (value, None) => Ok(value.map(str::trim)),
    }
}

/// Milliseconds since 1970 of a time that is written exactly as [`TIME_FORMAT`] says.
fn parse_time(text: &str) -> Option<i64> {
    let time = DateTime::strptime(TIME_FORMAT, text).ok()?;
    if time.strftime(TIME_FORMAT).to_string() != text {
        return None;
    }
    let stamp = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(stamp.as_millisecond())
}
