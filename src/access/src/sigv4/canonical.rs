//! The canonical request: what is signed, in the one way it may be written.

use aws_lc_rs::digest::{SHA256, digest};

use super::credential::{SignedHeaders, hex};
use super::query::{Query, encode};
use super::{Request, Why};

const HASH_HEADER: &str = "x-amz-content-sha256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What stands for the body in the canonical request.
pub(super) struct Payload(String);

impl Payload {
    /// The hash of the body, which a header may repeat. Only where there is no body may the header
    /// say that it is not signed.
    pub(super) fn of(request: &Request<'_>) -> Result<Payload, Why> {
        let hash = hash(request.body);
        let mut said = values(request, HASH_HEADER).map(str::trim);
        match (said.next(), said.next()) {
            (None, _) => Ok(Payload(hash)),
            (Some(said), None) if said == hash => Ok(Payload(hash)),
            (Some(UNSIGNED_PAYLOAD), None) if request.body.is_empty() => {
                Ok(Payload(UNSIGNED_PAYLOAD.to_owned()))
            }
            _ => Err(Why::Payload),
        }
    }
}

/// Writes the canonical request.
pub(super) fn request(
    request: &Request<'_>,
    signed: &SignedHeaders,
    payload: &Payload,
) -> Result<String, Why> {
    let path = path(request.path)?;
    let query = Query::parse(request.query)?.canonical();
    let headers = headers(request, signed)?;
    let names = signed.names().join(";");
    let (method, payload) = (request.method, &payload.0);
    Ok(format!(
        "{method}\n{path}\n{query}\n{headers}\n{names}\n{payload}"
    ))
}

/// The values of a header, in the order of the request.
pub(super) fn values<'a>(request: &Request<'a>, name: &str) -> impl Iterator<Item = &'a str> {
    let headers = request.headers.iter();
    let named = headers.filter(move |(found, _)| found.eq_ignore_ascii_case(name));
    named.map(|(_, value)| *value)
}

/// SHA-256, in hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// The path without empty and dotted segments, its bytes encoded as they were sent: what a client
/// has encoded once, is encoded twice.
fn path(sent: &str) -> Result<String, Why> {
    let sent = sent.strip_prefix('/').ok_or(Why::Form("the path"))?;
    let mut kept: Vec<String> = Vec::new();
    let mut is_folder = true;
    for segment in sent.split('/') {
        is_folder = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => _ = kept.pop(),
            _ => kept.push(encode(segment.as_bytes())),
        }
    }
    let end = if is_folder && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    Ok(format!("/{}{end}", kept.join("/")))
}

/// The signed headers, a line each.
fn headers(request: &Request<'_>, signed: &SignedHeaders) -> Result<String, Why> {
    let has_to_be_signed = |name: &str| {
        let amazon = name
            .get(..6)
            .is_some_and(|head| head.eq_ignore_ascii_case("x-amz-"));
        amazon && !signed.contains(&name.to_ascii_lowercase())
    };
    if !signed.contains("host")
        || request
            .headers
            .iter()
            .any(|(name, _)| has_to_be_signed(name))
    {
        return Err(Why::Unsigned);
    }
    let mut lines = String::new();
    for name in signed.names() {
        let values: Vec<String> = values(request, name).map(collapsed).collect();
        if values.is_empty() {
            return Err(Why::Unsigned);
        }
        lines.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    Ok(lines)
}

/// A value without spaces at its ends, and with single ones within.
fn collapsed(value: &str) -> String {
    let words: Vec<&str> = value
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}
