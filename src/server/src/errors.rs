//! The one place where a refusal becomes a status: AWS error name, gRPC code and retry advice.

mod elsewhere;
mod rejections;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use consensus::{MembershipError, Unavailable};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "strongroom";

/// Stands where a number is not known.
pub const UNKNOWN: &str = "unknown";

/// Stands for a change that came between two looks of one call.
const SUPERSEDED: &str = "Superseded";

/// Whether the same call may be sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// Nothing was done: the call may be sent again as it is.
    Safe,
    /// The outcome is unknown: send it again with the same `ClientRequestToken` only.
    Unknown,
    /// The answer will be the same.
    No,
}

impl Retry {
    fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unknown => "unknown",
            Self::No => "no",
        }
    }
}

/// The AWS name of an error, or ours where AWS has none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// No such secret, version or label.
    ResourceNotFound,
    /// The name or the token is taken.
    ResourceExists,
    /// A parameter is not acceptable.
    InvalidParameter,
    /// The parameters do not fit the state of the secret.
    InvalidRequest,
    /// There is a principal, a policy or a credential like it.
    EntityExists,
    /// No such principal, policy, credential, provider or account.
    NoEntity,
    /// Something stands in the way of a deletion.
    DeleteConflict,
    /// A document is no policy.
    MalformedDocument,
    /// A document is no resource policy.
    MalformedResourcePolicy,
    /// A resource policy gives broad access.
    PublicPolicy,
    /// A parameter breaks the constraints of the model.
    Validation,
    /// The paging token is not of this list.
    InvalidNextToken,
    /// A bound is reached.
    LimitExceeded,
    /// The stored value did not open.
    DecryptionFailure,
    /// The value could not be sealed.
    EncryptionFailure,
    /// Not allowed.
    AccessDenied,
    /// This node is at its limit.
    Throttling,
    /// Something here is broken.
    InternalService,
    /// A member of the API that comes with a later release.
    NotYet,
    /// No quorum, no leader, or the node is stopping.
    ServiceUnavailable,
    /// The write may or may not have happened.
    OutcomeUnknown,
    /// A position that the history no longer holds.
    PositionLost,
    /// Another region has taken over what the call is about.
    NotPrimary,
    /// The state is older than the caller accepts.
    TooStale,
    /// The rpc is not served.
    UnknownOperation,
    /// The request is not what its message type says.
    Serialization,
    /// Neither a client certificate nor a token.
    MissingAuthentication,
    /// The token is none that is good here.
    UnrecognizedClient,
    /// The session has ended.
    ExpiredToken,
    /// The deadline passed.
    RequestTimeout,
}

