//! Which reason a rejection of the machine has: every one, so that a new one is thought of here.

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
        Rejection::TooLong { .. } => Reason::Validation,
        Rejection::NameTaken(_) | Rejection::VersionExists { .. } => Reason::ResourceExists,
        Rejection::SecretNotFound
        | Rejection::SecretWithheld(_)
        | Rejection::VersionNotFound(_)
        | Rejection::LabelNotFound(_)
        | Rejection::KeyNotFound(_)
        | Rejection::NodeNotFound(_)
        | Rejection::RegionUnknown(_)
        | Rejection::FeedNotFound(_) => Reason::ResourceNotFound,
        Rejection::SecretLimit
        | Rejection::VersionLimit
        | Rejection::LabelLimit
        | Rejection::JoinTokenLimit
        | Rejection::LinkTokenLimit
        | Rejection::RegionLimit
        | Rejection::FeedLimit(_)
        | Rejection::NodeLimit => Reason::LimitExceeded,
        Rejection::LabelElsewhere { .. }
        | Rejection::LabelNotAttached { .. }
        | Rejection::CurrentNotRemovable
        | Rejection::NothingToMove
        | Rejection::WindowInvalid
        | Rejection::TagInvalid
        | Rejection::TagReserved
        | Rejection::TagDuplicate
        | Rejection::TagLimit
        | Rejection::NotPrimary { .. }
        | Rejection::NotAReplica
        | Rejection::ReplicaRegionInvalid(_)
        | Rejection::ReplicasRemain { .. }
        | Rejection::RegionInvalid(_)
        | Rejection::RegionNameUnusable(_) => Reason::InvalidParameter,
        Rejection::KeyUnavailable(_) => Reason::EncryptionFailure,
        Rejection::JoinTokenUnknown
        | Rejection::JoinTokenExpired(_)
        | Rejection::JoinTokenUsed(_)
        | Rejection::LinkTokenUnknown
        | Rejection::LinkTokenExpired(_)
        | Rejection::LinkTokenUsed => Reason::AccessDenied,
        // The first is decided again by the caller of `propose`, up to its limit: then it is
        // contention. The others pass by themselves.
        Rejection::AuthorizationMoved | Rejection::NotFounded | Rejection::VersionsMissing => {
            Reason::ServiceUnavailable
        }
        Rejection::Fenced { .. } => Reason::NotPrimary,
        Rejection::AlreadyFounded
        | Rejection::MachineVersionUnknown(_)
        | Rejection::MachineVersionPassed(_)
        | Rejection::MachineVersionNeeded(_)
        | Rejection::StampOutOfRange
        | Rejection::AccountUnknown(_)
        | Rejection::UidTaken(_)
        | Rejection::NameScheduled
        | Rejection::SecretPurged
        | Rejection::SecretScheduled
        | Rejection::LabelMismatch
        | Rejection::KeyEmpty(_)
        | Rejection::JoinTokenExists
        | Rejection::NodeExists(_)
        | Rejection::NodeRetired(_)
        | Rejection::NodeKeyTaken(_)
        | Rejection::NodeLast(_)
        | Rejection::DayAhead(_)
        | Rejection::CursorMoved { .. }
        | Rejection::StreamBroken { .. }
        | Rejection::FeedIsOurs(_)
        | Rejection::SnapshotMoved(_)
        | Rejection::SnapshotForeign(_)
        | Rejection::LinkTokenExists
        | Rejection::RegionExists(_)
        | Rejection::RegionUnlinked(_)
        | Rejection::RegionIsPrimary { .. }
        | Rejection::NothingToTakeOver(_)
        | Rejection::ScopeNeeded(_) => Reason::InvalidRequest,
    }
}
