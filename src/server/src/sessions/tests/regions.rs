//! Two regions without nodes: states, and vaults with keys of their own. What one is sent goes as
//! it does between nodes, data keys under a link key.

use std::sync::Arc;

use envelope::{LinkBinding, LinkKey, LinkOffer, RootKey};
use machine::{
    AccountId, Audit, Body, ClusterId, Command, Cursor, Entry, FeedId, Found, Hash, ImportChanges,
    ImportedChange, Introduction, IssueLinkToken, LinkRegion, LogIndex, MACHINE_VERSION, Node,
    NodeId, Outgoing, Region, RegionName, RequestId, Revision, Scope, SentBody, Stamp, State,
    UpdateRegion, Wrap,
};
use replication::Keys;

use crate::sessions::Sessions;
use crate::vault::Vault;

pub const FIRST: &str = "eu-west-1";
pub const SECOND: &str = "eu-west-2";
const CLUSTER: [u8; 16] = [1; 16];

pub struct Rig {
    pub name: RegionName,
    pub state: State,
    pub vault: Arc<Vault>,
    pub sessions: Sessions,
    /// What the leader's clock shows, in milliseconds.
    pub now_ms: u64,
    index: u64,
}

/// The first region, and a second one that is linked to it and follows the root feed. Neither has
/// keys for sessions.
pub fn two() -> (Rig, Rig) {
    let mut first = Rig::found(FIRST, None);
    let introduction = Introduction {
        regions: vec![entry(FIRST, Scope::Founder), entry(SECOND, Scope::All)],
        home_exists: false,
    };
    let mut second = Rig::found(SECOND, Some(introduction));
    let digest = Hash([5; 32]);
    first.done(Command::UpdateRegion(UpdateRegion {
        region: entry(FIRST, Scope::Founder),
    }));
    first.done(Command::IssueLinkToken(IssueLinkToken {
        digest,
        expires: Stamp(u64::MAX >> 12),
        region: second.name.clone(),
        scope: Scope::All,
    }));
    first.done(Command::LinkRegion(LinkRegion {
        token_digest: digest,
        region: entry(SECOND, Scope::All),
    }));
    second.follow(&first);
    (first, second)
}

/// The same, with a session key and a signing key of each that the directory tells of.
pub fn ready() -> (Rig, Rig) {
    let (mut first, mut second) = two();
    first.rotate();
    first.sign();
    second.sign();
    first.tell(&second.entry());
    first.tell(&first.entry());
    second.follow(&first);
    (first, second)
}

impl Rig {
    fn found(region: &str, introduction: Option<Introduction>) -> Self {
        let root = RootKey::generate().unwrap();
        let vault = Arc::new(Vault::new(root, CLUSTER, region.to_owned()));
        let found = Found {
            cluster: ClusterId(CLUSTER),
            region: name(region),
            account: AccountId::new("111122223333").unwrap(),
            administrator: "admin".to_owned(),
            default_key: vault.make_default_key(Stamp(1)).unwrap(),
            node: node(region),
            machine_version: MACHINE_VERSION,
            introduction,
        };
        let mut rig = Self {
            name: name(region),
            state: State::new(),
            sessions: Sessions::new(Arc::clone(&vault)),
            vault,
            now_ms: 1_796_040_000_000,
            index: 0,
        };
        rig.done(Command::Found(found));
        rig
    }

    pub fn done(&mut self, command: Command) {
        self.index += 1;
        let entry = Entry {
            stamp: Stamp(self.now_ms),
            audit: Audit {
                caller: "test".to_owned(),
                request_id: RequestId([0; 16]),
            },
            seed: [0; 32],
            command,
        };
        let applied = machine::apply(&mut self.state, LogIndex(self.index), &entry);
        applied.answer.unwrap();
    }

    /// Makes a new session key.
    pub fn rotate(&mut self) {
        let rotate = self.vault.make_session_key(&self.state, 0).unwrap();
        self.done(Command::RotateSessionKey(rotate));
    }