impl Reason {
    /// The name in `ErrorInfo.reason`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::ResourceExists => "ResourceExistsException",
            Self::InvalidParameter => "InvalidParameterException",
            Self::InvalidRequest => "InvalidRequestException",
            Self::EntityExists => "EntityAlreadyExists",
            Self::NoEntity => "NoSuchEntity",
            Self::DeleteConflict => "DeleteConflict",
            Self::MalformedDocument => "MalformedPolicyDocument",
            Self::MalformedResourcePolicy => "MalformedPolicyDocumentException",
            Self::PublicPolicy => "PublicPolicyException",
            Self::Validation => "ValidationException",
            Self::InvalidNextToken => "InvalidNextTokenException",
            Self::LimitExceeded => "LimitExceededException",
            Self::DecryptionFailure => "DecryptionFailure",
            Self::EncryptionFailure => "EncryptionFailure",
            Self::AccessDenied => "AccessDeniedException",
            Self::Throttling => "ThrottlingException",
            Self::InternalService => "InternalServiceError",
            Self::NotYet => "NotYetSupported",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::OutcomeUnknown => "OutcomeUnknown",
            Self::PositionLost => "PositionLost",
            Self::NotPrimary => "NotPrimary",
            Self::TooStale => "TooStale",
            Self::UnknownOperation => "UnknownOperationException",
            Self::Serialization => "SerializationException",
            Self::MissingAuthentication => "MissingAuthenticationTokenException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::RequestTimeout => "RequestTimeout",
        }
    }

    /// The gRPC code and the retry advice that go with the name.
    #[must_use]
    pub fn code(self) -> (Code, Retry) {
        match self {
            Self::ResourceNotFound | Self::NoEntity => (Code::NotFound, Retry::No),
            Self::ResourceExists | Self::EntityExists => (Code::AlreadyExists, Retry::No),
            Self::InvalidParameter
            | Self::Validation
            | Self::InvalidNextToken
            | Self::MalformedDocument
            | Self::MalformedResourcePolicy
            | Self::PublicPolicy
            | Self::Serialization => (Code::InvalidArgument, Retry::No),
            Self::InvalidRequest | Self::DeleteConflict => (Code::FailedPrecondition, Retry::No),
            Self::LimitExceeded => (Code::ResourceExhausted, Retry::No),
            Self::DecryptionFailure => (Code::DataLoss, Retry::No),
            Self::EncryptionFailure | Self::NotPrimary => (Code::FailedPrecondition, Retry::No),
            Self::InternalService => (Code::Internal, Retry::No),
            Self::AccessDenied => (Code::PermissionDenied, Retry::No),
            Self::Throttling => (Code::ResourceExhausted, Retry::Safe),
            Self::NotYet | Self::UnknownOperation => (Code::Unimplemented, Retry::No),
            Self::ServiceUnavailable | Self::TooStale => (Code::Unavailable, Retry::Safe),
            Self::OutcomeUnknown => (Code::Unavailable, Retry::Unknown),
            Self::PositionLost => (Code::Aborted, Retry::No),
            Self::MissingAuthentication | Self::UnrecognizedClient | Self::ExpiredToken => {
                (Code::Unauthenticated, Retry::No)
            }
            Self::RequestTimeout => (Code::DeadlineExceeded, Retry::Unknown),
        }
    }
}

