//! Why a call failed, and whether it may be sent again.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt;
use wire::{CredentialsError, DialError, Distrust};

/// Whether the same call may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing was done.
    Safe,
    /// A write may have been done; with the same token it is done once.
    Unknown,
    /// The answer would be the same.
    No,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A node refused.
    #[error("{message} ({reason}){}", led_elsewhere(metadata))]
    Refused {
        /// The AWS error name, or ours where AWS has none.
        reason: String,
        /// What a person reads.
        message: String,
        /// The gRPC code.
        code: Code,
        /// Whether the same call may be sent again.
        retry: Retry,
        /// What else the node said, `member` for example.
        metadata: HashMap<String, String>,
    },
    /// No node could be reached, or the connection broke.
    #[error("no answer from {endpoint}; {tried} of {endpoints} nodes tried")]
    Unreachable {
        /// The node that was tried last.
        endpoint: String,
        /// How many different nodes were tried.
        tried: usize,
        /// How many there are.
        endpoints: usize,
        /// Whether the call may have arrived.
        retry: Retry,
        /// What broke.
        source: Box<Status>,
    },
    /// A node's certificate is not accepted here.
    #[error(
        "the certificate of {endpoint} is not trusted; give the authority of its region, and the \
         name that stands in the certificate"
    )]
    Untrusted {
        /// The node.
        endpoint: String,
        /// What is wrong with it.
        source: Box<Status>,
    },
    /// A node does not accept the certificate of this client.
    #[error(
        "{endpoint} does not accept the client certificate; use one of its region's authority \
         that has not expired, and the API port: the peers port takes nodes only"
    )]
    CertificateRefused {
        /// The node.
        endpoint: String,
        /// What it said.
        source: Box<Status>,
    },
    /// The time passed before an answer came.
    #[error("no answer within {} ms{}", .timeout.as_millis(), doubt(*may_be_done))]
    TimedOut {
        /// How long was waited.
        timeout: Duration,
        /// Whether the call was to change something, which may have been done.
        may_be_done: bool,
        /// What another attempt said, if one was answered.
        source: Option<Box<Error>>,
    },
    /// There is nobody to call.
    #[error("no endpoint is given; name at least one node as host:port")]
    NoEndpoint,
    /// An endpoint is not one.
    #[error("{endpoint:?} is not an endpoint; write host:port or https://host:port")]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// Why.
        source: Option<DialError>,
    },
    /// A region's name has another form.
    #[error("{name:?} is not a region's name; name it like eu-west-1")]
    Region {
        /// As it was given.
        name: String,
    },
    /// The certificate, key or authority cannot be used.
    #[error("cannot use the client certificate")]
    Credentials(#[from] CredentialsError),
    /// The text is no token.
    #[error("the token of the session has characters that no token has; log in again")]
    Token,
    /// The system has no random numbers for a token.
    #[error("cannot make a random token")]
    Random(#[source] getrandom::Error),
}

impl Error {
    /// The AWS error name, or ours where AWS has none.
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused { reason, .. } => reason,
            Self::Unreachable { .. } => "ServiceUnavailable",
            Self::Untrusted { .. } => "CertificateUntrusted",
            Self::CertificateRefused { .. } => "CertificateRefused",
            Self::TimedOut { .. } => "RequestTimeout",
            Self::NoEndpoint
            | Self::Endpoint { .. }
            | Self::Region { .. }
            | Self::Token
            | Self::Credentials(_) => "Configuration",
            Self::Random(_) => "InternalServiceError",
        }
    }

    /// The gRPC code that a node sent, or would have.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Unreachable { .. } => Code::Unavailable,
            Self::Untrusted { .. } | Self::CertificateRefused { .. } => Code::Unauthenticated,
            Self::TimedOut { .. } => Code::DeadlineExceeded,
            Self::NoEndpoint
            | Self::Endpoint { .. }
            | Self::Region { .. }
            | Self::Token
            | Self::Credentials(_) => Code::InvalidArgument,
            Self::Random(_) => Code::Internal,
        }
    }

    /// Whether the same call may be sent again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Refused { retry, .. } | Self::Unreachable { retry, .. } => *retry,
            Self::TimedOut { may_be_done, .. } => match may_be_done {
                true => Retry::Unknown,
                false => Retry::Safe,
            },
            // Nothing passes before both sides have accepted; another node may have another view.
            Self::Untrusted { .. } | Self::CertificateRefused { .. } => Retry::Safe,
            Self::NoEndpoint
            | Self::Endpoint { .. }
            | Self::Region { .. }
            | Self::Token
            | Self::Credentials(_)
            | Self::Random(_) => Retry::No,
        }
    }

    /// The region that leads what the call was about, where a node said that it is another one
    /// than its own: the call belongs there.
    pub fn primary_region(&self) -> Option<&str> {
        match self {
            Self::Refused { metadata, .. } => metadata.get(PRIMARY_REGION).map(String::as_str),
            _ => None,
        }
    }

    /// The API addresses of that region's nodes, `host:port`, as the region directory has them;
    /// none where the node did not say.
    pub fn primary_addresses(&self) -> Vec<&str> {
        match self {
            Self::Refused { metadata, .. } => addresses(metadata),
            _ => Vec::new(),
        }
    }

    /// Whether another node may answer where this one did not.
    pub(crate) fn is_of_the_node(&self) -> bool {
        match self {
            Self::Refused { code, .. } => {
                self.retry() != Retry::No
                    && matches!(
                        code,
                        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded
                    )
            }
            Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::CertificateRefused { .. }
            | Self::TimedOut { .. } => true,
            _ => false,
        }
    }

    /// Whether a node has said what every other would say.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. }) && self.retry() == Retry::No
    }

    /// Whether this is how a refused certificate shows when the alert that says so is lost: the
    /// other end closes right behind it, and the bytes under way then break the connection.
    pub(crate) fn is_lost_alert(&self, earlier: &Self) -> bool {
        let refused = matches!(earlier, Self::CertificateRefused { .. });
        refused && matches!(self, Self::Unreachable { .. })
    }

    /// Whether another attempt of the call learnt more of why nobody does what is asked: a node
    /// that answered knows most, and one that is gone nothing.
    pub(crate) fn tells_less_than(&self, other: &Self) -> bool {
        self.tells() < other.tells()
    }

    fn tells(&self) -> u8 {
        match self {
            Self::Refused { .. } => 3,
            Self::Untrusted { .. } | Self::CertificateRefused { .. } => 2,
            Self::TimedOut { .. } => 1,
            _ => 0,
        }
    }

    /// Adds what one attempt does not know: how many nodes were tried, of how many.
    pub(crate) fn counted(self, tried: usize, endpoints: usize) -> Self {
        match self {
            Self::Unreachable {
                endpoint,
                retry,
                source,
                ..
            } => Self::Unreachable {
                endpoint,
                tried,
                endpoints,
                retry,
                source,
            },
            error => error,
        }
    }

    /// The end of an attempt, or of a call, that had this much time.
    pub(crate) fn timed_out(timeout: Duration, may_be_done: bool) -> Self {
        Self::TimedOut {
            timeout,
            may_be_done,
            source: None,
        }
    }

    /// Reads the status of an attempt, which may have changed something or not.
    pub(crate) fn of_status(
        status: Status,
        endpoint: &str,
        timeout: Duration,
        may_be_done: bool,
    ) -> Self {
        let details = status.get_error_details();
        if let Some(info) = details.error_info() {
            let retry = match info.metadata.get("retry").map(String::as_str) {
                Some("safe") => Retry::Safe,
                Some("unknown") => Retry::Unknown,
                _ => Retry::No,
            };
            return Self::Refused {
                reason: info.reason.clone(),
                message: status.message().to_owned(),
                code: status.code(),
                retry,
                metadata: info.metadata.clone(),
            };
        }
        match status.code() {
            // Without our details these come from the transport, not from a handler.
            Code::DeadlineExceeded => Self::timed_out(timeout, may_be_done),
            Code::Cancelled if is_timeout(&status) => Self::timed_out(timeout, may_be_done),
            // A connection that breaks before a call is on its way cancels the call.
            Code::Cancelled | Code::Unavailable | Code::Unknown | Code::Internal => {
                let endpoint = endpoint.to_owned();
                match Distrust::in_chain(&status) {
                    Some(Distrust::OfServer) => {
                        let source = Box::new(status);
                        return Self::Untrusted { endpoint, source };
                    }
                    Some(Distrust::OfCaller) => {
                        let source = Box::new(status);
                        return Self::CertificateRefused { endpoint, source };
                    }
                    None => {}
                }
                let retry = if never_sent(&status) {
                    Retry::Safe
                } else {
                    Retry::Unknown
                };
                let source = Box::new(status);
                Self::Unreachable {
                    endpoint,
                    tried: 1,
                    endpoints: 1,
                    retry,
                    source,
                }
            }
            code => Self::Refused {
                reason: format!("{code:?}"),
                message: status.message().to_owned(),
                code,
                retry: Retry::No,
                metadata: HashMap::new(),
            },
        }
    }
}

