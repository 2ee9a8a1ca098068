//! Why a call of another region is refused, and how it is told.

use std::collections::HashMap;

use consensus::Unavailable;
use envelope::LinkFailed;
use machine::{FeedId, RegionName, Rejection};
use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::codec::Malformed;
use crate::limits::BUCKET_ROWS_MAX;

/// The domain of every `ErrorInfo`.
const ERROR_DOMAIN: &str = "strongroom";

/// Why a call of another region is refused.
#[derive(Debug, Clone, Error)]
pub(crate) enum Refused {
    /// The caller has no certificate, or one of a client.
    #[error("a node certificate is required")]
    NotANode,
    /// Its cluster is another one.
    #[error("the certificate is of another cluster")]
    OtherCluster,
    /// Nodes of one region do not follow each other.
    #[error("the certificate is of this very region")]
    OwnRegion,
    /// It says that it is somebody else.
    #[error("the message is of another cluster, region or node than the certificate")]
    OtherSender,
    /// The directory has no such region, or has it unlinked.
    #[error("region {0} is not linked with this one")]
    NotLinked(RegionName),
    /// The directory does not name the node.
    #[error("node {node} of region {region} is not in the region directory")]
    NodeUnknown {
        /// The region.
        region: RegionName,
        /// The node.
        node: u64,
    },
    /// The directory has another key.
    #[error("the key of node {node} of region {region} is not the pinned one")]
    KeyNotPinned {
        /// The region.
        region: RegionName,
        /// The node.
        node: u64,
    },
    /// The message is none.
    #[error("not a valid message: {0}")]
    Malformed(#[from] Malformed),
    /// The public key of a stream is none.
    #[error("public_key is not an X-Wing public key")]
    NoKey,
    /// The region has as many calls under way as it may, or has asked for as much as it may.
    #[error("region {0} makes too many calls to this node")]
    Busy(RegionName),
    /// Another region is primary of the feed.
    #[error("this region is not primary of feed {feed}{}", named(primary.as_ref()))]
    NotPrimary {
        /// The feed.
        feed: FeedId,
        /// The region that is, as far as this one knows.
        primary: Option<RegionName>,
    },
    /// The other end took nothing, or said nothing, for too long.
    #[error("the stream stood still for too long")]
    Silent,
    /// The stream has lasted as long as one may.
    #[error("the stream has lasted as long as one may; open another")]
    Expired,
    /// No entry can hold the rows of the bucket.
    #[error("the bucket has more than {BUCKET_ROWS_MAX} rows: take a snapshot of the feed")]
    BucketTooLarge,
    /// No key could be made for the stream.
    #[error("no key could be made for the stream")]
    NoRandomness,
    /// There was no quorum, or no leader.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The machine refused what was proposed for the caller.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// This node is stopping.
    #[error("this node is stopping")]
    Stopping,
}

impl Refused {
    /// The code, the reason of docs/errors.md, its advice, and one word for a program.
    fn names(&self) -> (Code, &'static str, &'static str, &'static str) {
        let denied = |cause| (Code::PermissionDenied, "AccessDeniedException", "no", cause);
        let malformed = |cause| (Code::InvalidArgument, "SerializationException", "no", cause);
        let refused = |cause| {
            (
                Code::FailedPrecondition,
                "InvalidRequestException",
                "no",
                cause,
            )
        };
        let later = |cause| (Code::Unavailable, "ServiceUnavailable", "safe", cause);
        match self {
            Refused::NotANode => denied("NotANode"),
            Refused::OtherCluster => denied("OtherCluster"),
            Refused::OwnRegion => denied("OwnRegion"),
            Refused::OtherSender => denied("OtherSender"),
            Refused::NotLinked(_) => denied("NotLinked"),
            Refused::NodeUnknown { .. } => denied("NodeUnknown"),
            Refused::KeyNotPinned { .. } => denied("KeyNotPinned"),
            Refused::Malformed(_) => malformed("Malformed"),
            Refused::NoKey => malformed("NoKey"),
            Refused::Busy(_) => (
                Code::ResourceExhausted,
                "ThrottlingException",
                "safe",
                "Busy",
            ),
            Refused::NotPrimary { .. } => refused("NotPrimary"),
            Refused::Rejected(_) => refused("Rejected"),
            Refused::BucketTooLarge => refused("BucketTooLarge"),
            Refused::Unavailable(error) if !error.is_safe_to_retry() => (
                Code::Unavailable,
                "OutcomeUnknown",
                "unknown",
                "Unavailable",
            ),
            Refused::Unavailable(_) => later("Unavailable"),
            Refused::Silent => later("Silent"),
            Refused::Expired => later("Expired"),
            Refused::NoRandomness => later("NoRandomness"),
            Refused::Stopping => later("Stopping"),
        }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Status {
        let (code, reason, retry, cause) = refused.names();
        let mut metadata = HashMap::from([
            ("retry".to_owned(), retry.to_owned()),
            ("cause".to_owned(), cause.to_owned()),
        ]);
        if let Refused::NotPrimary {
            primary: Some(primary),
            ..
        } = &refused
        {
            metadata.insert("primary".to_owned(), primary.to_string());
        }
        let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata);
        Status::with_error_details(code, refused.to_string(), details)
    }
}

impl From<LinkFailed> for Refused {
    fn from(failed: LinkFailed) -> Refused {
        match failed {
            LinkFailed::PublicKey { .. } => Refused::NoKey,
            _ => Refused::NoRandomness,
        }
    }
}

fn named(primary: Option<&RegionName>) -> String {
    primary.map_or_else(String::new, |region| format!("; region {region} is"))
}
