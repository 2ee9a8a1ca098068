//! What a script would take too long to reach.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::change::Change;
use crate::codec::Body;
use crate::command::{
    AdmitNode, Command, CreateAccount, CreateIdentity, CreatePolicy, CreateProvider, CreateSecret,
    Cursor, DeleteSecret, FillRows, ForgetRevocations, Found, ImportChanges, IssueJoinToken,
    KeyState, KeyVersion, KmsKey, Node, Revoke, Seen, SetMachineVersion, StageRows, StagedRow,
    TagResource,
};
use crate::decide::MACHINE_VERSION;
use crate::entity::{Document, EntityKind, EntityName, EntityPath, IssuerUrl, Quota};
use crate::entry::{Audit, Entry};
use crate::identity::{Nature, Revocation, Revoked};
use crate::ids::{
    ClusterId, Hash, KeyId, LogIndex, MachineVersion, NodeId, Ordinal, RequestId, Revision, Stamp,
    Uid,
};
use crate::limits::{
    ACCOUNTS_MAX, FEED_BYTES_MAX, FEED_ROWS_MAX, FORGOTTEN_MAX, GROUPS_MAX, NODES_EVER_MAX,
    POLICIES_MAX, PROVIDERS_MAX, REVOCATIONS_MAX, ROLES_MAX, SECRETS_MAX, STAGED_BYTES_MAX,
    TOMBSTONES_MAX, USERS_MAX,
};
use crate::names::{AccountId, ArnSuffix, NameError, RegionName, SecretName};
use crate::position::{Epoch, FeedId};
use crate::region::{Region, Scope};
use crate::rejection::Rejection;
use crate::row::{Kept, RetiredNode, Row, RowKey, Staging, Tombstone};
use crate::secret::{SealedValue, StoredVersion};
use crate::state::{RowRef, State, Weight};

#[test]
fn an_account_owns_no_more_secrets_than_it_may() -> Result<(), NameError> {
    let mut state = founded(MACHINE_VERSION)?;
    let account = AccountId::new("000000000001")?;
    let feed = FeedId::Home(RegionName::new("eu-north-1")?);
    let owner = (feed.uid(), account.clone());
    state.derived.owned.insert(owner, SECRETS_MAX - 1);
    assert!(
        crate::apply(&mut state, LogIndex(2), &entry(create(ours([1; 16])?)?))
            .answer
            .is_ok()
    );
    assert_eq!(state.secrets_owned(&feed, &account), SECRETS_MAX);
    let answer = crate::apply(&mut state, LogIndex(3), &entry(create(ours([2; 16])?)?)).answer;
    assert_eq!(answer, Err(Rejection::SecretLimit));
    Ok(())
}

/// A uid of the region's own home feed.
fn ours(random: [u8; 16]) -> Result<Uid, NameError> {
    Ok(FeedId::Home(RegionName::new("eu-north-1")?).uid_of(random))
}

fn founded(machine_version: MachineVersion) -> Result<State, NameError> {
    let mut state = State::new();
    let version = KeyVersion {
        version: 1,
        wrapped: Default::default(),
        created: Stamp(0),
    };
    let found = Command::Found(Found {
        cluster: ClusterId([0; 16]),
        region: RegionName::new("eu-north-1")?,
        account: AccountId::new("000000000001")?,
        administrator: String::new(),
        default_key: KmsKey {
            id: KeyId([0; 16]),
            alias: String::new(),
            state: KeyState::Enabled,
            versions: vec![version],
        },
        node: Node {
            id: NodeId(1),
            peer_address: String::new(),
            api_address: String::new(),
            public_key: Hash::ZERO,
        },
        machine_version,
        introduction: None,
    });
    let applied = crate::apply(&mut state, LogIndex(1), &entry(found));
    assert!(applied.answer.is_ok());
    Ok(state)
}

