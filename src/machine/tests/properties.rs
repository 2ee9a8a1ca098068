//! Random commands against the machine: what must hold after every entry, whatever was asked.

mod asks;
mod identities;
mod support;

use std::collections::BTreeSet;

use proptest::collection;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::{Config as ProptestConfig, TestCaseError};
use sha2::{Digest as _, Sha256};
use strongroom_machine::{
    Answer, Applied, Change, Command, DecodeError, Entry, FeedId, Found, Hash, Label, LogIndex,
    MACHINE_VERSION, MachineVersion, Op, Ordinal, RestoreSecret, Revision, Row, RowKey, RowRef,
    SecretId, Seen, SetMachineVersion, State, Token, apply, limits,
};

use asks::asks;
use identities::identities_are_sound;
use support::{Failure, account, entry, found, reload, uid};

const DAY_MS: u64 = limits::DAY_MS;

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

/// Every row is found by its key, and a value's known again when it has left memory.
fn rows_are_known(state: &State) -> Result<(), TestCaseError> {
    let account = account().map_err(|error| failed(&*error))?;
    let mut evicted = state.clone();
    for secret in state.secrets(&account) {
        for version in &secret.versions {
            evicted.evict(&secret.uid, &version.id);
        }
    }
    let rows: Vec<(RowKey, RowRef)> = state.rows().collect();
    let keys = rows.iter().map(|(key, _)| *key);
    let values: Vec<RowKey> = keys
        .filter(|key| matches!(key, RowKey::Version(..)))
        .collect();
    for (key, found) in &rows {
        let again = state.row(key);
        prop_assert_eq!(again.as_ref(), Some(found));
        if let RowRef::Here(row) = found {
            prop_assert!(state.has_row(key, row) && evicted.has_row(key, row));
            for value in &values {
                prop_assert_eq!(evicted.has_row(value, row), value == key);
            }
        }
    }
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

fn founding(stamp: u64) -> Result<Entry, TestCaseError> {
    founding_with(stamp, MACHINE_VERSION)
}

fn founding_with(stamp: u64, machine_version: MachineVersion) -> Result<Entry, TestCaseError> {
    let found = found().map_err(|error| failed(&*error))?;
    let found = Found {
        machine_version,
        ..found
    };
    Ok(entry(stamp, Command::Found(found)))
}

/// A state that was loaded again, and keeps no value in memory.
fn evicted(state: &State) -> Result<State, TestCaseError> {
    let mut state = reload(state).map_err(|error| failed(&*error))?;
    let account = account().map_err(|error| failed(&*error))?;
    let secrets: Vec<_> = state.secrets(&account).cloned().collect();
    for secret in secrets {
        for version in &secret.versions {
            state.evict(&secret.uid, &version.id);
        }
    }
    Ok(state)
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
        let founding = founding(now)?;
        follower.follow(&applied(&mut state, 1, &founding)?.changes)?;
        apply(&mut other, LogIndex(1), &founding);
        for (index, (ask, pause_ms)) in (2..).zip(&asks) {
            now += pause_ms;
            let command = ask.command(&state);
            let entry = entry(now, command);
            let changes = applied(&mut state, index, &entry)?.changes;
            follower.follow(&changes)?;
            secrets_are_sound(&state)?;
            identities_are_sound(&state).map_err(|error| failed(&*error))?;
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
        rows_are_known(&state)?;
        let again = reload(&state).map_err(|error| failed(&*error))?;
        prop_assert_eq!(again.node_hash(), state.node_hash());
        prop_assert!(again.rows().eq(state.rows()));
        let feed_hash = |state: &State| state.feeds().map(|feed| feed.hash()).collect::<Vec<_>>();
        prop_assert_eq!(feed_hash(&again), feed_hash(&state));
    }

    /// R13: machine version 2 stores other rows, and shows the same secrets, whenever it comes
    /// into force and whatever has left memory.
    #[test]
    fn machine_versions_answer_the_same(
        asks in collection::vec((asks(), 0..2 * DAY_MS), 1..60),
        cut in 0..60u64,
    ) {
        let mut now = 100 * DAY_MS;
        let mut states = Vec::new();
        for version in [1, 1, 2].map(MachineVersion) {
            let mut state = State::new();
            apply(&mut state, LogIndex(1), &founding_with(now, version)?);
            states.push(state);
        }
        for (index, (ask, pause_ms)) in (2..).zip(&asks) {
            // Stamps do not depend on what was decided before.
            now += 2 + pause_ms;
            if index == cut {
                let version = MachineVersion(2);
                let set = Command::SetMachineVersion(SetMachineVersion { version });
                let set = apply(&mut states[1], LogIndex(index), &entry(now - 1, set));
                prop_assert!(set.answer.is_ok());
                states[2] = evicted(&states[2])?;
            }
            let entry = entry(now, ask.command(&states[0]));
            let answers = states
                .iter_mut()
                .map(|state| apply(state, LogIndex(index), &entry).answer);
            let answers: Vec<_> = answers.collect();
            prop_assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
            for state in &states {
                secrets_are_sound(state)?;
                let account = account().map_err(|error| failed(&*error))?;
                prop_assert!(state.secrets(&account).eq(states[0].secrets(&account)));
            }
        }
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
        let _ = text.parse::<SecretId>();
    }

    /// I12: an entry with a flipped bit is refused, or decided like any other.
    #[test]
    fn a_damaged_entry_never_panics(
        asks in collection::vec(asks(), 1..8),
        flips in collection::vec((any::<u16>(), 0..8u8), 1..4),
    ) {
        let mut state = State::new();
        apply(&mut state, LogIndex(1), &founding(1)?);
        for (index, ask) in (2..).zip(&asks) {
            let mut bytes = entry(index, ask.command(&state)).encode();
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
    let key = RowKey::Principal(Ordinal(1));
    let mut bytes = None;
    for (found, row) in state.rows() {
        if let (true, RowRef::Here(row)) = (found == key, row) {
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
