//! ARNs: `arn:partition:service:region:account:resource`.

/// The parts of an ARN behind `arn:`. The resource may have colons of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn split(text: &'a str) -> Option<Parts<'a>> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        let partition = parts.next()?;
        let found = Parts {
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        };
        let is_whole = is_partition(partition) && !found.resource.is_empty();
        is_whole.then_some(found)
    }
}

/// Whether a text is the id of an account: 12 digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text may stand as a resource: `*`, or a whole ARN whose service is named.
pub(crate) fn is_resource(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("arn:") else {
        return text == "*";
    };
    let mut parts = rest.splitn(5, ':');
    let (partition, service) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let is_char = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_named = !service.is_empty() && service.bytes().all(is_char);
    // Region, account and resource.
    let is_whole = parts.count() == 3;
    !partition.is_empty() && is_named && is_whole
}

/// Bytes of a resource up to and with its fifth colon; all of it if it has fewer.
pub(crate) fn head(text: &str) -> &str {
    match text.match_indices(':').nth(4) {
        Some((at, _)) => text.get(..=at).unwrap_or(text),
        None => text,
    }
}

fn is_partition(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}
