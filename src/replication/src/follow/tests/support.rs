//! Two regions without nodes: states, and what goes from one to the other.

use std::sync::Arc;

use bytes::Bytes;
use envelope::{LinkBinding, LinkKey, LinkOffer};
use machine::{
    AccountId, ArnSuffix, Audit, Body, ClusterId, Command, CreateSecret, Cursor, Entry, Epoch,
    FeedId, FillRows, Found, Hash, ImportChanges, Introduction, IssueLinkToken, KeyId, KeyState,
    KeyVersion, KmsKey, LinkRegion, LogIndex, MACHINE_VERSION, NewVersion, Node, NodeId, Outcome,
    Region, RegionName, Rejection, Replica, RequestId, Scope, SealedValue, SecretName, Seen,
    ShareSecret, Stamp, State, Uid, ValueKind, VersionId, Wrap,
};
use wire::replication::v1;

use crate::codec::{self, ReceivedBody};
use crate::follow::import::cursor;
use crate::follow::incoming::Incoming;
use crate::follow::lane::Batch;
use crate::follow::wraps::{Named, Place, Wraps};
use crate::options::Keys;

pub(super) const CLUSTER: ClusterId = ClusterId([9; 16]);
pub(super) const NORTH: &str = "eu-north-1";
pub(super) const WEST: &str = "eu-west-1";
pub(super) const SOUTH: &str = "eu-south-1";
/// The default key of every region.
pub(super) const DEFAULT: KeyId = KeyId([1; 16]);
/// What a data key looks like under the stream's key.
pub(super) const LINKED: &[u8] = b"linked";

pub(super) fn name(region: &str) -> RegionName {
    RegionName::new(region).unwrap()
}

pub(super) fn home(region: &str) -> FeedId {
    FeedId::Home(name(region))
}

pub(super) fn epoch(number: u64, region: &str) -> Epoch {
    Epoch {
        number,
        region: name(region),
    }
}

pub(super) fn node(region: &str, id: u64) -> Node {
    Node {
        id: NodeId(id),
        peer_address: format!("{region}-{id}:7421"),
        api_address: format!("{region}-{id}:7420"),
        public_key: Hash([id as u8; 32]),
    }
}

pub(super) fn entry(region: &str, scope: Scope) -> Region {
    Region {
        name: name(region),
        scope,
        authorities: vec![Bytes::from_static(b"authority")],
        nodes: vec![node(region, 1)],
        unlinked: None,
    }
}

/// A region's state, and its log's length.
#[derive(Clone)]
pub(super) struct Kingdom {
    pub(super) state: State,
    index: u64,
}

impl Kingdom {
    /// The first region of a cluster.
    pub(super) fn founder() -> Kingdom {
        Kingdom::found(NORTH, None)
    }

    /// A region that was linked to the founder, and has nothing of it yet.
    pub(super) fn linked(region: &str, scope: Scope) -> Kingdom {
        let regions = vec![entry(NORTH, Scope::Founder), entry(region, scope)];
        let introduction = Introduction {
            regions,
            home_exists: false,
        };
        Kingdom::found(region, Some(introduction))
    }

    fn found(region: &str, introduction: Option<Introduction>) -> Kingdom {
        let mut kingdom = Kingdom {
            state: State::new(),
            index: 0,
        };
        let found = Found {
            cluster: CLUSTER,
            region: name(region),
            account: account(),
            administrator: "admin".to_owned(),
            default_key: KmsKey {
                id: DEFAULT,
                alias: "alias/aws/secretsmanager".to_owned(),
                state: KeyState::Enabled,
                versions: vec![KeyVersion {
                    version: 1,
                    wrapped: Bytes::from_static(b"kek"),
                    created: Stamp(1),
                }],
            },
            node: node(region, 1),
            machine_version: MACHINE_VERSION,
            introduction,
        };
        kingdom.done(Command::Found(found));
        kingdom
    }

