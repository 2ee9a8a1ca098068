use bytes::Bytes;
use machine::{Command, ImportChanges, Row, RowKey, Scope};

use super::support::{LINKED, TestKeys, pair, wrapped};
use crate::codec::{self, ReceivedRow};
use crate::follow::wraps::Named;
use crate::kit::{Kingdom, NORTH, WEST, home, replica, version_id};

/// What west would propose of all of north's home feed.
fn import(north: &Kingdom, west: &Kingdom, keys: &TestKeys) -> ImportChanges {
    let feed = home(NORTH);
    west.import(&west.batch(&feed, north.changes(&feed, west)), keys)
}

fn versions(import: &ImportChanges) -> Vec<&machine::SentBody> {
    let bodies = import.changes.iter().filter_map(|change| {
        let header = machine::Header::decode(change.header.clone()).ok()?;
        let is_version = matches!(header.key()?, RowKey::Version(..));
        change.body.as_ref().filter(|_| is_version)
    });
    bodies.collect()
}

#[test]
fn a_value_is_wrapped_under_the_key_that_its_secret_names_for_this_region() {
    let (mut north, mut west) = pair(Scope::Selected);
    let named = north.create(1, vec![replica(WEST, Some("alias/west"))]);
    let default = north.create(2, vec![replica(WEST, None)]);
    let import = import(&north, &west, &TestKeys::default());
    west.done(Command::ImportChanges(import));
    // The version comes before the row that names the key.
    let wrap = |uid, number| west.state.wrap(uid, &version_id(number)).unwrap();
    assert_eq!(**wrap(&named, 1), wrapped("alias/west"));
    assert_eq!(**wrap(&default, 2), wrapped("default"));
}

#[test]
fn a_key_that_does_not_wrap_is_a_problem_of_one_secret_only() {
    let (mut north, mut west) = pair(Scope::Selected);
    let broken = north.create(1, vec![replica(WEST, Some("alias/broken"))]);
    let fine = north.create(2, vec![replica(WEST, None)]);
    let keys = TestKeys {
        broken: Some("alias/broken"),
    };
    let import = import(&north, &west, &keys);
    west.done(Command::ImportChanges(import));
    let problem = west.state.problem(&broken).expect("a problem");
    assert_eq!(problem.message, "The key can't be used.");
    assert!(west.state.is_incomplete(&broken) && !west.state.is_incomplete(&fine));
}

#[test]
fn a_key_that_did_not_come_is_a_problem_in_words() {
    let (mut north, mut west) = pair(Scope::Selected);
    let uid = north.create(1, vec![replica(WEST, None)]);
    let feed = home(NORTH);
    let mut changes = north.changes(&feed, &west);
    for body in changes.iter_mut().filter_map(|change| change.body.as_mut()) {
        body.wrapped_dek = Bytes::new();
    }
    let import = west.import(&west.batch(&feed, changes), &TestKeys::default());
    west.done(Command::ImportChanges(import));
    let problem = west.state.problem(&uid).expect("a problem");
    assert!(
        problem.message.contains("could not send"),
        "{}",
        problem.message
    );
}

#[test]
fn a_body_that_is_not_for_this_region_does_not_get_into_its_log() {
    let (mut north, west) = pair(Scope::Selected);
    north.create(1, Vec::new());
    let feed = home(NORTH);
    // A primary that sends everything to everybody.
    let everything = Kingdom::linked(WEST, Scope::All);
    let mut careless = north.clone();
    careless.done(Command::UpdateRegion(machine::UpdateRegion {
        region: crate::kit::entry(WEST, Scope::All),
    }));
    let changes = careless.changes(&feed, &everything);
    assert!(
        changes
            .iter()
            .filter(|change| change.body.is_some())
            .count()
            > 2
    );
    let import = west.import(&west.batch(&feed, changes), &TestKeys::default());
    assert!(versions(&import).is_empty());
    let bodies = import.changes.iter().filter(|change| change.body.is_some());
    assert_eq!(bodies.count(), 1, "the beginning of the epoch is for all");
}

#[test]
fn a_body_that_is_not_what_was_committed_to_is_left_to_the_machine() {
    let (mut north, mut west) = pair(Scope::Selected);
    let uid = north.create(1, vec![replica(WEST, None)]);
    let feed = home(NORTH);
    let mut changes = north.changes(&feed, &west);
    let value = changes
        .iter_mut()
        .filter_map(|change| change.body.as_mut())
        .find(|body| body.bytes.windows(40).any(|window| window == [1; 40]))
        .expect("the value");
    let mut spoilt = value.bytes.to_vec();
    spoilt.reverse();
    value.bytes = spoilt.into();
    let import = west.import(&west.batch(&feed, changes), &TestKeys::default());
    assert!(versions(&import).iter().all(|body| body.wrap.is_none()));
    west.done(Command::ImportChanges(import));
    let problem = west.state.problem(&uid).expect("a problem");
    assert_eq!(problem.kind, machine::ProblemKind::Malformed);
}

#[test]
fn rows_of_a_snapshot_are_wrapped_and_a_value_that_is_here_is_not_sent_again() {
    let (mut north, mut west) = pair(Scope::Selected);
    let feed = home(NORTH);
    let known = north.create(1, vec![replica(WEST, None)]);
    west.follow(&feed, &north, &TestKeys::default());
    let new = north.create(2, vec![replica(WEST, None)]);
    let rows: Vec<ReceivedRow> = north
        .state
        .rows_of(&feed, None)
        .filter_map(|(key, row)| {
            let row = row?;
            let wrapped = key.is_immutable().then(|| LINKED.to_vec());
            let body = codec::body(&row.framed_body()?, wrapped);
            Some(ReceivedRow {
                key,
                revision: row.origin()?.revision,
                commitment: row.commitment(),
                body: Some(codec::from_body(body).unwrap()),
            })
        })
        .collect();
    let keys = TestKeys::default();
    let staged = west.wraps(&feed, &keys, |wraps| {
        let named = Named::default();
        let staged = rows.iter().map(|row| wraps.staged(row, &named));
        staged.collect::<Vec<_>>()
    });
    let of = |uid| {
        let mut versions = staged.iter().filter(|row| row.key.uid() == uid);
        versions
            .find(|row| row.key.is_immutable())
            .expect("a version")
    };
    assert!(of(known).row.is_withheld() && of(known).wrap.is_none());
    assert!(matches!(of(new).row, Row::Version(_)));
    assert_eq!(of(new).wrap, Some(wrapped("default")));
}