/// As if so many secrets had been purged, one in each millisecond.
fn with_remains(version: MachineVersion, count: u64) -> Result<State, NameError> {
    let mut state = founded(version)?;
    let (feed, epoch) = (state.home().unwrap_or(FeedId::Root), Revision(1));
    for number in 1..=count {
        let uid = Uid(u128::from(number).to_be_bytes());
        let tombstone = Tombstone {
            purged: Stamp(number),
        };
        let kept = Kept::fed(tombstone, &feed, feed.uid(), epoch, &Hash::ZERO);
        put(
            &mut state,
            RowKey::Tombstone(uid),
            Tombstone::into_row(Arc::new(kept)),
        );
    }
    Ok(state)
}

fn put(state: &mut State, key: RowKey, row: Row) {
    state.evolve(&Change {
        key,
        row: Some(row),
        header: None,
    });
}

#[test]
fn the_oldest_of_what_is_left_of_secrets_is_forgotten_when_there_is_too_much()
-> Result<(), NameError> {
    let max = TOMBSTONES_MAX as u64;
    for (version, left) in [(MachineVersion(1), max + 1), (MACHINE_VERSION, max)] {
        let mut state = with_remains(version, max)?;
        let uid = ours([9; 16])?;
        let delete = Command::DeleteSecret(DeleteSecret {
            uid,
            window_days: None,
            seen: Seen::default(),
        });
        for (index, command) in [create(uid)?, delete].into_iter().enumerate() {
            let index = LogIndex(2 + index as u64);
            let applied = crate::apply(&mut state, index, &entry(command));
            assert!(applied.answer.is_ok());
        }
        assert_eq!(state.counts().tombstones, left);
        assert!(state.tombstone(&uid).is_some());
        let first = Uid(1u128.to_be_bytes());
        assert_eq!(state.tombstone(&first).is_some(), version < MACHINE_VERSION);
    }
    Ok(())
}

#[test]
fn a_region_admits_no_node_once_it_has_had_too_many() -> Result<(), NameError> {
    for version in [MachineVersion(1), MACHINE_VERSION] {
        let mut state = founded(version)?;
        for number in 1..NODES_EVER_MAX as u64 {
            let retired = RetiredNode {
                retired: Stamp(number),
            };
            let row = RetiredNode::into_row(Arc::new(Kept::local(&retired)));
            put(&mut state, RowKey::RetiredNode(NodeId(1 + number)), row);
        }
        let digest = Hash([7; 32]);
        let issue = Command::IssueJoinToken(IssueJoinToken {
            digest,
            expires: Stamp(1_000_000),
        });
        let admit = Command::AdmitNode(AdmitNode {
            token_digest: digest,
            node: Node {
                id: NodeId(u64::MAX),
                peer_address: "peer".to_owned(),
                api_address: "api".to_owned(),
                public_key: Hash([1; 32]),
            },
        });
        let issued = crate::apply(&mut state, LogIndex(2), &entry(issue)).answer;
        assert!(issued.is_ok());
        let admitted = crate::apply(&mut state, LogIndex(3), &entry(admit)).answer;
        match version < MACHINE_VERSION {
            true => assert!(admitted.is_ok()),
            false => assert_eq!(admitted, Err(Rejection::NodeLimit)),
        }
    }
    Ok(())
}

#[test]
fn an_entry_forgets_no_more_than_it_may_however_much_is_left() -> Result<(), NameError> {
    let count = TOMBSTONES_MAX + 1_000;
    let mut state = with_remains(MachineVersion(1), count as u64)?;
    let version = MACHINE_VERSION;
    let uid = ours([9; 16])?;
    let delete = Command::DeleteSecret(DeleteSecret {
        uid,
        window_days: None,
        seen: Seen::default(),
    });
    let set = Command::SetMachineVersion(SetMachineVersion { version });
    let mut changes = 0;
    for (index, command) in [create(uid)?, set, delete].into_iter().enumerate() {
        let index = LogIndex(2 + index as u64);
        let applied = crate::apply(&mut state, index, &entry(command));
        assert!(applied.answer.is_ok());
        changes = applied.changes.len();
    }
    let left = count - FORGOTTEN_MAX + 1;
    assert_eq!(state.counts().tombstones, left as u64);
    // Each is deleted and said so in the journal; the rest is the secret's own.
    assert!(changes < 2 * FORGOTTEN_MAX + 10, "{changes}");
    Ok(())
}

