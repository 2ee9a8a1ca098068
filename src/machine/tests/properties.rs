//! Random commands against the machine: what must hold after every entry, whatever was asked.

mod support;

use std::collections::BTreeSet;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::{Config as ProptestConfig, TestCaseError};
use proptest::{collection, option, prop_oneof, sample};
use sha2::{Digest as _, Sha256};
use strongroom_machine::{
    AdmitNode, Answer, Applied, ArnSuffix, Change, Checkpoint, Command, CreateSecret, DecodeError,
    DeleteSecret, Entry, FeedId, Hash, IssueJoinToken, Label, LogIndex, Op, PurgeSecret,
    PutSecretValue, RecordAccess, RegionName, RemoveNode, RestoreSecret, Revision, Row, RowKey,
    SecretName, Seen, SeenRow, Stamp, State, Tag, TagResource, Token, TrimFeed, UntagResource,
    UpdateSecret, UpdateSecretVersionStage, apply, limits,
};

use support::{Failure, account, entry, found, new, node, reload, uid, version, wrap};

const DAY_MS: u64 = limits::DAY_MS;

/// What a random caller asks. Few names, so that callers meet.
#[derive(Debug, Clone)]
enum Ask {
    Create {
        uid: u64,
        name: u8,
        version: Option<u8>,
        tags: Vec<(u8, u8)>,
    },
    Put {
        uid: u64,
        version: u8,
        labels: Vec<&'static str>,
        young_days: u64,
        seen: Option<u64>,
    },
    Update {
        uid: u64,
        text: Option<u8>,
        key: Option<bool>,
        rewrap: Vec<u8>,
        version: Option<u8>,
    },
    Stage {
        uid: u64,
        label: &'static str,
        from: Option<u8>,
        to: Option<u8>,
    },
    Delete {
        uid: u64,
        days: Option<u32>,
    },
    Restore {
        uid: u64,
    },
    Purge {
        uid: u64,
        off_by_ms: u64,
    },
    Tag {
        uid: u64,
        tags: Vec<(u8, u8)>,
    },
    Untag {
        uid: u64,
        keys: Vec<u8>,
    },
    Access {
        day: u32,
        touched: Vec<(u64, u8)>,
    },
    Token {
        number: u8,
        days: u64,
    },
    Admit {
        token: u8,
        node: u64,
        key: u8,
    },
    Remove {
        node: u64,
    },
    Checkpoint {
        root: bool,
    },
    Trim {
        root: bool,
        upto: u64,
    },
}

fn asks() -> impl Strategy<Value = Ask> {
    let labels = ["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING", "A", "B"];
    let label = sample::select(labels.to_vec());
    let some = |strategy: std::ops::Range<u8>| option::of(strategy);
    let tags = || collection::vec((0..4u8, any::<u8>()), 0..3);
    let secret = || {
        prop_oneof![
            (1..6u64, 0..4u8, some(0..3), tags()).prop_map(|(uid, name, version, tags)| {
                Ask::Create {
                    uid,
                    name,
                    version,
                    tags,
                }
            }),
            (1..6u64, option::of(7..31u32)).prop_map(|(uid, days)| Ask::Delete { uid, days }),
            (1..6u64).prop_map(|uid| Ask::Restore { uid }),
            (1..6u64, 0..2u64).prop_map(|(uid, off_by_ms)| Ask::Purge { uid, off_by_ms }),
        ]
    };
    let put = (
        1..6u64,
        0..12u8,
        collection::vec(label.clone(), 0..4),
        0..3u64,
    );
    let put = (put, option::of(0..40u64)).prop_map(|((uid, version, labels, young_days), seen)| {
        Ask::Put {
            uid,
            version,
            labels,
            young_days,
            seen,
        }
    });
    let rewrap = collection::vec(0..12u8, 0..3);
    let update = (
        1..6u64,
        some(0..9),
        option::of(any::<bool>()),
        rewrap,
        some(0..12),
    );
    let update = update.prop_map(|(uid, text, key, rewrap, version)| Ask::Update {
        uid,
        text,
        key,
        rewrap,
        version,
    });
    let stage =
        (1..6u64, label, some(0..12), some(0..12)).prop_map(|(uid, label, from, to)| Ask::Stage {
            uid,
            label,
            from,
            to,
        });
    let tag = prop_oneof![
        (1..6u64, tags()).prop_map(|(uid, tags)| Ask::Tag { uid, tags }),
        (1..6u64, collection::vec(0..4u8, 0..3)).prop_map(|(uid, keys)| Ask::Untag { uid, keys }),
    ];
    let touched = collection::vec((1..6u64, 0..12u8), 0..4);
    let access = (100..140u32, touched).prop_map(|(day, touched)| Ask::Access { day, touched });
    let nodes = prop_oneof![
        (0..4u8, 0..9u64).prop_map(|(number, days)| Ask::Token { number, days }),
        (0..4u8, 1..5u64, 1..5u8).prop_map(|(token, node, key)| Ask::Admit { token, node, key }),
        (1..5u64).prop_map(|node| Ask::Remove { node }),
    ];
    let feeds = prop_oneof![
        any::<bool>().prop_map(|root| Ask::Checkpoint { root }),
        (any::<bool>(), 0..60u64).prop_map(|(root, upto)| Ask::Trim { root, upto }),
        Just(Ask::Checkpoint { root: false }),
    ];
    prop_oneof![4 => secret(), 6 => put, 3 => update, 4 => stage, 2 => tag, 2 => access,
        1 => nodes, 1 => feeds]
}

