use std::sync::Arc;
use std::time::Duration;

use consensus::SystemClock;
use machine::{Command, Scope, TakeOver};

use super::support::{NORTH, TestKeys, WEST, home, name, pair, replica};
use crate::follow::lag::lags;
use crate::follow::staleness::Staleness;
use crate::heard::Heard;

#[test]
fn a_feed_lags_by_what_was_announced_and_is_not_here() {
    let (mut north, mut west) = pair(Scope::All);
    let (feed, keys) = (home(NORTH), TestKeys::default());
    north.create(1, vec![replica(WEST, None)]);
    west.follow(&feed, &north, &keys);
    let (heard, staleness) = (Heard::default(), Staleness::new(Arc::new(SystemClock)));
    let of = |state: &machine::State| {
        let all = lags(state, &heard, &staleness);
        all.into_iter().find(|lag| lag.feed == feed)
    };
    let unknown = of(&west.state).unwrap();
    assert_eq!((unknown.changes, unknown.age), (None, None));
    north.create(2, vec![replica(WEST, None)]);
    heard.announce(&name(NORTH), &feed, &north.stands(&feed));
    staleness.confirm(&feed, staleness.now());
    let behind = of(&west.state).unwrap();
    assert_eq!((behind.primary, behind.changes), (name(NORTH), Some(2)));
    assert!(behind.age.unwrap() < Duration::from_secs(60));
    west.follow(&feed, &north, &keys);
    assert_eq!(of(&west.state).unwrap().changes, Some(0));
    west.done(Command::TakeOver(TakeOver {
        region: name(NORTH),
        heard: Vec::new(),
    }));
    assert_eq!(of(&west.state), None, "what is led here lags behind nobody");
}