fn create(uid: Uid) -> Result<Command, NameError> {
    Ok(Command::CreateSecret(CreateSecret {
        uid,
        account: AccountId::new("000000000001")?,
        name: SecretName::new(&uid.to_string())?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: None,
        region: None,
        replicas: Vec::new(),
        seen: Seen::default(),
    }))
}

fn entry(command: Command) -> Entry {
    let audit = Audit {
        caller: String::new(),
        request_id: RequestId([0; 16]),
    };
    Entry {
        stamp: Stamp(1),
        audit,
        seed: [0; 32],
        command,
    }
}

#[test]
fn a_full_feed_takes_nothing_more_from_callers_or_from_its_primary() -> Result<(), NameError> {
    let mut state = founded(MACHINE_VERSION)?;
    let (uid, home) = (ours([1; 16])?, FeedId::Home(RegionName::new("eu-north-1")?));
    assert!(apply(&mut state, 2, create(uid)?).is_ok());
    let limit = Err(Rejection::FeedLimit(home.clone()));
    let full = [(FEED_ROWS_MAX, 0), (0, FEED_BYTES_MAX)];
    for (rows, bytes) in full {
        weigh(&mut state, &home, rows, bytes);
        assert_eq!(apply(&mut state, 3, create(ours([2; 16])?)?), limit);
        let tag = Command::TagResource(TagResource {
            uid,
            tags: Vec::new(),
            seen: Seen::default(),
        });
        assert_eq!(apply(&mut state, 4, tag), limit);
        // Who follows it goes on, for what was on the way, and not for ever.
        let import = |state: &State| {
            let cursor = state.feed(&home).map(|feed| feed.cursor());
            Some(Command::ImportChanges(ImportChanges {
                feed: home.clone(),
                after: cursor?,
                changes: Vec::new(),
            }))
        };
        let fill = Command::FillRows(FillRows {
            feed: home.clone(),
            rows: Vec::new(),
        });
        let commands = [import(&state).expect("a feed"), fill];
        for command in &commands {
            assert!(apply(&mut state, 5, command.clone()).is_ok());
        }
        weigh(&mut state, &home, rows / 8 * 9, bytes / 8 * 9);
        for command in commands {
            assert_eq!(apply(&mut state, 6, command), limit);
        }
    }
    // What makes it smaller is always taken.
    let delete = Command::DeleteSecret(DeleteSecret {
        uid,
        window_days: None,
        seen: Seen::default(),
    });
    assert!(apply(&mut state, 7, delete).is_ok());
    Ok(())
}

fn weigh(state: &mut State, feed: &FeedId, rows: u64, bytes: u64) {
    let feed = state.feeds.get_mut(&feed.uid()).expect("a feed");
    feed.weight = Weight { rows, bytes };
}

fn apply(state: &mut State, index: u64, command: Command) -> Result<Outcome, Rejection> {
    crate::apply(state, LogIndex(index), &entry(command)).answer
}

#[test]
fn a_feed_is_weighed_by_its_rows_whatever_became_of_them() -> Result<(), NameError> {
    let mut state = founded(MACHINE_VERSION)?;
    let home = FeedId::Home(RegionName::new("eu-north-1")?);
    let uid = ours([1; 16])?;
    assert!(apply(&mut state, 2, create(uid)?).is_ok());
    let weight = |state: &State| state.feed(&home).map(|feed| feed.weight());
    let rows = |state: &State| state.rows_of(&home, None).count() as u64;
    assert_eq!(weight(&state).map(|weight| weight.rows), Some(rows(&state)));
    let before = weight(&state);
    let key = RowKey::Secret(uid);
    let row = match state.row(&key) {
        Some(RowRef::Here(row)) => row,
        other => panic!("{other:?}"),
    };
    put(&mut state, key, row.without_body().expect("a feed row"));
    assert_eq!(weight(&state).map(|weight| weight.rows), Some(rows(&state)));
    assert_ne!(weight(&state), before);
    put(&mut state, key, row);
    assert_eq!(weight(&state), before);
    Ok(())
}

