use machine::{Command, RecordAccess, ReplicaState, Scope, TakeOver};

use super::support::{TestKeys, pair};
use crate::follow::reports::{Reports, by_region, due, hidden};
use crate::kit::{NORTH, WEST, home, name, replica, version_id};

#[test]
fn a_whole_copy_is_in_sync_and_one_without_its_values_is_in_progress() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys::default();
    let whole = north.create(1, vec![replica(WEST, None)]);
    let later = north.create(2, Vec::new());
    west.follow(&home(NORTH), &north, &keys);
    north.share(later, vec![replica(WEST, None)]);
    west.follow(&home(NORTH), &north, &keys);
    let of = |uid| due(&west.state, uid, None).unwrap();
    assert_eq!(of(&whole).report.state, ReplicaState::InSync);
    assert_eq!(of(&later).report.state, ReplicaState::InProgress);
    assert_eq!(of(&whole).primary.region, name(NORTH));
}

#[test]
fn a_copy_that_cannot_be_taken_has_failed_with_the_reason() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys {
        broken: Some("alias/broken"),
    };
    west.create(1, Vec::new());
    let taken = north.create(1, vec![replica(WEST, None)]);
    let broken = north.create(2, vec![replica(WEST, Some("alias/broken"))]);
    let fine = north.create(3, vec![replica(WEST, None)]);
    west.follow(&home(NORTH), &north, &keys);
    let of = |uid| due(&west.state, uid, None).unwrap().report;
    assert_eq!(of(&taken).state, ReplicaState::Failed);
    assert!(
        of(&taken).message.contains("name"),
        "{}",
        of(&taken).message
    );
    assert_eq!(of(&broken).state, ReplicaState::Failed);
    assert_eq!(of(&broken).message, "The key can't be used.");
    let failed = due(&west.state, &fine, Some("no")).unwrap().report;
    assert_eq!(
        (failed.state, failed.message.as_str()),
        (ReplicaState::Failed, "no")
    );
    // Its row is not here: no walk over those that are finds it.
    assert_eq!(hidden(&west.state), [taken]);
    assert_eq!(
        west.state.listed_after(None).count(),
        3,
        "its own, and two copies"
    );
}

#[test]
fn nothing_is_said_of_what_is_not_shared_or_led_here() {
    let (mut north, mut west) = pair(Scope::All);
    let keys = TestKeys::default();
    let private = north.create(1, Vec::new());
    let shared = north.create(2, vec![replica(WEST, None)]);
    let own = west.create(3, Vec::new());
    west.follow(&home(NORTH), &north, &keys);
    assert_eq!(due(&west.state, &private, None), None);
    assert_eq!(due(&west.state, &own, None), None);
    assert!(due(&west.state, &shared, None).is_some());
    west.done(Command::TakeOver(TakeOver {
        region: name(NORTH),
        heard: Vec::new(),
    }));
    assert_eq!(due(&west.state, &shared, None), None);
}

#[test]
fn only_what_is_new_is_reported() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys::default();
    let uid = north.create(1, vec![replica(WEST, None)]);
    west.follow(&home(NORTH), &north, &keys);
    let mut reports = Reports::default();
    let now = |state: &machine::State| vec![due(state, &uid, None).unwrap()];
    let new = reports.new_of(now(&west.state));
    assert_eq!(new.len(), 1);
    assert_eq!(
        by_region(new.clone()).into_keys().collect::<Vec<_>>(),
        [name(NORTH)]
    );
    reports.told(&new);
    assert!(reports.new_of(now(&west.state)).is_empty());
    west.done(Command::RecordAccess(RecordAccess {
        day: 0,
        touched: vec![(uid, version_id(1))],
    }));
    let read = now(&west.state);
    let is_told = read.first().unwrap().report.access_day == 0;
    assert_eq!(reports.new_of(read).is_empty(), is_told);
    let new = || now(&west.state);
    reports.told(&new());
    reports.forget_to(&name(WEST));
    assert!(
        reports.new_of(new()).is_empty(),
        "another region was told nothing"
    );
    reports.forget_to(&name(NORTH));
    assert_eq!(reports.new_of(new()).len(), 1);
    reports.told(&new());
    reports.forget_of(&[uid].into());
    assert_eq!(reports.new_of(new()).len(), 1);
    reports.told(&new());
    reports.forget();
    assert_eq!(reports.new_of(new()).len(), 1);
}
