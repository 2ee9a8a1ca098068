//! A region of test nodes, and what tests ask of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use machine::{
    AccountId, AdmitNode, ArnSuffix, Audit, Command, CreateSecret, DeleteSecret, FeedId, Found,
    Hash, IssueJoinToken, KeyId, KeyState, KeyVersion, KmsKey, MACHINE_VERSION, NewVersion, NodeId,
    RegionName, RequestId, SealedValue, SecretName, Seen, Stamp, Uid, ValueKind, VersionId, Wrap,
};
use tokio::time::Instant;

use super::fabric::Fabric;
use super::node::{CLUSTER, Disk, REGION, Running, Settings, member};
use super::{eventually, soon};
use crate::{Committed, Consensus, Proposal, Role, Unavailable};

pub(super) const ACCOUNT: &str = "000000000001";
pub(super) const KEY: KeyId = KeyId([2; 16]);

static NEXT: AtomicU64 = AtomicU64::new(1);

pub(super) struct Region {
    pub(super) fabric: Arc<Fabric>,
    pub(super) nodes: BTreeMap<u64, Running>,
    pub(super) settings: Settings,
}

impl Region {
    /// Founds a region and adds nodes until it has `size` voters.
    pub(super) async fn of(size: u64, settings: Settings) -> Region {
        Region::on(Disk::memory(1), size, settings).await
    }

    /// The same, with the first node on `disk`.
    pub(super) async fn on(disk: Disk, size: u64, settings: Settings) -> Region {
        Region::founded(disk, size, settings, found()).await
    }

    /// The same, founded as it is told.
    pub(super) async fn founded(disk: Disk, size: u64, settings: Settings, found: Found) -> Region {
        let fabric = Fabric::new();
        let first = Running::start(disk, &fabric, settings).await;
        let mut region = Region {
            fabric,
            nodes: BTreeMap::from([(1, first.expect("a node"))]),
            settings,
        };
        region
            .node(1)
            .run(|consensus| async move { consensus.found(found, audit(), soon()).await })
            .await
            .expect("a founded region")
            .answer
            .expect("accepted");
        for node in 2..=size {
            region.join(Disk::memory(node)).await;
            region.promote(node).await;
        }
        region
    }

    pub(super) fn node(&self, node: u64) -> &Running {
        self.nodes.get(&node).expect("a node of the region")
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.nodes.keys().copied().collect()
    }

    pub(super) async fn start(&mut self, disk: Disk) {
        let node = disk.node;
        let started = Running::start(disk, &self.fabric, self.settings).await;
        self.nodes.insert(node, started.expect("a node"));
    }

    /// Starts a node, admits it and adds it as learner.
    pub(super) async fn join(&mut self, disk: Disk) {
        let node = disk.node;
        self.start(disk).await;
        self.admit(node).await;
    }

    /// Admits a node and adds it as learner, whether it runs or not.
    pub(super) async fn admit(&self, node: u64) {
        let digest = Hash([u8::try_from(node).expect("a small id"); 32]);
        let token = Command::IssueJoinToken(IssueJoinToken {
            digest,
            expires: Stamp(u64::MAX),
        });
        let admit = Command::AdmitNode(AdmitNode {
            token_digest: digest,
            node: member(node),
        });
        let leader = self.leader().await;
        for command in [token, admit] {
            let committed = self.propose(leader, command).await.expect("committed");
            committed.answer.expect("accepted");
        }
        self.node(leader)
            .run(move |consensus| async move { consensus.add_learner(&member(node), soon()).await })
            .await
            .expect("a learner");
    }