#[test]
fn a_snapshot_keeps_no_more_values_than_it_may() -> Result<(), NameError> {
    let mut state = founded(MACHINE_VERSION)?;
    let name = RegionName::new("eu-west-1")?;
    let region = Region {
        scope: Scope::All,
        ..Region::founder(name.clone())
    };
    let root = FeedId::Root;
    let kept = Kept::fed(region, &root, root.uid(), Revision(9), &Hash::ZERO);
    put(
        &mut state,
        RowKey::Region(Ordinal(2)),
        Region::into_row(Arc::new(kept)),
    );
    let feed = FeedId::Home(name.clone());
    let epoch = Epoch {
        number: 1,
        region: name,
    };
    let at = Cursor {
        epoch: Some(epoch),
        revision: Revision(9),
        chain: Hash::ZERO,
    };
    let staging = Staging {
        feed: feed.clone(),
        at: at.clone(),
        rows: 0,
        bytes: STAGED_BYTES_MAX,
    };
    let staging = Staging::into_row(Arc::new(Kept::local(&staging)));
    put(&mut state, RowKey::Staging(feed.uid()), staging);
    let key = RowKey::Version(feed.uid_of([1; 16]), Ordinal(1));
    let value = StoredVersion {
        sealed: Arc::new(SealedValue {
            nonce: [0; 12],
            ciphertext: Default::default(),
        }),
        description: None,
    };
    let value = Kept::fed(value, &feed, feed.uid(), Revision(2), &Hash::ZERO);
    let value = StoredVersion::into_row(Arc::new(value));
    let hidden = value.without_body().expect("a feed row");
    let stage = |row: Row| {
        Command::StageRows(StageRows {
            feed: feed.clone(),
            at: at.clone(),
            first: 0,
            rows: vec![StagedRow {
                key,
                row,
                wrap: None,
                problem: String::new(),
            }],
        })
    };
    let refused = apply(&mut state, 2, stage(value));
    assert!(
        matches!(refused, Err(Rejection::TooLong { .. })),
        "{refused:?}"
    );
    assert!(apply(&mut state, 3, stage(hidden)).is_ok());
    Ok(())
}

/// An identity of the account that a cluster begins with, under a uid of its own.
fn identity(number: u8, nature: Nature) -> Result<Command, NameError> {
    Ok(Command::CreateIdentity(CreateIdentity {
        uid: FeedId::Root.uid_of([number; 16]),
        account: AccountId::new("000000000001")?,
        path: EntityPath::root(),
        name: EntityName::new(&format!("i{number}"))?,
        nature,
        tags: Vec::new(),
        boundary: None,
        regions: Vec::new(),
        seen: Seen::default(),
    }))
}

fn policy(number: u8) -> Result<Command, NameError> {
    Ok(Command::CreatePolicy(CreatePolicy {
        uid: FeedId::Root.uid_of([number; 16]),
        account: AccountId::new("000000000001")?,
        path: EntityPath::root(),
        name: EntityName::new(&format!("p{number}"))?,
        document: Document::new("{}"),
        description: String::new(),
        seen: Seen::default(),
    }))
}

fn provider(number: u8) -> Result<Command, NameError> {
    Ok(Command::CreateProvider(CreateProvider {
        uid: FeedId::Root.uid_of([number; 16]),
        account: AccountId::new("000000000001")?,
        issuer: IssuerUrl::new(&format!("https://{number}.example"))?,
        audiences: vec!["a".to_owned()],
        keys: Document::new(""),
        authority: Document::new(""),
        seen: Seen::default(),
    }))
}

