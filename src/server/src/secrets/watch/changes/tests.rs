//! What a watch in one region tells of secrets that another one leads.

use bytes::Bytes;
use machine::{
    AccountId, ArnSuffix, Audit, Body, ClusterId, Command, CreateSecret, Cursor, DeleteSecret,
    Entry, FeedId, FillRows, Found, Hash, ImportChanges, ImportedChange, Introduction,
    IssueLinkToken, KeyId, KeyState, KeyVersion, KmsKey, LinkRegion, LogIndex, MACHINE_VERSION,
    Node, NodeId, Region, RegionName, Replica, RequestId, Revision, RowKey, Scope, SecretName,
    Seen, SentBody, ShareSecret, Stamp, State, TrimFeed, Uid, UnshareSecret, UpdateRegion,
};

use super::{changes, filled, is_all};
use crate::errors::{Reason, Refusal};
use crate::secrets::watch::place::Place;

const NORTH: &str = "eu-north-1";
const WEST: &str = "eu-west-1";

/// Two regions: what north creates, west follows.
struct Two {
    north: Site,
    west: Site,
}

struct Site {
    state: State,
    index: u64,
}

fn name(region: &str) -> RegionName {
    RegionName::new(region).unwrap()
}

fn home() -> FeedId {
    FeedId::Home(name(NORTH))
}

fn uid(number: u8) -> Uid {
    home().uid_of([number; 16])
}

fn node() -> Node {
    Node {
        id: NodeId(1),
        peer_address: "a:1".to_owned(),
        api_address: "a:2".to_owned(),
        public_key: Hash([1; 32]),
    }
}

fn region(region: &str, scope: Scope) -> Region {
    Region {
        name: name(region),
        scope,
        authorities: vec![Bytes::from_static(b"der")],
        nodes: vec![node()],
        unlinked: None,
        signing_key: None,
    }
}

fn found(region: &str, introduction: Option<Introduction>) -> Command {
    let version = KeyVersion {
        version: 1,
        wrapped: Bytes::from_static(&[7; 60]),
        created: Stamp(1),
    };
    Command::Found(Found {
        cluster: ClusterId([1; 16]),
        region: name(region),
        account: AccountId::new("000000000000").unwrap(),
        administrator: match introduction {
            None => "admin".to_owned(),
            Some(_) => String::new(),
        },
        default_key: KmsKey {
            id: KeyId([1; 16]),
            alias: crate::vault::DEFAULT_KEY_ALIAS.to_owned(),
            state: KeyState::Enabled,
            versions: vec![version],
        },
        node: node(),
        machine_version: MACHINE_VERSION,
        introduction,
    })
}

impl Site {
    fn new() -> Self {
        Self {
            state: State::new(),
            index: 0,
        }
    }

    #[track_caller]
    fn apply(&mut self, command: Command) {
        self.index += 1;
        let audit = Audit {
            caller: "test".to_owned(),
            request_id: RequestId([0; 16]),
        };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.index.to_be_bytes());
        let entry = Entry {
            stamp: Stamp(1_000 + self.index),
            audit,
            seed,
            command,
        };
        let applied = machine::apply(&mut self.state, LogIndex(self.index), &entry);
        applied.answer.unwrap();
    }

    fn cursor(&self, feed: &FeedId) -> Cursor {
        let held = self.state.feed(feed).map(machine::Feed::cursor);
        held.unwrap_or(Cursor {
            epoch: None,
            revision: Revision(0),
            chain: Hash::ZERO,
        })
    }
}

fn sent_body(body: Body) -> Option<SentBody> {
    match body {
        Body::Here(framed) => Some(SentBody {
            blind: framed.blind,
            bytes: framed.bytes,
            wrap: None,
            problem: String::new(),
        }),
        Body::Withheld | Body::Evicted => None,
    }
}

