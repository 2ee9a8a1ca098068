//! Another region, as a state without nodes, and what a region that follows it is sent.

use bytes::Bytes;
use machine::{
    AccountId, ActivateSnapshot, ArnSuffix, Body, Command, CreateSecret, Cursor, Entry, FeedId,
    FillRows, Found, Hash, ImportChanges, ImportedChange, Introduction, IssueLinkToken, LinkRegion,
    LogIndex, NewVersion, PutSecretValue, RegionName, Replica, RowKey, Scope, SecretName, Seen,
    SentBody, ShareSecret, StageRows, StagedRow, Stamp, State, Uid, UnshareSecret, Wrap,
};

use super::node::{Disk, REGION, Settings, member};
use super::region::{ACCOUNT, KEY, Region, audit, found, uid_of};
use crate::Unavailable;

/// The other region: it founded the cluster.
pub(super) const OTHER: &str = "us-east-1";

/// The region that founded the cluster.
#[derive(Clone)]
pub(super) struct Remote {
    pub(super) state: State,
    index: u64,
}

pub(super) fn name(region: &str) -> RegionName {
    RegionName::new(region).expect("a region")
}

pub(super) fn home(region: &str) -> FeedId {
    FeedId::Home(name(region))
}

fn described(region: &str, scope: Scope) -> machine::Region {
    machine::Region {
        name: name(region),
        scope,
        authorities: vec![Bytes::from_static(b"der")],
        nodes: vec![member(1)],
        unlinked: None,
        signing_key: None,
    }
}

/// How the test region is founded that is linked to the other one.
pub(super) fn linked(scope: Scope) -> Found {
    Found {
        introduction: Some(Introduction {
            regions: vec![described(OTHER, Scope::Founder), described(REGION, scope)],
            home_exists: false,
        }),
        ..found()
    }
}

impl Remote {
    /// Founds it, and links the test region to it.
    pub(super) fn new(scope: Scope) -> Remote {
        let mut remote = Remote {
            state: State::new(),
            index: 0,
        };
        remote.does(Command::Found(Found {
            region: name(OTHER),
            ..found()
        }));
        let digest = Hash([7; 32]);
        remote.does(Command::IssueLinkToken(IssueLinkToken {
            digest,
            expires: Stamp(1_000_000),
            region: name(REGION),
            scope,
        }));
        remote.does(Command::LinkRegion(LinkRegion {
            token_digest: digest,
            region: described(REGION, scope),
        }));
        remote
    }

    pub(super) fn does(&mut self, command: Command) {
        self.index += 1;
        let seed = u8::try_from(self.index % 251).expect("small");
        apply(&mut self.state, self.index, seed, command);
    }

    /// Creates a secret that the test region gets a copy of.
    pub(super) fn creates(&mut self, number: u64, value: NewVersion) -> Uid {
        let uid = uid_of(OTHER, number);
        self.does(Command::CreateSecret(CreateSecret {
            uid,
            account: AccountId::new(ACCOUNT).expect("an account"),
            name: SecretName::new(&format!("other/{number}")).expect("a name"),
            arn_suffix: ArnSuffix::new("AbC123").expect("a suffix"),
            description: String::new(),
            kms_key: None,
            tags: Vec::new(),
            new: Some(value),
            region: None,
            replicas: vec![copy()],
            seen: Seen::default(),
        }));
        uid
    }

    pub(super) fn puts(&mut self, uid: Uid, new: NewVersion) {
        self.does(Command::PutSecretValue(PutSecretValue {
            uid,
            new,
            labels: Vec::new(),
            young_protection_ms: 0,
            seen: Seen::default(),
        }));
    }

    pub(super) fn shares(&mut self, uid: Uid) {
        self.does(Command::ShareSecret(ShareSecret {
            uid,
            replicas: vec![copy()],
            seen: Seen::default(),
        }));
    }

    pub(super) fn unshares(&mut self, uid: Uid) {
        self.does(Command::UnshareSecret(UnshareSecret {
            uid,
            regions: vec![name(REGION)],
            seen: Seen::default(),
        }));
    }

