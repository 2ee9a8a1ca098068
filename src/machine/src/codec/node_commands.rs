//! Commands about the nodes of a region, its rules and its feeds.

use crate::codec::copied;
use crate::command::{
    AdmitNode, Checkpoint, IssueJoinToken, RemoveNode, SetMachineVersion, TrimFeed,
};
use crate::storage;

impl From<&IssueJoinToken> for storage::IssueJoinToken {
    fn from(issue: &IssueJoinToken) -> storage::IssueJoinToken {
        storage::IssueJoinToken {
            digest: copied(&issue.digest.0),
            expires_ms: issue.expires.0,
        }
    }
}

impl From<&AdmitNode> for storage::AdmitNode {
    fn from(admit: &AdmitNode) -> storage::AdmitNode {
        storage::AdmitNode {
            token_digest: copied(&admit.token_digest.0),
            node_id: admit.node.id.0,
            node: Some((&admit.node).into()),
        }
    }
}

impl From<&RemoveNode> for storage::RemoveNode {
    fn from(remove: &RemoveNode) -> storage::RemoveNode {
        storage::RemoveNode {
            node_id: remove.node.0,
        }
    }
}

impl From<&SetMachineVersion> for storage::SetMachineVersion {
    fn from(set: &SetMachineVersion) -> storage::SetMachineVersion {
        storage::SetMachineVersion {
            version: set.version.0,
        }
    }
}

impl From<&Checkpoint> for storage::Checkpoint {
    fn from(checkpoint: &Checkpoint) -> storage::Checkpoint {
        storage::Checkpoint {
            feed: checkpoint.feed.to_string(),
        }
    }
}

impl From<&TrimFeed> for storage::TrimFeed {
    fn from(trim: &TrimFeed) -> storage::TrimFeed {
        storage::TrimFeed {
            feed: trim.feed.to_string(),
            upto: trim.upto.0,
        }
    }
}
