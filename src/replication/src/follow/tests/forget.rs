use std::collections::BTreeMap;
use std::time::Duration;

use machine::{Command, Row, RowKey, Scope, StageRows, StagedRow, TakeOver};

use super::support::{TestKeys, pair};
use crate::follow::forget::abandoned;
use crate::kit::{Kingdom, NORTH, home, name};
use crate::limits::STAGED_AGE_MAX;

const NOW: Duration = Duration::from_secs(100);

/// West keeps one row of a snapshot of north's home feed.
fn rig() -> (Kingdom, Kingdom) {
    let (mut north, mut west) = pair(Scope::All);
    let feed = home(NORTH);
    let uid = north.create(1, Vec::new());
    west.follow(&feed, &north, &TestKeys::default());
    let row = north.state.row(&RowKey::Secret(uid));
    let Some(machine::RowRef::Here(row)) = row else {
        panic!("the secret is not here");
    };
    let origin = row.origin().unwrap();
    let staged = StagedRow {
        key: RowKey::Secret(uid),
        row: Row::hidden(&feed, origin.revision, row.commitment()),
        wrap: None,
        problem: String::new(),
    };
    west.done(Command::StageRows(StageRows {
        at: north.stands(&feed),
        feed,
        first: 0,
        rows: vec![staged],
    }));
    (north, west)
}

#[test]
fn a_snapshot_that_does_not_get_on_is_forgotten_after_a_while_unless_it_is_fetched() {
    let (_, west) = rig();
    let mut seen = BTreeMap::new();
    let idle = |_: &machine::FeedId| false;
    assert!(abandoned(&west.state, &mut seen, idle, NOW).is_empty());
    let late = NOW + STAGED_AGE_MAX;
    assert!(abandoned(&west.state, &mut seen, |_| true, late).is_empty());
    let forgotten = abandoned(&west.state, &mut seen, idle, late);
    assert_eq!(forgotten, [home(NORTH)]);
}

#[test]
fn a_snapshot_of_a_feed_that_is_led_here_is_forgotten_at_once() {
    let (_, mut west) = rig();
    west.done(Command::TakeOver(TakeOver {
        region: name(NORTH),
        heard: Vec::new(),
    }));
    let forgotten = abandoned(&west.state, &mut BTreeMap::new(), |_| true, NOW);
    assert_eq!(forgotten, [home(NORTH)]);
}
