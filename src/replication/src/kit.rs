//! Regions without nodes, and what is done to them, for the tests within this crate and beside it.
#![allow(
    dead_code,
    clippy::expect_used,
    reason = "each test takes what it needs, and much for granted"
)]

use std::sync::Arc;

use bytes::Bytes;
use machine::{
    AccountId, ArnSuffix, Audit, ClusterId, Command, CreateSecret, Cursor, Entry, Epoch, FeedId,
    Found, Hash, Introduction, IssueLinkToken, KeyId, KeyState, KeyVersion, KmsKey, LinkRegion,
    LogIndex, MACHINE_VERSION, NewVersion, Node, NodeId, Outcome, Region, RegionName, Rejection,
    Replica, RequestId, Revision, Scope, SealedValue, SecretName, Seen, ShareSecret, Stamp, State,
    Uid, ValueKind, VersionId, Wrap,
};

pub const CLUSTER: ClusterId = ClusterId([7; 16]);
/// The region that founds the cluster.
pub const NORTH: &str = "eu-north-1";
/// A region that is linked to it.
pub const WEST: &str = "eu-west-1";
/// Another one.
pub const SOUTH: &str = "eu-south-1";
/// The default key of every region.
pub const KEY: KeyId = KeyId([2; 16]);

pub fn name(region: &str) -> RegionName {
    RegionName::new(region).expect("a region")
}

pub fn home(region: &str) -> FeedId {
    FeedId::Home(name(region))
}

pub fn epoch(number: u64, region: &str) -> Epoch {
    let region = name(region);
    Epoch { number, region }
}

/// Where a feed begins.
pub fn start() -> Cursor {
    Cursor {
        epoch: None,
        revision: Revision(0),
        chain: Hash::ZERO,
    }
}

pub fn address(region: &str, node: u64) -> String {
    format!("{region}-{node}:7421")
}

/// A node of a region: its key is told by both.
pub fn node(region: &str, id: u64) -> Node {
    let first = region.as_bytes().get(3).copied().unwrap_or(0);
    Node {
        id: NodeId(id),
        peer_address: address(region, id),
        api_address: format!("{region}-{id}:7420"),
        public_key: Hash([first ^ u8::try_from(id).expect("a small id"); 32]),
    }
}

/// A region of one node as the directory has it.
pub fn entry(region: &str, scope: Scope) -> Region {
    Region {
        name: name(region),
        scope,
        authorities: vec![Bytes::from_static(b"authority")],
        nodes: vec![node(region, 1)],
        unlinked: None,
        signing_key: None,
    }
}

pub fn audit() -> Audit {
    Audit {
        caller: "admin".to_owned(),
        request_id: RequestId([0; 16]),
    }
}

pub fn account() -> AccountId {
    AccountId::new("000000000001").expect("an account")
}

pub fn found(region: &str, introduction: Option<Introduction>) -> Found {
    Found {
        cluster: CLUSTER,
        region: name(region),
        account: account(),
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
        node: node(region, 1),
        machine_version: MACHINE_VERSION,
        introduction,
    }
}

/// What a region is told that is linked to `others`.
pub fn introduction(others: Vec<Region>, region: &str, scope: Scope) -> Introduction {
    let mut regions = others;
    regions.push(entry(region, scope));
    Introduction {
        regions,
        home_exists: false,
    }
}

/// The commands that link a region.
pub fn link(region: &str, scope: Scope) -> [Command; 2] {
    let digest = Hash([region.as_bytes()[3]; 32]);
    let token = IssueLinkToken {
        digest,
        expires: Stamp(u64::MAX >> 12),
        region: name(region),
        scope,
    };
    let link = LinkRegion {
        token_digest: digest,
        region: entry(region, scope),
    };
    [Command::IssueLinkToken(token), Command::LinkRegion(link)]
}

pub fn replica(region: &str, kms_key: Option<&str>) -> Replica {
    Replica {
        region: name(region),
        kms_key: kms_key.map(str::to_owned),
        force: false,
    }
}

pub fn version_id(number: u8) -> VersionId {
    VersionId::new(&format!("{number:032}")).expect("a version id")
}

pub fn value(number: u8, bytes: usize) -> NewVersion {
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

/// A command that creates a secret of that number in a region's home feed.
pub fn create(
    region: &str,
    number: u64,
    new: NewVersion,
    replicas: Vec<Replica>,
) -> (Uid, CreateSecret) {
    let uid = home(region).uid_of(u128::from(number).to_be_bytes());
    let create = CreateSecret {
        uid,
        account: account(),
        name: SecretName::new(&format!("secret/{number}")).expect("a name"),
        arn_suffix: ArnSuffix::new("AbC123").expect("a suffix"),
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: Some(new),
        region: None,
        replicas,
        seen: Seen::default(),
    };
    (uid, create)
}

/// A region's state, and its log's end.
#[derive(Clone)]
pub struct Kingdom {
    pub state: State,
    index: u64,
}

impl Kingdom {
    /// The first region of a cluster.
    pub fn founder() -> Kingdom {
        Kingdom::found(NORTH, None)
    }

    /// A region that was linked to the founder, and has nothing of it yet.
    pub fn linked(region: &str, scope: Scope) -> Kingdom {
        let others = vec![entry(NORTH, Scope::Founder)];
        Kingdom::found(region, Some(introduction(others, region, scope)))
    }

    fn found(region: &str, introduction: Option<Introduction>) -> Kingdom {
        let mut kingdom = Kingdom {
            state: State::new(),
            index: 0,
        };
        kingdom.done(Command::Found(found(region, introduction)));
        kingdom
    }

    pub fn apply(&mut self, command: Command) -> Result<Outcome, Rejection> {
        self.index += 1;
        let entry = Entry {
            stamp: Stamp(1_000_000 + self.index),
            audit: audit(),
            seed: [u8::try_from(self.index % 251).expect("small"); 32],
            command,
        };
        machine::apply(&mut self.state, LogIndex(self.index), &entry).answer
    }

    /// Applies what must be accepted.
    pub fn done(&mut self, command: Command) -> Outcome {
        self.apply(command).expect("accepted")
    }

    pub fn link(&mut self, region: &str, scope: Scope) {
        for command in link(region, scope) {
            self.done(command);
        }
    }

    pub fn create(&mut self, number: u8, replicas: Vec<Replica>) -> Uid {
        let region = self.state.region().expect("founded").to_string();
        let (uid, create) = create(&region, number.into(), value(number, 40), replicas);
        self.done(Command::CreateSecret(create));
        uid
    }

    pub fn share(&mut self, uid: Uid, replicas: Vec<Replica>) {
        let seen = Seen::default();
        self.done(Command::ShareSecret(ShareSecret {
            uid,
            replicas,
            seen,
        }));
    }

    pub fn stands(&self, feed: &FeedId) -> Cursor {
        let held = self.state.feed(feed);
        held.map_or_else(start, machine::Feed::cursor)
    }
}
