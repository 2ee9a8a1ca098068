//! GetStatus: this node, and the region as it sees it.

use consensus::{Role, Status, View};
use machine::{LogIndex, MACHINE_VERSION};
use wire::admin::v1 as api;

use super::Admin;
use super::nodes::nodes;
use super::regions::feed_position;
use crate::times::{duration, timestamp};

impl Admin {
    pub(super) fn node_status(&self) -> api::GetStatusResponse {
        let view = self.consensus.local_view();
        let status = self.consensus.status();
        api::GetStatusResponse {
            node: Some(self.node(&view, &status)),
            region: Some(region(&view, &status)),
            nodes: nodes(&view, &status),
        }
    }

    fn node(&self, view: &View, status: &Status) -> api::NodeStatus {
        let index = |index: Option<LogIndex>| index.map_or(0, |index| index.0);
        let readiness = match self.status.check() {
            Ok(()) => "ready",
            Err(reason) => reason.name(),
        };
        api::NodeStatus {
            id: status.node.0,
            role: role(status.role).into(),
            term: status.term,
            last_log_index: index(status.last_log),
            committed_index: index(status.committed),
            applied_index: view.index().0,
            node_hash: view.node_hash().0.to_vec(),
            snapshot_index: status.snapshot.map(|index| index.0),
            purged_index: status.purged.map(|index| index.0),
            quorum_answer_age: status.last_quorum_ack_age.map(duration),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            machine_version_supported: MACHINE_VERSION.0,
            certificate_expires: Some(timestamp(self.status.certificate_expires())),
            started: Some(timestamp(self.status.started)),
            readiness: readiness.to_owned(),
            certificate_issuer: self.status.certificate_issuer(),
        }
    }
}

fn region(view: &View, status: &Status) -> api::RegionStatus {
    let text = |name: Option<String>| name.unwrap_or_default();
    let counts = view.counts();
    let mut feeds: Vec<_> = view.epochs().map(|(feed, _)| feed.clone()).collect();
    feeds.sort_unstable();
    api::RegionStatus {
        cluster: text(view.cluster().map(|cluster| cluster.to_string())),
        region: text(view.region().map(ToString::to_string)),
        account: text(view.account().map(ToString::to_string)),
        leader: status.leader.map(|leader| leader.0),
        machine_version: view.machine_version().map_or(0, |version| version.0),
        secrets: counts.secrets,
        versions: counts.versions,
        positions: feeds
            .iter()
            .filter_map(|feed| feed_position(view, feed))
            .collect(),
    }
}

fn role(role: Role) -> api::NodeRole {
    match role {
        Role::Leader => api::NodeRole::Leader,
        Role::Follower => api::NodeRole::Follower,
        Role::Candidate => api::NodeRole::Candidate,
        Role::Learner => api::NodeRole::Learner,
        Role::Stopped => api::NodeRole::Shutdown,
    }
}