    pub(super) fn apply(&mut self, command: Command) -> Result<Outcome, Rejection> {
        self.index += 1;
        let entry = Entry {
            stamp: Stamp(1_000_000 + self.index),
            audit: Audit {
                caller: "admin".to_owned(),
                request_id: RequestId([0; 16]),
            },
            seed: [self.index as u8; 32],
            command,
        };
        machine::apply(&mut self.state, LogIndex(self.index), &entry).answer
    }

    pub(super) fn done(&mut self, command: Command) -> Outcome {
        self.apply(command).expect("accepted")
    }

    pub(super) fn link(&mut self, region: &str, scope: Scope) {
        let token_digest = Hash([region.as_bytes()[3]; 32]);
        self.done(Command::IssueLinkToken(IssueLinkToken {
            digest: token_digest,
            expires: Stamp(u64::MAX >> 12),
            region: name(region),
            scope,
        }));
        let region = entry(region, scope);
        self.done(Command::LinkRegion(LinkRegion {
            token_digest,
            region,
        }));
    }

    pub(super) fn create(&mut self, number: u8, replicas: Vec<Replica>) -> Uid {
        let feed = self.state.home().unwrap();
        let uid = feed.uid_of([number; 16]);
        self.done(Command::CreateSecret(CreateSecret {
            uid,
            account: account(),
            name: SecretName::new(&format!("secret/{number}")).unwrap(),
            arn_suffix: ArnSuffix::new("AbC123").unwrap(),
            description: String::new(),
            kms_key: None,
            tags: Vec::new(),
            new: Some(value(number)),
            region: None,
            replicas,
            seen: Seen::default(),
        }));
        uid
    }

    pub(super) fn share(&mut self, uid: Uid, replicas: Vec<Replica>) {
        let seen = Seen::default();
        self.done(Command::ShareSecret(ShareSecret {
            uid,
            replicas,
            seen,
        }));
    }

    pub(super) fn stands(&self, feed: &FeedId) -> Cursor {
        cursor(&self.state, feed)
    }

    /// What this region sends to another one of a feed, from where that one stands.
    pub(super) fn changes(&self, feed: &FeedId, to: &Kingdom) -> Vec<v1::Change> {
        let region = to.state.region().unwrap();
        let outgoing = self.state.outgoing(feed, &to.stands(feed), region);
        let outgoing = outgoing.unwrap().map(|change| {
            let wrapped = change.key.is_immutable().then(|| LINKED.to_vec());
            let body = match &change.body {
                Body::Here(framed) => Some(codec::body(framed, wrapped)),
                Body::Withheld | Body::Evicted => None,
            };
            v1::Change {
                header: change.header,
                body,
            }
        });
        outgoing.collect()
    }

    /// Takes all of a feed from its primary.
    pub(super) fn follow(&mut self, feed: &FeedId, from: &Kingdom, keys: &dyn Keys) {
        let batch = self.batch(feed, from.changes(feed, self));
        if !batch.changes.is_empty() {
            let import = self.import(&batch, keys);
            self.done(Command::ImportChanges(import));
        }
    }

    pub(super) fn batch(&self, feed: &FeedId, changes: Vec<v1::Change>) -> Batch {
        let after = self.stands(feed);
        let revisions = (after.revision.0 + 1..).map(machine::Revision);
        let read = changes.into_iter().zip(revisions);
        let read = read.map(|(change, next)| Incoming::read(feed, next, change).unwrap());
        Batch {
            feed: feed.clone(),
            after,
            changes: read.map(Arc::new).collect(),
            ahead: Vec::new(),
        }
    }

    pub(super) fn import(&self, batch: &Batch, keys: &dyn Keys) -> ImportChanges {
        self.wraps(&batch.feed, keys, |wraps| wraps.import(batch))
    }