const PRIMARY_REGION: &str = "primary_region";
const PRIMARY_ADDRESSES: &str = "primary_addresses";

/// What is said of a call that belongs to another region: which, and where that is.
fn led_elsewhere(metadata: &HashMap<String, String>) -> String {
    let Some(region) = metadata.get(PRIMARY_REGION) else {
        return String::new();
    };
    match addresses(metadata).join(", ") {
        none if none.is_empty() => format!("; the primary region is {region}"),
        addresses => format!("; the primary region is {region}, at {addresses}"),
    }
}

fn addresses(metadata: &HashMap<String, String>) -> Vec<&str> {
    let listed = metadata.get(PRIMARY_ADDRESSES).map_or("", String::as_str);
    let addresses = listed.split(',').map(str::trim);
    addresses.filter(|address| !address.is_empty()).collect()
}

/// What a caller must know who waited in vain.
fn doubt(may_be_done: bool) -> &'static str {
    if may_be_done {
        "; a write may have been done"
    } else {
        ""
    }
}

/// Says whether the transport itself counted the time and found it over.
fn is_timeout(status: &Status) -> bool {
    let Some(mut error) = std::error::Error::source(status) else {
        return true;
    };
    // The transport wraps it when a call ends while its connection is still being made.
    while !error.is::<tonic::TimeoutExpired>() {
        let Some(source) = error.source() else {
            return false;
        };
        error = source;
    }
    true
}

/// Says whether the connection was not even made.
fn never_sent(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<wire::dial::ConnectError>() || error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("transport error")]
    struct Wrapped(#[source] tonic::TimeoutExpired);

    #[test]
    fn a_time_that_the_transport_found_over_is_one_however_it_is_wrapped() {
        let expired = || tonic::TimeoutExpired(());
        let sources: [std::sync::Arc<dyn std::error::Error + Send + Sync>; 2] = [
            std::sync::Arc::new(expired()),
            std::sync::Arc::new(Wrapped(expired())),
        ];
        for source in sources {
            let mut status = Status::cancelled("Timeout expired");
            status.set_source(source);
            assert!(is_timeout(&status), "{status:?}");
        }
        let mut status = Status::cancelled("reset");
        status.set_source(std::sync::Arc::new(std::fmt::Error));
        assert!(!is_timeout(&status));
    }
}
