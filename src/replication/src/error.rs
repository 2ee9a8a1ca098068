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
    /// The region has as many calls under way as it may.
    #[error("region {0} has too many calls under way on this node")]
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
    /// One word for a program, in `ErrorInfo.metadata["cause"]`.
    fn cause(&self) -> &'static str {
        match self {
            Refused::NotANode => "NotANode",
            Refused::OtherCluster => "OtherCluster",
            Refused::OwnRegion => "OwnRegion",
            Refused::OtherSender => "OtherSender",
            Refused::NotLinked(_) => "NotLinked",
            Refused::NodeUnknown { .. } => "NodeUnknown",
            Refused::KeyNotPinned { .. } => "KeyNotPinned",
            Refused::Malformed(_) => "Malformed",
            Refused::NoKey => "NoKey",
            Refused::Busy(_) => "Busy",
            Refused::NotPrimary { .. } => "NotPrimary",
            Refused::Silent => "Silent",
            Refused::Expired => "Expired",
            Refused::BucketTooLarge => "BucketTooLarge",
            Refused::NoRandomness => "NoRandomness",
            Refused::Unavailable(_) => "Unavailable",
            Refused::Rejected(_) => "Rejected",
            Refused::Stopping => "Stopping",
        }
    }

    /// The code, the reason of docs/errors.md and its advice.
    fn names(&self) -> (Code, &'static str, &'static str) {
        match self {
            Refused::NotANode
            | Refused::OtherCluster
            | Refused::OwnRegion
            | Refused::OtherSender
            | Refused::NotLinked(_)
            | Refused::NodeUnknown { .. }
            | Refused::KeyNotPinned { .. } => {
                (Code::PermissionDenied, "AccessDeniedException", "no")
            }
            Refused::Malformed(_) | Refused::NoKey => {
                (Code::InvalidArgument, "SerializationException", "no")
            }
            Refused::Busy(_) => (Code::ResourceExhausted, "ThrottlingException", "safe"),
            Refused::NotPrimary { .. } | Refused::Rejected(_) | Refused::BucketTooLarge => {
                (Code::FailedPrecondition, "InvalidRequestException", "no")
            }
            Refused::Unavailable(error) if !error.is_safe_to_retry() => {
                (Code::Unavailable, "OutcomeUnknown", "unknown")
            }
            Refused::Silent
            | Refused::Expired
            | Refused::NoRandomness
            | Refused::Unavailable(_)
            | Refused::Stopping => (Code::Unavailable, "ServiceUnavailable", "safe"),
        }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Status {
        let (code, reason, retry) = refused.names();
        let mut metadata = HashMap::from([
            ("retry".to_owned(), retry.to_owned()),
            ("cause".to_owned(), refused.cause().to_owned()),
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