    /// All changes of a feed that a state has not, in one entry.
    pub(super) fn changes(&self, feed: &FeedId, of: &State) -> ImportChanges {
        let held = of.feed(feed).map(machine::Feed::cursor);
        let after = held.unwrap_or(Cursor {
            epoch: None,
            revision: Default::default(),
            chain: Hash::ZERO,
        });
        let outgoing = self.state.outgoing(feed, &after, &name(REGION));
        let changes = outgoing.expect("kept").map(|change| ImportedChange {
            header: change.header,
            body: sent(&change.key, change.body),
        });
        ImportChanges {
            feed: feed.clone(),
            changes: changes.collect(),
            after,
        }
    }

    /// All rows of its home feed that a state may have and has not.
    pub(super) fn rows(&self, of: &State) -> FillRows {
        let lacking = of.withheld_from(&RowKey::Machine);
        let rows = lacking.filter_map(|(key, _)| {
            let body = self.state.body_for(key, &name(REGION));
            Some((*key, sent(key, body)?))
        });
        FillRows {
            feed: home(OTHER),
            rows: rows.collect(),
        }
    }

    /// Its home feed as a snapshot, for a region that receives everything.
    pub(super) fn snapshot(&self) -> (StageRows, ActivateSnapshot) {
        let feed = home(OTHER);
        let held = self.state.feed(&feed).expect("a feed");
        let at = held.cursor();
        let rows = self.state.rows_of(&feed, None).map(|(key, row)| StagedRow {
            key,
            row: row.expect("in memory"),
            wrap: matches!(key, RowKey::Version(..)).then(wrap),
            problem: String::new(),
        });
        let rows: Vec<StagedRow> = rows.collect();
        let activate = ActivateSnapshot {
            feed: feed.clone(),
            at: at.clone(),
            feed_hash: held.hash(),
            rows: rows.len() as u64,
        };
        let first = 0;
        let stage = StageRows {
            feed,
            at,
            first,
            rows,
        };
        (stage, activate)
    }
}

/// Applies a command that is accepted.
pub(super) fn apply(state: &mut State, index: u64, seed: u8, command: Command) {
    let entry = Entry {
        stamp: Stamp(index),
        audit: audit(),
        seed: [seed; 32],
        command,
    };
    let applied = machine::apply(state, LogIndex(index), &entry);
    applied.answer.expect("accepted");
}

fn copy() -> Replica {
    Replica {
        region: name(REGION),
        kms_key: None,
        force: false,
    }
}

fn wrap() -> Wrap {
    Wrap {
        key_id: KEY,
        key_version: 1,
        wrapped_dek: Bytes::from_static(&[9; 48]),
    }
}

fn sent(key: &RowKey, body: Body) -> Option<SentBody> {
    let Body::Here(framed) = body else {
        return None;
    };
    Some(SentBody {
        blind: framed.blind,
        bytes: framed.bytes,
        wrap: matches!(key, RowKey::Version(..)).then(wrap),
        problem: String::new(),
    })
}

impl Region {
    /// A region that is linked to the other one, and follows its root feed.
    pub(super) async fn linked(remote: &Remote, disk: Disk, size: u64, settings: Settings) -> Self {
        let scope = remote.state.linked(&name(REGION)).expect("linked").scope;
        let region = Region::founded(disk, size, settings, linked(scope)).await;
        region.follow(remote, &FeedId::Root).await;
        region
    }

    /// Proposes a command that is accepted, again if another node leads meanwhile.
    pub(super) async fn accepts(&self, command: Command) {
        let mut is_unknown = false;
        loop {
            let via = self.leader().await;
            match self.propose(via, command.clone()).await {
                Ok(committed) => {
                    let rejected = committed.answer.err();
                    assert!(rejected.is_none() || is_unknown, "{rejected:?}");
                    return;
                }
                Err(Unavailable::OutcomeUnknown) => is_unknown = true,
                Err(error) => panic!("not committed: {error}"),
            }
        }
    }

    /// Takes in what it has not of a feed.
    pub(super) async fn follow(&self, remote: &Remote, feed: &FeedId) {
        let leader = self.leader().await;
        let changes = remote.changes(feed, &self.node(leader).consensus.local_view());
        self.accepts(Command::ImportChanges(changes)).await;
    }

    /// Takes in the rows of which it has only the commitments.
    pub(super) async fn fill(&self, remote: &Remote) {
        let leader = self.leader().await;
        let rows = remote.rows(&self.node(leader).consensus.local_view());
        assert!(!rows.rows.is_empty(), "nothing is lacking");
        self.accepts(Command::FillRows(rows)).await;
    }
}
