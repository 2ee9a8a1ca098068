//! Which reason a rejection of the machine has: that of its AWS name, but for what this node knows
//! better.

use machine::Rejection;

use super::{Reason, Refusal};

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        let refusal = Self::new(reason(&rejection), rejection.to_string());
        match &rejection {
            Rejection::NotFounded => Self::not_founded(),
            Rejection::NotPrimary { region, .. } => refusal.with_primary(region),
            Rejection::Fenced { epoch, .. } => Self::taken_over(epoch),
            // What was never sent here is not told apart from what is not there.
            Rejection::SecretWithheld(_) => Self::no_secret(),
            // A version came, or went, while the others were sealed anew.
            Rejection::VersionsMissing => Self::superseded(rejection.to_string()),
            _ => refusal,
        }
    }
}

fn reason(rejection: &Rejection) -> Reason {
    match rejection {
        Rejection::SecretWithheld(_) => Reason::ResourceNotFound,
        Rejection::NotAReplica => Reason::InvalidParameter,
        // The first is decided again by the caller of `propose`, up to its limit: then it is
        // contention. The others pass by themselves.
        Rejection::AuthorizationMoved | Rejection::NotFounded | Rejection::VersionsMissing => {
            Reason::ServiceUnavailable
        }
        Rejection::DetachLimit => Reason::Throttling,
        Rejection::Fenced { .. } => Reason::NotPrimary,
        other => match other.aws_name() {
            "ValidationException" => Reason::Validation,
            "ResourceExistsException" => Reason::ResourceExists,
            "ResourceNotFoundException" => Reason::ResourceNotFound,
            "LimitExceededException" | "LimitExceeded" => Reason::LimitExceeded,
            "EntityAlreadyExists" => Reason::EntityExists,
            "NoSuchEntity" => Reason::NoEntity,
            "DeleteConflict" => Reason::DeleteConflict,
            "InvalidParameterException" => Reason::InvalidParameter,
            "EncryptionFailure" => Reason::EncryptionFailure,
            "AccessDeniedException" => Reason::AccessDenied,
            _ => Reason::InvalidRequest,
        },
    }
}