fn command(ask: &Ask, state: &State) -> Result<Command, Failure> {
    let feed = |root: bool| -> Result<FeedId, Failure> {
        Ok(if root {
            FeedId::Root
        } else {
            FeedId::Home(RegionName::new(support::REGION)?)
        })
    };
    Ok(match ask.clone() {
        Ask::Create {
            uid: id,
            name,
            version,
            tags,
        } => Command::CreateSecret(CreateSecret {
            uid: uid(id),
            account: account()?,
            name: SecretName::new(&format!("n{name}"))?,
            arn_suffix: ArnSuffix::new("AbC123")?,
            description: String::new(),
            kms_key: None,
            tags: self::tags(&tags),
            new: version
                .map(|version| new(&version.to_string(), 10))
                .transpose()?,
            seen: Seen::default(),
        }),
        Ask::Put {
            uid: id,
            version,
            labels,
            young_days,
            seen,
        } => {
            let key = RowKey::Secret(uid(id));
            let seen = seen.map(|revision| SeenRow {
                key,
                revision: Revision(revision),
            });
            Command::PutSecretValue(PutSecretValue {
                uid: uid(id),
                new: new(&version.to_string(), 10)?,
                labels: labels
                    .into_iter()
                    .map(Label::new)
                    .collect::<Result<_, _>>()?,
                young_protection_ms: young_days * DAY_MS,
                seen: Seen(seen.into_iter().collect()),
            })
        }
        Ask::Update {
            uid: id,
            text,
            key,
            rewrap,
            version: name,
        } => {
            let wraps = rewrap
                .iter()
                .map(|name| Ok((version(&name.to_string())?, wrap(support::DEFAULT_KEY, 1))));
            Command::UpdateSecret(UpdateSecret {
                uid: uid(id),
                description: text.map(|text| "x".repeat(text.into())),
                kms_key: key.map(|default| {
                    if default {
                        None
                    } else {
                        Some(support::DEFAULT_KEY)
                    }
                }),
                rewrapped: wraps.collect::<Result<_, Failure>>()?,
                new: name.map(|name| new(&name.to_string(), 10)).transpose()?,
                young_protection_ms: 0,
                seen: Seen::default(),
            })
        }
        Ask::Stage {
            uid: id,
            label,
            from,
            to,
        } => {
            let named = |name: Option<u8>| name.map(|name| version(&name.to_string())).transpose();
            Command::UpdateSecretVersionStage(UpdateSecretVersionStage {
                uid: uid(id),
                label: Label::new(label)?,
                remove_from: named(from)?,
                move_to: named(to)?,
                seen: Seen::default(),
            })
        }
        Ask::Delete { uid: id, days } => {
            let (uid, seen) = (uid(id), Seen::default());
            Command::DeleteSecret(DeleteSecret {
                uid,
                window_days: days,
                seen,
            })
        }
        Ask::Restore { uid: id } => Command::RestoreSecret(RestoreSecret {
            uid: uid(id),
            seen: Seen::default(),
        }),
        Ask::Purge { uid: id, off_by_ms } => {
            let due = state.secret(&uid(id)).and_then(|secret| secret.deletion);
            let due = due.map_or(0, |deletion| deletion.due.0 + off_by_ms);
            Command::PurgeSecret(PurgeSecret {
                uid: uid(id),
                deletion_date: Stamp(due),
            })
        }
        Ask::Tag { uid: id, tags } => {
            let (uid, tags, seen) = (uid(id), self::tags(&tags), Seen::default());
            Command::TagResource(TagResource { uid, tags, seen })
        }
        Ask::Untag { uid: id, keys } => {
            let keys = keys.iter().map(|key| format!("k{key}")).collect();
            Command::UntagResource(UntagResource {
                uid: uid(id),
                keys,
                seen: Seen::default(),
            })
        }
        Ask::Access { day, touched } => {
            let touched = touched
                .iter()
                .map(|(id, n)| Ok((uid(*id), version(&n.to_string())?)));
            let touched = touched.collect::<Result<_, Failure>>()?;
            Command::RecordAccess(RecordAccess { day, touched })
        }
        Ask::Token { number, days } => {
            let expires = Stamp(state.last_stamp().0 + days * DAY_MS);
            Command::IssueJoinToken(IssueJoinToken {
                digest: Hash([number; 32]),
                expires,
            })
        }
        Ask::Admit {
            token,
            node: id,
            key,
        } => {
            let token_digest = Hash([token; 32]);
            Command::AdmitNode(AdmitNode {
                token_digest,
                node: node(id, key),
            })
        }
        Ask::Remove { node: id } => Command::RemoveNode(RemoveNode {
            node: strongroom_machine::NodeId(id),
        }),
        Ask::Checkpoint { root } => Command::Checkpoint(Checkpoint { feed: feed(root)? }),
        Ask::Trim { root, upto } => Command::TrimFeed(TrimFeed {
            feed: feed(root)?,
            upto: Revision(upto),
        }),
    })
}