impl Two {
    fn new(scope: Scope) -> Self {
        let (mut north, mut west) = (Site::new(), Site::new());
        north.apply(found(NORTH, None));
        let own = region(NORTH, Scope::Founder);
        north.apply(Command::UpdateRegion(UpdateRegion { region: own }));
        let digest = Hash([9; 32]);
        north.apply(Command::IssueLinkToken(IssueLinkToken {
            digest,
            expires: Stamp(1_000_000),
            region: name(WEST),
            scope,
        }));
        north.apply(Command::LinkRegion(LinkRegion {
            token_digest: digest,
            region: region(WEST, scope),
        }));
        let introduction = Introduction {
            regions: north.state.regions().cloned().collect(),
            home_exists: false,
        };
        west.apply(found(WEST, Some(introduction)));
        let mut two = Self { north, west };
        two.follow();
        two
    }

    /// Takes in all that is new.
    fn follow(&mut self) {
        self.take_in(true);
    }

    /// Takes in all that is new, with bodies or without.
    fn take_in(&mut self, with_bodies: bool) {
        for feed in [FeedId::Root, home()] {
            let after = self.west.cursor(&feed);
            let sent = self.north.state.outgoing(&feed, &after, &name(WEST));
            let changes = sent.unwrap().map(|sent| ImportedChange {
                header: sent.header,
                body: sent_body(sent.body).filter(|_| with_bodies || feed == FeedId::Root),
            });
            let changes: Vec<ImportedChange> = changes.collect();
            if !changes.is_empty() {
                self.west.apply(Command::ImportChanges(ImportChanges {
                    feed,
                    after,
                    changes,
                }));
            }
        }
    }

    fn create(&mut self, number: u8) {
        self.north.apply(Command::CreateSecret(CreateSecret {
            uid: uid(number),
            account: AccountId::new("000000000000").unwrap(),
            name: SecretName::new(&format!("s{number}")).unwrap(),
            arn_suffix: ArnSuffix::new("AbCdEf").unwrap(),
            description: String::new(),
            kms_key: None,
            tags: Vec::new(),
            new: None,
            region: None,
            replicas: Vec::new(),
            seen: Seen::default(),
        }));
        self.follow();
    }

    /// Shares a secret, without the west being told of it.
    fn share_only(&mut self, number: u8) {
        let replica = Replica {
            region: name(WEST),
            kms_key: None,
            force: false,
        };
        self.north.apply(Command::ShareSecret(ShareSecret {
            uid: uid(number),
            replicas: vec![replica],
            seen: Seen::default(),
        }));
    }

    fn share(&mut self, number: u8) {
        self.share_only(number);
        self.follow();
    }

    /// Brings the west what of a secret was not sent at first.
    fn fill(&mut self, number: u8) {
        let key = RowKey::Secret(uid(number));
        let body = self.north.state.body_for(&key, &name(WEST));
        let rows = vec![(key, sent_body(body).unwrap())];
        let feed = home();
        self.west.apply(Command::FillRows(FillRows { feed, rows }));
    }

    fn unshare(&mut self, number: u8) {
        self.north.apply(Command::UnshareSecret(UnshareSecret {
            uid: uid(number),
            regions: vec![name(WEST)],
            seen: Seen::default(),
        }));
        self.follow();
    }

    fn purge(&mut self, number: u8) {
        self.north.apply(Command::DeleteSecret(DeleteSecret {
            uid: uid(number),
            window_days: None,
            seen: Seen::default(),
        }));
        self.follow();
    }

    /// Lets go of the journal in the west, but for what follows.
    fn trim(&mut self) {
        let upto = self.west.cursor(&home()).revision;
        let trim = TrimFeed { feed: home(), upto };
        self.west.apply(Command::TrimFeed(trim));
    }

    fn place(&self) -> Place {
        Place::of(&self.west.state)
    }

