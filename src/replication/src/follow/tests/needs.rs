use std::time::Duration;

use machine::{Command, DeleteSecret, FeedId, RowKey, Scope, Seen, UpdateRegion};

use super::support::{TestKeys, pair};
use crate::follow::needs::{Pass, values};
use crate::kit::{Kingdom, NORTH, WEST, entry, home, replica, version_id};
use crate::limits::{FILL_PAUSE_MAX, FILL_PAUSE_MIN};

const NOW: Duration = Duration::from_secs(100);

/// Makes one pass over north's home feed, and gives what was asked for.
fn fill(
    west: &mut Kingdom,
    north: &Kingdom,
    pass: &mut Pass,
    now: Duration,
    with: &TestKeys,
) -> Vec<RowKey> {
    let (feed, mut asked) = (home(NORTH), Vec::new());
    loop {
        let wanted = pass.next(&west.state, &feed, now);
        if wanted.is_empty() {
            return asked;
        }
        west.fill(&feed, north, &wanted, with);
        pass.asked(&west.state, &wanted);
        asked.extend(wanted);
    }
}

#[test]
fn the_values_of_a_secret_that_was_shared_later_are_asked_for() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys::default();
    let uid = north.create(1, Vec::new());
    west.follow(&home(NORTH), &north, &keys);
    let mut pass = Pass::default();
    assert!(fill(&mut west, &north, &mut pass, NOW, &keys).is_empty());
    north.share(uid, vec![replica(WEST, None)]);
    west.follow(&home(NORTH), &north, &keys);
    assert!(west.state.is_incomplete(&uid));
    // At once, and with the next pass.
    let feed = home(NORTH);
    let shared: Vec<RowKey> = values(&west.state, &feed, [uid].iter()).collect();
    let asked = fill(&mut west, &north, &mut pass, NOW + FILL_PAUSE_MIN, &keys);
    assert!(matches!(asked[..], [RowKey::Version(of, _)] if of == uid));
    assert_eq!(asked, shared);
    assert!(!west.state.is_incomplete(&uid));
    assert!(west.state.value(&uid, &version_id(1)).is_some());
    assert_eq!(values(&west.state, &feed, [uid].iter()).count(), 0);
}

#[test]
fn a_region_that_receives_everything_asks_for_all_it_has_not() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys::default();
    let uids: Vec<_> = (1..=9).map(|n| north.create(n, Vec::new())).collect();
    west.follow(&home(NORTH), &north, &keys);
    north.done(Command::UpdateRegion(UpdateRegion {
        region: entry(WEST, Scope::All),
    }));
    west.follow(&FeedId::Root, &north, &keys);
    let mut pass = Pass::default();
    let asked = fill(&mut west, &north, &mut pass, NOW, &keys);
    assert_eq!(asked.len(), 18, "each secret and its value");
    assert!(
        asked.is_sorted(),
        "secrets have to be here before their values"
    );
    for (uid, number) in uids.iter().zip(1..) {
        assert!(west.state.value(uid, &version_id(number)).is_some());
    }
}

#[test]
fn what_could_not_be_had_is_asked_for_again_ever_later() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys {
        broken: Some("alias/broken"),
    };
    let uid = north.create(1, vec![replica(WEST, Some("alias/broken"))]);
    west.follow(&home(NORTH), &north, &keys);
    let (mut pass, mut now, mut pauses) = (Pass::default(), NOW, Vec::new());
    for _ in 0..8 {
        let begun = now;
        while fill(&mut west, &north, &mut pass, now, &keys).is_empty() {
            now += Duration::from_secs(1);
        }
        pauses.push(now - begun);
    }
    assert_eq!(pauses[..2], [Duration::ZERO, FILL_PAUSE_MIN]);
    assert!(
        pauses.is_sorted() && pauses[7] == FILL_PAUSE_MAX,
        "{pauses:?}"
    );
    // Another key is named.
    north.share(uid, vec![replica(WEST, Some("alias/other"))]);
    west.follow(&home(NORTH), &north, &keys);
    pass.restart(now);
    assert_eq!(fill(&mut west, &north, &mut pass, now, &keys).len(), 1);
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
    let mut pass = Pass::default();
    let row = RowKey::Secret(uid);
    assert_eq!(fill(&mut west, &north, &mut pass, NOW, &keys), [row]);
    assert!(west.state.problem(&uid).is_some());
    west.done(Command::DeleteSecret(DeleteSecret {
        uid: local,
        window_days: None,
        seen: Seen::default(),
    }));
    let asked = fill(&mut west, &north, &mut pass, NOW + FILL_PAUSE_MIN, &keys);
    assert!(
        matches!(asked[..], [first, RowKey::Version(..)] if first == row),
        "{asked:?}"
    );
    assert!(west.state.problem(&uid).is_none());
    assert!(!west.state.is_incomplete(&uid));
}