    /// Makes the key by which this region signs.
    pub fn sign(&mut self) {
        let keep = self.vault.make_signing_key(&self.state).unwrap();
        self.done(Command::KeepSigningKey(keep));
    }

    /// What the directory is to say of this region.
    pub fn entry(&self) -> Region {
        Region {
            signing_key: self.state.signing_key().map(|key| key.public_key),
            ..entry(self.name.as_str(), Scope::Founder)
        }
    }

    /// Puts it there.
    pub fn tell(&mut self, region: &Region) {
        let region = region.clone();
        self.done(Command::UpdateRegion(UpdateRegion { region }));
    }

    /// Takes what is new of the root feed.
    pub fn follow(&mut self, from: &Rig) {
        self.follow_but(from, &[]);
    }

    /// The same; the data keys of some rows cannot be sent.
    pub fn follow_but(&mut self, from: &Rig, unsent: &[[u8; 16]]) {
        let feed = FeedId::Root;
        let held = self.state.feed(&feed).map(|feed| feed.cursor());
        let after = held.unwrap_or(Cursor {
            epoch: None,
            revision: Revision(0),
            chain: Hash::ZERO,
        });
        let (out, into) = link(from, self);
        let changes: Vec<Outgoing> = from
            .state
            .outgoing(&feed, &after, &self.name)
            .unwrap()
            .collect();
        let changes = changes.into_iter().map(|change| {
            let wrap = self.wrap(from, &change, &(&out, &into), unsent);
            let Body::Here(framed) = change.body else {
                return ImportedChange {
                    header: change.header,
                    body: None,
                };
            };
            ImportedChange {
                header: change.header,
                body: Some(SentBody {
                    blind: framed.blind,
                    bytes: framed.bytes,
                    wrap,
                    problem: String::new(),
                }),
            }
        });
        let changes: Vec<ImportedChange> = changes.collect();
        if changes.is_empty() {
            return;
        }
        self.done(Command::ImportChanges(ImportChanges {
            feed,
            after,
            changes,
        }));
    }

    fn wrap(
        &self,
        from: &Rig,
        change: &Outgoing,
        (out, into): &(&LinkKey, &LinkKey),
        unsent: &[[u8; 16]],
    ) -> Option<Wrap> {
        let (uid, version) = (change.key.uid(), change.key.seals_as()?);
        let wrap = from.state.root_wrap(&uid)?;
        if unsent.contains(&uid.0) {
            return None;
        }
        let sent = from.vault.send(&from.state, &uid, &version, wrap, out)?;
        let taken = self
            .vault
            .take(&self.state, None, &uid, &version, into, &sent);
        Some(taken.unwrap())
    }
}

/// The two ends of a stream.
fn link(from: &Rig, to: &Rig) -> (LinkKey, LinkKey) {
    let binding = LinkBinding {
        cluster: CLUSTER,
        from: from.name.to_string(),
        to: to.name.to_string(),
        stream: [3; 16],
    };
    let offer = LinkOffer::generate().unwrap();
    let (out, encapsulated) = LinkKey::encapsulate(offer.public_key(), &binding).unwrap();
    (out, offer.accept(&encapsulated, &binding).unwrap())
}

fn name(region: &str) -> RegionName {
    RegionName::new(region).unwrap()
}

fn node(region: &str) -> Node {
    Node {
        id: NodeId(1),
        peer_address: format!("{region}:7421"),
        api_address: format!("{region}:7420"),
        public_key: Hash([region.as_bytes()[8]; 32]),
    }
}

fn entry(region: &str, scope: Scope) -> Region {
    Region {
        name: name(region),
        scope,
        authorities: vec![bytes::Bytes::from_static(b"authority")],
        nodes: vec![node(region)],
        unlinked: None,
        signing_key: None,
    }
}