    /// What a watch in the west that is resumed at a place tells first: names, and whether they are
    /// here.
    fn resumed(&self, after: &Place) -> Result<Vec<(String, bool)>, Refusal> {
        self.told(&self.west.state, after)
    }

    fn told(&self, before: &State, after: &Place) -> Result<Vec<(String, bool)>, Refusal> {
        let state = &self.west.state;
        let (told, place) = changes(before, state, after)?;
        assert_eq!(place, self.place());
        let told = told.into_iter().map(|told| {
            let name = told.secret.name.to_string();
            (name, state.secret(&told.secret.uid).is_some())
        });
        Ok(told.collect())
    }
}

/// Asserts that a secret is told to be gone, or that the place is lost: a name that is not kept
/// cannot be told.
#[track_caller]
fn assert_gone_or_lost(told: Result<Vec<(String, bool)>, Refusal>, name: &str) {
    match told {
        Ok(told) => assert!(told.contains(&(name.to_owned(), false)), "{told:?}"),
        Err(refusal) => assert_eq!(refusal.reason(), Reason::PositionLost),
    }
}

#[test]
fn a_resumed_watch_never_keeps_silent_about_a_copy_that_is_gone() {
    for is_purged in [false, true] {
        let mut two = Two::new(Scope::Selected);
        two.create(1);
        two.share(1);
        let place = two.place();
        two.unshare(1);
        if is_purged {
            two.purge(1);
        }
        assert_gone_or_lost(two.resumed(&place), "s1");
    }
    let mut two = Two::new(Scope::All);
    two.create(1);
    let place = two.place();
    two.purge(1);
    assert_gone_or_lost(two.resumed(&place), "s1");
}

#[test]
fn a_watch_that_goes_on_names_what_is_gone() {
    let mut two = Two::new(Scope::Selected);
    two.create(1);
    two.share(1);
    let (before, place) = (two.west.state.clone(), two.place());
    two.unshare(1);
    let told = two.told(&before, &place).unwrap();
    assert_eq!(told, [("s1".to_owned(), false)]);
}

#[test]
fn what_was_never_here_does_not_lose_a_watch_its_place() {
    let mut two = Two::new(Scope::Selected);
    two.create(1);
    two.create(2);
    two.share(2);
    let place = two.place();
    two.purge(1);
    two.create(3);
    two.purge(3);
    assert!(two.resumed(&place).unwrap().is_empty());
    two.share(2);
    two.create(4);
    two.share(4);
    let told = two.resumed(&place).unwrap();
    assert_eq!(told, [("s4".to_owned(), true)]);
}

#[test]
fn a_place_is_lost_when_the_journal_does_not_reach_back_to_what_is_gone() {
    let mut two = Two::new(Scope::Selected);
    two.create(1);
    two.share(1);
    two.trim();
    let place = two.place();
    two.unshare(1);
    assert_gone_or_lost(two.resumed(&place), "s1");
}

#[test]
fn what_comes_without_a_change_is_noticed_however_much_else_happens() {
    let mut two = Two::new(Scope::Selected);
    two.create(1);
    two.share_only(1);
    two.take_in(false);
    let (before, place) = (two.west.state.clone(), two.place());
    assert!(before.secret(&uid(1)).is_none());
    // One row more is withheld, one less.
    two.create(2);
    two.fill(1);
    let now = &two.west.state;
    let (told, _) = changes(&before, now, &place).unwrap();
    assert!(told.is_empty());
    assert!(!is_all(&before, now, &told));
    let found = filled(&before, now);
    let names: Vec<&str> = found.iter().map(|told| told.secret.name.as_str()).collect();
    assert_eq!(names, ["s1"]);
    // What its feed tells is all.
    let (before, place) = (two.west.state.clone(), two.place());
    two.create(3);
    two.share(3);
    two.unshare(1);
    let (told, _) = changes(&before, &two.west.state, &place).unwrap();
    assert_eq!(told.len(), 2);
    assert!(is_all(&before, &two.west.state, &told));
}