    pub(super) async fn promote(&self, node: u64) {
        let leader = self.leader().await;
        let deadline = soon();
        loop {
            let promoted = self
                .node(leader)
                .run(move |consensus| async move { consensus.promote(NodeId(node), soon()).await })
                .await;
            match promoted {
                Ok(()) => return,
                Err(error) => assert!(Instant::now() < deadline, "not promoted: {error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Waits until a node that runs says that it leads and that a quorum hears it.
    pub(super) async fn leader(&self) -> u64 {
        self.leader_among(&self.ids()).await
    }

    pub(super) async fn leader_among(&self, nodes: &[u64]) -> u64 {
        let mut leader = None;
        eventually("a leader", || {
            leader = nodes.iter().copied().find(|node| {
                let status = self.node(*node).consensus.status();
                let heard = status
                    .last_quorum_ack_age
                    .is_some_and(|age| age < std::time::Duration::from_millis(200));
                status.role == Role::Leader && (heard || status.voters.len() == 1)
            });
            leader.is_some()
        })
        .await;
        leader.expect("a leader")
    }

    /// Waits until the leader no longer counts a voter that is gone as one that answers.
    pub(super) async fn fall_silent(&self, leader: u64, gone: u64) {
        let members = &self.node(leader).consensus.inner.members;
        eventually("the leader notices the silence", || {
            !members.live_voters().contains(&gone)
        })
        .await;
    }

    pub(super) async fn propose(
        &self,
        via: u64,
        command: Command,
    ) -> Result<Committed, Unavailable> {
        self.node(via)
            .run(move |consensus| propose(consensus, command, soon()))
            .await
    }

    /// Deletes a secret at once.
    pub(super) async fn delete(&self, via: u64, uid: Uid) {
        let delete = Command::DeleteSecret(DeleteSecret {
            uid,
            window_days: None,
            seen: Seen::default(),
        });
        let committed = self.propose(via, delete).await.expect("committed");
        committed.answer.expect("accepted");
    }

    /// Writes a secret through `via` and answers its uid.
    pub(super) async fn write(&self, via: u64) -> Result<Uid, Unavailable> {
        let (uid, command) = create(None);
        let committed = self.propose(via, command).await?;
        committed.answer.expect("accepted");
        Ok(uid)
    }

    /// Whether a linearizable read at `at` shows the secret.
    pub(super) async fn shows(&self, at: u64, uid: Uid) -> Result<bool, Unavailable> {
        let read = self.node(at).run(move |consensus| async move {
            let view = consensus.read(soon()).await?;
            Ok(view.secret(&uid).is_some())
        });
        read.await
    }

    /// Waits until all nodes have applied the same index, and checks that they agree (I4).
    pub(super) async fn agree(&self) {
        eventually("the same index everywhere", || {
            let mut indexes = self.nodes.values().map(|node| {
                let view = node.consensus.local_view();
                (view.index(), view.node_hash())
            });
            let first = indexes.next();
            indexes.all(|other| Some(other) == first)
        })
        .await;
    }
}

pub(super) async fn propose(
    consensus: Consensus,
    command: Command,
    deadline: Instant,
) -> Result<Committed, Unavailable> {
    let proposal = Proposal {
        command,
        audit: audit(),
        deadline,
    };
    consensus.propose(proposal).await
}

pub(super) fn audit() -> Audit {
    Audit {
        caller: "admin".to_owned(),
        request_id: RequestId([0; 16]),
    }
}

pub(super) fn found() -> Found {
    Found {
        cluster: CLUSTER,
        region: RegionName::new(REGION).expect("a region"),
        account: AccountId::new(ACCOUNT).expect("an account"),
        administrator: "admin".to_owned(),
        default_key: KmsKey {
            id: KEY,
            alias: "alias/aws/secretsmanager".to_owned(),
            state: KeyState::Enabled,
            versions: vec![KeyVersion {
                version: 1,
                wrapped: Bytes::from_static(b"kek"),
                created: Stamp(1),
            }],
        },
        node: member(1),
        machine_version: MACHINE_VERSION,
        introduction: None,
    }
}

/// A uid that the home feed of a region gives out.
pub(super) fn uid_of(region: &str, number: u64) -> Uid {
    let mut random = [0; 16];
    random[8..].copy_from_slice(&number.to_be_bytes());
    FeedId::Home(RegionName::new(region).expect("a region")).uid_of(random)
}

/// A command that creates a secret nobody has created before.
pub(super) fn create(value: Option<NewVersion>) -> (Uid, Command) {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let uid = uid_of(REGION, number);
    let command = Command::CreateSecret(CreateSecret {
        uid,
        account: AccountId::new(ACCOUNT).expect("an account"),
        name: SecretName::new(&format!("secret/{number}")).expect("a name"),
        arn_suffix: ArnSuffix::new("AbC123").expect("a suffix"),
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: value,
        region: None,
        replicas: Vec::new(),
        seen: Seen::default(),
    });
    (uid, command)
}

pub(super) fn version_id(number: u8) -> VersionId {
    VersionId::new(&format!("{number:032}")).expect("a version id")
}

pub(super) fn value(number: u8, bytes: usize) -> NewVersion {
    NewVersion {
        id: version_id(number),
        kind: ValueKind::Binary,
        sealed: Arc::new(SealedValue {
            nonce: [number; 12],
            ciphertext: Bytes::from(vec![number; bytes]),
        }),
        wrap: Wrap {
            key_id: KEY,
            key_version: 1,
            wrapped_dek: Bytes::from(vec![number; 48]),
        },
    }
}