#[test]
fn an_account_has_no_more_of_a_kind_than_it_may() -> Result<(), NameError> {
    let account = AccountId::new("000000000001")?;
    let role = Nature::Role {
        trust: Document::new("{}"),
        session_seconds_max: 3600,
    };
    let user = Nature::User { groups: Vec::new() };
    let cases = [
        (
            EntityKind::User,
            Quota::Users,
            USERS_MAX,
            identity(1, user.clone())?,
            identity(2, user)?,
        ),
        (
            EntityKind::Group,
            Quota::Groups,
            GROUPS_MAX,
            identity(3, Nature::Group)?,
            identity(4, Nature::Group)?,
        ),
        (
            EntityKind::Role,
            Quota::Roles,
            ROLES_MAX,
            identity(5, role.clone())?,
            identity(6, role)?,
        ),
        (
            EntityKind::Policy,
            Quota::Policies,
            POLICIES_MAX,
            policy(7)?,
            policy(8)?,
        ),
        (
            EntityKind::Provider,
            Quota::Providers,
            PROVIDERS_MAX,
            provider(9)?,
            provider(10)?,
        ),
    ];
    let mut state = founded(MACHINE_VERSION)?;
    for (kind, quota, max, last, more) in cases {
        let owner = (account.clone(), kind);
        state.entities.owned.insert(owner, max - 1);
        assert!(apply(&mut state, 2, last).is_ok());
        assert_eq!(state.entities_owned(&account, kind), max);
        let full = Err(Rejection::LimitExceeded(quota, max as u64));
        assert_eq!(apply(&mut state, 3, more), full);
    }
    Ok(())
}

#[test]
fn there_are_no_more_accounts_and_revocations_than_there_may_be() -> Result<(), NameError> {
    let mut state = founded(MACHINE_VERSION)?;
    let create = |number: u64| -> Result<Command, NameError> {
        Ok(Command::CreateAccount(CreateAccount {
            id: AccountId::new(&format!("{number:012}"))?,
            name: "n".to_owned(),
            seen: Seen::default(),
        }))
    };
    let last = ACCOUNTS_MAX as u64;
    for number in 2..=last {
        assert!(apply(&mut state, number, create(number)?).is_ok());
    }
    let full = Err(Rejection::LimitExceeded(Quota::Accounts, last));
    assert_eq!(apply(&mut state, last + 1, create(last + 1)?), full);
    let root = FeedId::Root;
    let revoke = |uid: Uid, session: &str| {
        Command::Revoke(Revoke {
            uid,
            what: Revoked::Session(session.to_owned()),
            reason: String::new(),
            until: Stamp(1_000_000),
            seen: Seen::default(),
        })
    };
    for number in 1..REVOCATIONS_MAX as u64 {
        let uid = Uid(u128::from(number).to_be_bytes());
        let revocation = Revocation {
            uid,
            what: Revoked::Session(format!("s{number}")),
            reason: String::new(),
            revoked: Stamp(1),
            until: Stamp(2 + number / 100),
        };
        let kept = Kept::fed(revocation, &root, root.uid(), Revision(1), &Hash::ZERO);
        let row = Revocation::into_row(Arc::new(kept));
        put(&mut state, RowKey::Revocation(uid), row);
    }
    assert!(apply(&mut state, last + 2, revoke(root.uid_of([1; 16]), "a")).is_ok());
    let max = REVOCATIONS_MAX as u64;
    let full = Err(Rejection::LimitExceeded(Quota::Revocations, max));
    let more = revoke(root.uid_of([2; 16]), "b");
    assert_eq!(apply(&mut state, last + 3, more.clone()), full);
    // Those that are over go a few at a time, and make room.
    let forget = Command::ForgetRevocations(ForgetRevocations);
    assert!(apply(&mut state, last + 4, forget).is_ok());
    assert_eq!(state.revocations().count(), REVOCATIONS_MAX - FORGOTTEN_MAX);
    assert!(apply(&mut state, last + 5, more).is_ok());
    Ok(())
}