fn tags(tags: &[(u8, u8)]) -> Vec<Tag> {
    let tag = |(key, value): &(u8, u8)| Tag {
        key: format!("k{key}"),
        value: value.to_string(),
    };
    tags.iter().map(tag).collect()
}

/// Keeps what a follower would know: the last revision and chain of each feed.
#[derive(Default)]
struct Follower {
    chains: Vec<(FeedId, u64, Hash)>,
}

impl Follower {
    /// Checks a change as another program would: from the bytes alone.
    fn follow(&mut self, changes: &[Change]) -> Result<(), TestCaseError> {
        for change in changes {
            let row = change.row.as_ref();
            if let Some(row) = row {
                let key = RowKey::decode(&change.key.encode());
                prop_assert_eq!(key.as_ref(), Ok(&change.key));
                prop_assert_eq!(&Row::decode(&change.key, &row.encode()), &Ok(row.clone()));
            }
            if let Some(Row::Journal(kept)) = row {
                let journal = kept.body();
                let header = &journal.header;
                let known = self
                    .chains
                    .iter()
                    .position(|(feed, ..)| *feed == header.feed);
                let at = known.unwrap_or_else(|| {
                    self.chains.push((header.feed.clone(), 0, Hash::ZERO));
                    self.chains.len() - 1
                });
                let (_, revision, chain) = &mut self.chains[at];
                *revision += 1;
                prop_assert_eq!(header.revision, Revision(*revision), "a gap in a feed");
                *chain = digest("strongroom/1/chain", &[&chain.0, &journal.header_bytes]);
                prop_assert_eq!(journal.chain, *chain);
                if let (Some(blind), Some(body)) = (journal.blind, &journal.body) {
                    let commitment = digest("strongroom/1/commitment", &[&blind.0, body]);
                    prop_assert_eq!(header.commitment, commitment);
                }
                prop_assert_eq!(header.op == Op::Delete, header.commitment == Hash::ZERO);
            }
        }
        Ok(())
    }
}