    /// Takes rows of a feed from its primary by their keys.
    pub(super) fn fill(
        &mut self,
        feed: &FeedId,
        from: &Kingdom,
        keys: &[machine::RowKey],
        with: &dyn Keys,
    ) {
        let rows = keys.iter().filter_map(|key| {
            let row = match from.state.row(key)? {
                machine::RowRef::Here(row) => row,
                machine::RowRef::Evicted => return None,
            };
            let body = ReceivedBody {
                framed: row.framed_body()?,
                wrapped_dek: Bytes::from_static(LINKED),
            };
            let place = Place {
                key: *key,
                revision: row.origin()?.revision,
                commitment: row.commitment(),
            };
            let sent = |wraps: &Wraps<'_>| wraps.sent(place, &body, &Named::default());
            Some((*key, self.wraps(feed, with, sent)))
        });
        let rows: Vec<_> = rows.collect();
        let feed = feed.clone();
        self.done(Command::FillRows(FillRows { feed, rows }));
    }

    pub(super) fn wraps<T>(
        &self,
        feed: &FeedId,
        keys: &dyn Keys,
        use_them: impl FnOnce(&Wraps<'_>) -> T,
    ) -> T {
        use_them(&Wraps {
            keys,
            state: &self.state,
            own: self.state.region().unwrap(),
            feed,
            link: &link_key(),
        })
    }
}

/// Two linked regions: the second follows the first's root feed.
pub(super) fn pair(scope: Scope) -> (Kingdom, Kingdom) {
    let mut north = Kingdom::founder();
    north.link(WEST, scope);
    let mut west = Kingdom::linked(WEST, scope);
    west.follow(&FeedId::Root, &north, &TestKeys::default());
    (north, west)
}

pub(super) fn account() -> AccountId {
    AccountId::new("000000000001").unwrap()
}

pub(super) fn replica(region: &str, kms_key: Option<&str>) -> Replica {
    Replica {
        region: name(region),
        kms_key: kms_key.map(str::to_owned),
        force: false,
    }
}

pub(super) fn value(number: u8) -> NewVersion {
    NewVersion {
        id: version_id(number),
        kind: ValueKind::Binary,
        sealed: Arc::new(SealedValue {
            nonce: [number; 12],
            ciphertext: Bytes::from(vec![number; 40]),
        }),
        wrap: wrapped("default"),
    }
}

pub(super) fn version_id(number: u8) -> VersionId {
    VersionId::new(&format!("{number:032}")).unwrap()
}

pub(super) fn wrapped(key_name: &str) -> Wrap {
    Wrap {
        key_id: DEFAULT,
        key_version: 1,
        wrapped_dek: Bytes::copy_from_slice(key_name.as_bytes()),
    }
}

fn link_key() -> LinkKey {
    let binding = LinkBinding {
        cluster: CLUSTER.0,
        from: NORTH.to_owned(),
        to: WEST.to_owned(),
        stream: [3; 16],
    };
    let offer = LinkOffer::generate().unwrap();
    LinkKey::encapsulate(offer.public_key(), &binding)
        .unwrap()
        .0
}

/// Keys whose wraps are the name of the key they are under.
#[derive(Default)]
pub(super) struct TestKeys {
    /// A key name that does not wrap.
    pub(super) broken: Option<&'static str>,
}

impl Keys for TestKeys {
    fn send(&self, _: &State, _: &Uid, _: &VersionId, _: &Wrap, _: &LinkKey) -> Option<Vec<u8>> {
        Some(LINKED.to_vec())
    }

    fn take(
        &self,
        _: &State,
        key_name: Option<&str>,
        _: &Uid,
        _: &VersionId,
        _: &LinkKey,
        wrapped_dek: &[u8],
    ) -> Result<Wrap, String> {
        if wrapped_dek != LINKED || (key_name.is_some() && key_name == self.broken) {
            return Err("The key can't be used.".to_owned());
        }
        Ok(wrapped(key_name.unwrap_or("default")))
    }

    fn rewrap(
        &self,
        _: &State,
        key_name: Option<&str>,
        _: &Uid,
        _: &VersionId,
        wrap: &Wrap,
    ) -> Result<Option<Wrap>, String> {
        if key_name.is_some() && key_name == self.broken {
            return Err("The key can't be used.".to_owned());
        }
        let wanted = wrapped(key_name.unwrap_or("default"));
        Ok((*wrap != wanted).then_some(wanted))
    }
}

/// Numbers that follow from a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}