/// A call that is not answered with what it asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    reason: Reason,
    code: Code,
    message: Cow<'static, str>,
    hints: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal for this reason, with the text the caller reads.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            code: reason.code().0,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// `InvalidParameterException`.
    pub fn parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::InvalidParameter, message)
    }

    /// `InvalidRequestException`.
    pub fn request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::InvalidRequest, message)
    }

    /// `InvalidRequestException` for a request that no state of the secret would make right.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: Code::InvalidArgument,
            ..Self::request(message)
        }
    }

    /// `ValidationException` in the words of the service's framework. The value is not repeated:
    /// it may be a secret, or a megabyte.
    #[must_use]
    pub fn constraint(place: &str, constraint: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value at '{place}' failed to satisfy constraint: \
             Member must {constraint}"
        );
        Self::new(Reason::Validation, message)
    }

    /// `ResourceNotFoundException` for a secret.
    #[must_use]
    pub fn no_secret() -> Self {
        Self::new(
            Reason::ResourceNotFound,
            "Secrets Manager can't find the specified secret.",
        )
    }

    /// A member of the API that comes with a later release.
    #[must_use]
    pub fn not_yet(member: &str) -> Self {
        let message = format!("{member} is not supported yet by this release.");
        Self::new(Reason::NotYet, message).with_hint("member", member.to_owned())
    }

    /// `ServiceUnavailable` for a node that belongs to no region yet.
    #[must_use]
    pub fn not_founded() -> Self {
        Self::new(
            Reason::ServiceUnavailable,
            "This node belongs to no region yet.",
        )
    }

    /// `ServiceUnavailable` for a region that was linked and does not have the root feed yet, so
    /// that it knows no caller.
    #[must_use]
    pub fn no_root_feed() -> Self {
        Self::new(
            Reason::ServiceUnavailable,
            "This region waits for the root feed.",
        )
    }

    /// `ServiceUnavailable` for a secret that is here, but for a value that was not sent yet.
    #[must_use]
    pub fn on_the_way() -> Self {
        Self::new(Reason::ServiceUnavailable, "The value is on its way.")
    }

    /// `ServiceUnavailable` for what was overtaken by a change between two looks of one call: the
    /// call is made again here, a few times.
    #[must_use]
    pub fn superseded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::ServiceUnavailable, message).with_hint("cause", SUPERSEDED.to_owned())
    }

    /// Whether that is why.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        let mut hints = self.hints.iter();
        hints.any(|(name, value)| *name == "cause" && value == SUPERSEDED)
    }

    /// `TooStale`: how old the state is, if that is known.
    #[must_use]
    pub fn too_stale(staleness: Option<Duration>) -> Self {
        let message = match staleness.map(|staleness| staleness.as_millis()) {
            Some(ms) => format!("The state of this region is {ms} ms old, more than asked for."),
            None => "How old the state of this region is, is not known.".to_owned(),
        };
        Self::new(Reason::TooStale, message).with_staleness(staleness)
    }

    /// Adds how old the state is that the refusal comes of.
    #[must_use]
    pub fn with_staleness(self, staleness: Option<Duration>) -> Self {
        let shown = staleness.map(|staleness| staleness.as_millis().to_string());
        let shown = shown.unwrap_or_else(|| UNKNOWN.to_owned());
        self.with_hint("staleness_ms", shown)
    }

    /// `UnrecognizedClientException`: the same for whatever is wrong with a token.
    #[must_use]
    pub fn bad_token() -> Self {
        Self::new(
            Reason::UnrecognizedClient,
            "The security token included in the request is invalid.",
        )
    }

    /// `ExpiredTokenException` for the session of a token that was right.
    #[must_use]
    pub fn expired_token() -> Self {
        Self::new(
            Reason::ExpiredToken,
            "The security token included in the request is expired.",
        )
    }

    /// `ServiceUnavailable` for a region that may not know what became of a session since.
    #[must_use]
    pub fn too_late() -> Self {
        Self::new(
            Reason::ServiceUnavailable,
            "This region follows the root feed too late to take sessions of other regions.",
        )
    }

    /// `AccessDeniedException`; says nothing about what was asked for.
    #[must_use]
    pub fn denied() -> Self {
        Self::new(
            Reason::AccessDenied,
            "You are not authorized to perform this operation.",
        )
    }

    /// `InternalServiceError`; the cause is logged, not told.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            Reason::InternalService,
            "An error occurred on the server side.",
        )
    }

    /// Adds one more entry to the metadata of the error.
    #[must_use]
    pub fn with_hint(mut self, name: &'static str, value: String) -> Self {
        self.hints.push((name, value));
        self
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The text the caller reads.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        let reason = match &unavailable {
            Unavailable::OutcomeUnknown => Reason::OutcomeUnknown,
            Unavailable::Overloaded => Reason::Throttling,
            Unavailable::EntryTooLarge { .. } => Reason::InvalidParameter,
            Unavailable::Fenced { epoch, .. } => return Self::taken_over(epoch),
            _ => Reason::ServiceUnavailable,
        };
        let refusal = Self::new(reason, unavailable.to_string());
        match unavailable {
            Unavailable::NoLeader {
                leader: Some(leader),
            } => refusal.with_hint("leader", leader.to_string()),
            Unavailable::NoSpace => refusal.with_hint("cause", "NoSpace".to_owned()),
            _ => refusal,
        }
    }
}

impl From<MembershipError> for Refusal {
    fn from(error: MembershipError) -> Self {
        let reason = match error {
            MembershipError::Unavailable(unavailable) => return unavailable.into(),
            MembershipError::UnknownNode { .. } => Reason::ResourceNotFound,
            MembershipError::AddressDiffers { .. } => Reason::ResourceExists,
            MembershipError::InProgress => Reason::ServiceUnavailable,
            MembershipError::NotCaughtUp { .. }
            | MembershipError::NotHeard { .. }
            | MembershipError::Lags { .. }
            | MembershipError::BelowQuorum { .. }
            | MembershipError::NotAVoter { .. } => Reason::InvalidRequest,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (_, retry) = refusal.reason.code();
        let mut metadata = HashMap::from([("retry".to_owned(), retry.name().to_owned())]);
        let hints = refusal.hints.into_iter();
        metadata.extend(hints.map(|(name, value)| (name.to_owned(), value)));
        let details = ErrorDetails::with_error_info(refusal.reason.name(), ERROR_DOMAIN, metadata);
        Self::with_error_details(refusal.code, refusal.message, details)
    }
}