fn digest(domain: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([domain.len() as u8]);
    hasher.update(domain);
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// I6, and the bounds of a secret.
fn secrets_are_sound(state: &State) -> Result<(), TestCaseError> {
    let account = account().map_err(|error| TestCaseError::fail(error.to_string()))?;
    for secret in state.secrets(&account) {
        let labels: Vec<&Label> = secret.versions.iter().flat_map(|v| &v.labels).collect();
        let distinct: BTreeSet<&Label> = labels.iter().copied().collect();
        prop_assert_eq!(labels.len(), distinct.len(), "a label on two versions");
        prop_assert!(labels.len() <= limits::LABELS_MAX);
        let current = labels.iter().filter(|label| label.is_current()).count();
        prop_assert_eq!(current, usize::from(!secret.versions.is_empty()));
        let ordinals: Vec<_> = secret
            .versions
            .iter()
            .map(|version| version.ordinal)
            .collect();
        prop_assert!(ordinals.is_sorted_by(|a, b| a < b));
        prop_assert!(
            ordinals
                .iter()
                .all(|ordinal| *ordinal < secret.next_ordinal)
        );
        prop_assert!(secret.tags.len() <= limits::TAGS_MAX);
        for version in &secret.versions {
            prop_assert!(state.value(&secret.uid, &version.id).is_some());
            prop_assert!(state.wrap(&secret.uid, &version.id).is_some());
        }
        prop_assert_eq!(state.named(&account, &secret.name), Some(secret));
    }
    let versions: usize = state
        .secrets(&account)
        .map(|secret| secret.versions.len())
        .sum();
    prop_assert_eq!(
        state.counts().versions,
        versions as u64,
        "a value without its secret"
    );
    prop_assert!(
        state
            .secrets(&account)
            .is_sorted_by_key(|secret| (secret.created, secret.uid))
    );
    Ok(())
}

fn applied(state: &mut State, index: u64, entry: &Entry) -> Result<Applied, TestCaseError> {
    let again = Entry::decode(&entry.encode());
    prop_assert_eq!(again.as_ref(), Ok(entry));
    let before = state.clone();
    let applied = apply(state, LogIndex(index), entry);
    let answer = Answer(applied.answer.clone());
    prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    if applied.changes.is_empty() {
        prop_assert_eq!(before.last_stamp(), state.last_stamp());
        prop_assert!(before.rows().eq(state.rows()));
    } else {
        prop_assert!(applied.answer.is_ok(), "a rejected entry changed something");
        prop_assert!(before.last_stamp() < state.last_stamp());
        prop_assert!(
            !before.rows().eq(state.rows()),
            "a clone moved with the state"
        );
    }
    let token = Token {
        positions: applied.positions.clone(),
    };
    prop_assert_eq!(state.holds(&token), Ok(()));
    Ok(applied)
}

fn failed(error: &dyn std::error::Error) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// I4 and I6: the same log gives the same state, over a reload at any point; labels stay sound.
    #[test]
    fn the_same_log_gives_the_same_state(
        asks in collection::vec((asks(), 0..2 * DAY_MS), 1..60),
        cut in 0..60usize,
    ) {
        let mut state = State::new();
        let mut other = State::new();
        let mut follower = Follower::default();
        let mut now = 100 * DAY_MS;
        let founding = entry(now, Command::Found(found().map_err(|error| failed(&*error))?));
        follower.follow(&applied(&mut state, 1, &founding)?.changes)?;
        apply(&mut other, LogIndex(1), &founding);
        for (index, (ask, pause_ms)) in (2..).zip(&asks) {
            now += pause_ms;
            let command = command(ask, &state).map_err(|error| failed(&*error))?;
            let entry = entry(now, command);
            let changes = applied(&mut state, index, &entry)?.changes;
            follower.follow(&changes)?;
            secrets_are_sound(&state)?;
            if index as usize == cut {
                other = reload(&other).map_err(|error| failed(&*error))?;
            }
            let mirrored = apply(&mut other, LogIndex(index), &entry);
            prop_assert_eq!(mirrored.changes, changes);
        }
        prop_assert_eq!(other.node_hash(), state.node_hash());
        prop_assert_eq!(other.positions(), state.positions());
        prop_assert_eq!(other.counts(), state.counts());
        prop_assert!(other.rows().eq(state.rows()));
        let again = reload(&state).map_err(|error| failed(&*error))?;
        prop_assert_eq!(again.node_hash(), state.node_hash());
        prop_assert!(again.rows().eq(state.rows()));
        let feed_hash = |state: &State| state.feeds().map(|feed| feed.hash()).collect::<Vec<_>>();
        prop_assert_eq!(feed_hash(&again), feed_hash(&state));
    }

    /// I12: no bytes make the machine panic.
    #[test]
    fn any_bytes_are_decoded_or_refused(
        bytes in collection::vec(any::<u8>(), 0..200),
        kind in any::<u8>(),
    ) {
        let _ = Entry::decode(&bytes);
        let _ = Answer::decode(&bytes);
        let mut key = vec![kind];
        key.extend(bytes.iter().take(24));
        for key in [key, bytes.clone()] {
            if let Ok(key) = RowKey::decode(&key) {
                let _ = Row::decode(&key, &bytes);
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let _ = Token::decode(&text);
        let _ = text.parse::<strongroom_machine::SecretId>();
    }

    /// I12: an entry with a flipped bit is refused, or decided like any other.
    #[test]
    fn a_damaged_entry_never_panics(
        asks in collection::vec(asks(), 1..8),
        flips in collection::vec((any::<u16>(), 0..8u8), 1..4),
    ) {
        let mut state = State::new();
        apply(&mut state, LogIndex(1), &entry(1, Command::Found(found().map_err(|error| failed(&*error))?)));
        for (index, ask) in (2..).zip(&asks) {
            let mut bytes = entry(index, command(ask, &state).map_err(|error| failed(&*error))?).encode();
            for (at, bit) in &flips {
                let at = usize::from(*at) % bytes.len();
                bytes[at] ^= 1 << bit;
            }
            if let Ok(entry) = Entry::decode(&bytes) {
                apply(&mut state, LogIndex(index), &entry);
                secrets_are_sound(&state)?;
            }
        }
        reload(&state).map_err(|error| failed(&*error))?;
    }
}

#[test]
fn a_damaged_row_is_not_loaded() -> Result<(), Failure> {
    let mut state = State::new();
    apply(&mut state, LogIndex(1), &entry(1, Command::Found(found()?)));
    let key = RowKey::Principal(strongroom_machine::Ordinal(1));
    let mut bytes = None;
    for (found, row) in state.rows() {
        if let (true, strongroom_machine::RowRef::Here(row)) = (found == key, row) {
            bytes = Some(row.encode());
        }
    }
    let mut bytes = bytes.ok_or("no principal")?;
    // The body begins after a tag and a length: its first letter is the fifth byte.
    bytes[4] ^= 1;
    assert_eq!(
        Row::decode(&key, &bytes),
        Err(DecodeError::Commitment(key.kind()))
    );
    Ok(())
}

#[test]
fn an_unknown_command_and_an_unknown_row_are_errors() {
    let known = entry(
        1,
        Command::RestoreSecret(RestoreSecret {
            uid: uid(1),
            seen: Seen::default(),
        }),
    );
    let mut bytes = known.encode();
    // The command is the last field: its number 16 becomes 126.
    let at = bytes.len() - 21;
    assert_eq!(&bytes[at..at + 2], [0x82, 0x01]);
    bytes[at..at + 2].copy_from_slice(&[0xf2, 0x07]);
    assert_eq!(Entry::decode(&bytes), Err(DecodeError::UnknownCommand));
    assert_eq!(RowKey::decode(&[0x7f]), Err(DecodeError::UnknownRow(0x7f)));
}
