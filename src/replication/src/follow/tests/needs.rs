use std::time::Duration;

use machine::{Command, DeleteSecret, FeedId, RowKey, Scope, Seen, UpdateRegion};

use super::support::{
    Kingdom, NORTH, TestKeys, WEST, account, entry, home, pair, replica, version_id,
};
use crate::follow::needs::Needs;
use crate::limits::{FILL_PAUSE, MALFORMED_PAUSE};

const NOW: Duration = Duration::from_secs(100);

fn fill(west: &mut Kingdom, north: &Kingdom, needs: &mut Needs, with: &TestKeys) -> Vec<RowKey> {
    let feed = home(NORTH);
    let wanted = needs.next(&west.state, &feed, NOW);
    if !wanted.is_empty() {
        west.fill(&feed, north, &wanted, with);
        needs.asked(&west.state, &wanted, NOW);
    }
    wanted
}

#[test]
fn the_values_of_a_secret_that_was_shared_later_are_asked_for() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys::default();
    let uid = north.create(1, Vec::new());
    west.follow(&home(NORTH), &north, &keys);
    let mut needs = Needs::default();
    assert!(fill(&mut west, &north, &mut needs, &keys).is_empty());
    north.share(uid, vec![replica(WEST, None)]);
    west.follow(&home(NORTH), &north, &keys);
    assert!(west.state.is_incomplete(&uid));
    let asked = fill(&mut west, &north, &mut needs, &keys);
    assert!(matches!(asked[..], [RowKey::Version(of, _)] if of == uid));
    assert!(!west.state.is_incomplete(&uid));
    assert!(west.state.value(&uid, &version_id(1)).is_some());
    assert!(fill(&mut west, &north, &mut needs, &keys).is_empty());
}

#[test]
fn a_region_that_receives_everything_asks_for_all_it_has_not() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys::default();
    let uid = north.create(1, Vec::new());
    west.follow(&home(NORTH), &north, &keys);
    north.done(Command::UpdateRegion(UpdateRegion {
        region: entry(WEST, Scope::All),
    }));
    west.follow(&FeedId::Root, &north, &keys);
    let mut needs = Needs::default();
    let asked = fill(&mut west, &north, &mut needs, &keys);
    assert!(asked.contains(&RowKey::Secret(uid)), "{asked:?}");
    assert!(
        asked.is_sorted(),
        "a secret has to be here before its values"
    );
    fill(&mut west, &north, &mut needs, &keys);
    assert!(west.state.value(&uid, &version_id(1)).is_some());
}

#[test]
fn what_could_not_be_had_waits_and_is_asked_for_again() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys::default();
    let uid = north.create(1, Vec::new());
    west.follow(&home(NORTH), &north, &keys);
    north.share(uid, vec![replica(WEST, None)]);
    west.follow(&home(NORTH), &north, &keys);
    let (feed, mut needs) = (home(NORTH), Needs::default());
    let wanted = needs.next(&west.state, &feed, NOW);
    needs.asked(&west.state, &wanted, NOW);
    assert!(needs.next(&west.state, &feed, NOW).is_empty());
    let later = NOW + FILL_PAUSE;
    assert_eq!(needs.next(&west.state, &feed, later), wanted);
}

#[test]
fn a_key_that_did_not_wrap_is_tried_again_as_soon_as_another_one_is_named() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys {
        broken: Some("alias/broken"),
    };
    let uid = north.create(1, vec![replica(WEST, Some("alias/broken"))]);
    west.follow(&home(NORTH), &north, &keys);
    let mut needs = Needs::default();
    assert_eq!(fill(&mut west, &north, &mut needs, &keys).len(), 1);
    assert!(fill(&mut west, &north, &mut needs, &keys).is_empty());
    north.share(uid, vec![replica(WEST, Some("alias/other"))]);
    west.follow(&home(NORTH), &north, &keys);
    assert_eq!(fill(&mut west, &north, &mut needs, &keys).len(), 1);
    assert!(west.state.problem(&uid).is_none());
    assert!(!west.state.is_incomplete(&uid));
}

#[test]
fn a_name_that_was_taken_is_tried_again_when_it_is_free() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys::default();
    let local = west.create(1, Vec::new());
    let uid = north.create(1, vec![replica(WEST, None)]);
    west.follow(&home(NORTH), &north, &keys);
    assert!(west.state.problem(&uid).is_some());
    let mut needs = Needs::default();
    // Only when it has come once is the name known.
    assert_eq!(
        fill(&mut west, &north, &mut needs, &keys),
        [RowKey::Secret(uid)]
    );
    needs.seen(north.state.secret(&uid).unwrap());
    assert!(
        needs
            .next(&west.state, &home(NORTH), NOW + FILL_PAUSE * 2)
            .is_empty()
    );
    west.done(Command::DeleteSecret(DeleteSecret {
        uid: local,
        window_days: None,
        seen: Seen::default(),
    }));
    let secret = north.state.secret(&uid).unwrap();
    assert!(west.state.named(&account(), &secret.name).is_none());
    assert_eq!(
        fill(&mut west, &north, &mut needs, &keys),
        [RowKey::Secret(uid)]
    );
    assert!(west.state.problem(&uid).is_none());
    assert_eq!(fill(&mut west, &north, &mut needs, &keys).len(), 1);
    assert!(!west.state.is_incomplete(&uid));
}

#[test]
fn a_row_that_could_not_be_read_waits_for_long() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys::default();
    let uid = north.create(1, vec![replica(WEST, None)]);
    let feed = home(NORTH);
    let mut changes = north.changes(&feed, &west);
    for body in changes.iter_mut().filter_map(|change| change.body.as_mut()) {
        if body.bytes.windows(40).any(|window| window == [1; 40]) {
            body.bytes = bytes::Bytes::from_static(b"no value");
        }
    }
    let import = west.import(&west.batch(&feed, changes), &keys);
    west.done(Command::ImportChanges(import));
    assert!(west.state.problem(&uid).is_some());
    let mut needs = Needs::default();
    let wanted = needs.next(&west.state, &feed, NOW);
    assert_eq!(wanted.len(), 1);
    needs.asked(&west.state, &wanted, NOW);
    assert!(needs.next(&west.state, &feed, NOW + FILL_PAUSE).is_empty());
    assert_eq!(
        needs.next(&west.state, &feed, NOW + MALFORMED_PAUSE),
        wanted
    );
}
