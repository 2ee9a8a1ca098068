//! Streams of a primary that means harm: each is answered with a name, none makes anything panic,
//! and the state stays what it was.

use std::time::Duration;

use bytes::Bytes;
use machine::{Command, FeedId, Flaw, Rejection, Scope};
use prost::Message as _;
use wire::replication::v1;
use wire::replication::v1::follow_response::Message;

use super::session::{message, opened, primary};
use super::support::{Dice, TestKeys, pair};
use crate::follow::session::{Event, Session};
use crate::follow::trouble::Trouble;
use crate::follow::verdict::{Verdict, judge};
use crate::kit::{Kingdom, NORTH, WEST, home, replica};
use crate::limits::QUEUE_BYTES_MAX;

const NOW: Duration = Duration::from_secs(100);

fn rig() -> (FeedId, Kingdom, Kingdom) {
    let (mut north, west) = pair(Scope::Selected);
    north.create(1, vec![replica(WEST, None)]);
    (home(NORTH), north, west)
}

fn session(feed: &FeedId, west: &Kingdom) -> Session {
    let feeds = vec![(feed.clone(), west.stands(feed))];
    let mut session = Session::new(primary(), feeds, NOW);
    session.take(opened(), NOW).unwrap();
    session
}

/// What becomes of changes: a trouble here, or one that the machine finds; none if all are taken.
fn trouble(feed: &FeedId, west: &mut Kingdom, changes: Vec<v1::Change>) -> Option<Trouble> {
    let mut session = session(feed, west);
    let sent = v1::Changes {
        feed: feed.to_string(),
        changes,
    };
    match session.take(message(Message::Changes(sent)), NOW).unwrap() {
        Event::Stopped(_, trouble) => return Some(trouble),
        event => assert!(matches!(event, Event::Queued)),
    }
    let batch = session.lane(feed).unwrap().batch(None).unwrap();
    let import = west.import(&batch, &TestKeys::default());
    let (before, clock) = (
        west.state.feed(feed).map(machine::Feed::hash),
        west.stands(feed),
    );
    let answer = west.apply(Command::ImportChanges(import));
    let is_refused = answer.is_err();
    let committed = consensus::Committed {
        answer,
        positions: Vec::new(),
        index: machine::LogIndex(1),
    };
    if is_refused {
        assert_eq!(west.state.feed(feed).map(machine::Feed::hash), before);
        assert_eq!(west.stands(feed), clock);
    }
    match judge(feed, Ok(committed)) {
        Verdict::Done(_) => None,
        Verdict::Trouble(trouble) => Some(trouble),
        verdict => panic!("{verdict:?}"),
    }
}

fn flaw(trouble: Option<Trouble>) -> Flaw {
    match trouble {
        Some(Trouble::Broken { flaw, .. }) => flaw,
        other => panic!("not broken: {other:?}"),
    }
}

#[test]
fn what_an_honest_primary_sends_is_taken() {
    let (feed, north, mut west) = rig();
    let changes = north.changes(&feed, &west);
    assert_eq!(trouble(&feed, &mut west, changes), None);
    assert_eq!(west.stands(&feed), north.stands(&feed));
}

#[test]
fn another_feeds_changes_are_refused_by_name() {
    let (feed, north, mut west) = rig();
    let nothing = Kingdom::linked(WEST, Scope::Selected);
    let root = north.changes(&FeedId::Root, &nothing);
    assert_eq!(flaw(trouble(&feed, &mut west, root)), Flaw::OtherFeed);
}

#[test]
fn a_beginning_that_is_left_out_is_refused_by_name() {
    let (feed, north, mut west) = rig();
    let changes = north.changes(&feed, &west)[1..].to_vec();
    assert_eq!(flaw(trouble(&feed, &mut west, changes)), Flaw::Gap);
}

#[test]
fn a_beginning_without_its_body_is_refused_by_name() {
    let (feed, north, mut west) = rig();
    let mut changes = north.changes(&feed, &west);
    changes[0].body = None;
    assert_eq!(flaw(trouble(&feed, &mut west, changes)), Flaw::Commitment);
}

#[test]
fn a_header_that_is_cut_is_refused_by_name() {
    let (feed, north, mut west) = rig();
    let mut changes = north.changes(&feed, &west);
    changes[1].header = changes[1].header.slice(..10);
    assert_eq!(flaw(trouble(&feed, &mut west, changes)), Flaw::Malformed);
}

#[test]
fn a_header_that_is_too_long_is_refused_by_name() {
    let (feed, north, mut west) = rig();
    let mut changes = north.changes(&feed, &west);
    let mut long = changes[0].header.to_vec();
    long.resize(machine::limits::HEADER_BYTES_MAX + 1, 0);
    changes[0].header = long.into();
    assert_eq!(flaw(trouble(&feed, &mut west, changes)), Flaw::Malformed);
}

#[test]
fn a_feed_that_is_led_here_is_not_taken_from_anybody() {
    let (_, north, mut west) = rig();
    let own = home(WEST);
    let import = machine::ImportChanges {
        feed: own.clone(),
        after: west.stands(&own),
        changes: Vec::new(),
    };
    let _ = west.apply(Command::ImportChanges(import));
    // North forges a change of west's own feed.
    let forged: Vec<v1::Change> = north.changes(&home(NORTH), &west);
    let trouble = trouble(&own, &mut west, forged);
    assert!(trouble.is_some());
}

#[test]
fn a_region_that_is_not_known_has_no_feed_here() {
    let (_, _, mut west) = rig();
    let unknown = home("eu-south-9");
    let import = machine::ImportChanges {
        after: west.stands(&unknown),
        feed: unknown.clone(),
        changes: Vec::new(),
    };
    let answer = west.apply(Command::ImportChanges(import));
    assert_eq!(answer, Err(Rejection::FeedNotFound(unknown)));
}

/// Random spoilings of an honest stream: nothing panics, and whatever is refused has a name.
#[test]
fn no_spoilt_stream_makes_anything_panic_or_grow() {
    let seed: u64 = std::env::var("STRONGROOM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_261_130);
    let count: usize = std::env::var("STRONGROOM_COUNT")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(400);
    println!("STRONGROOM_SEED={seed}");
    let mut dice = Dice(seed);
    let (feed, north, west) = rig();
    let honest: Vec<Vec<u8>> = [
        opened(),
        message(Message::Changes(v1::Changes {
            feed: feed.to_string(),
            changes: north.changes(&feed, &west),
        })),
    ]
    .iter()
    .map(prost::Message::encode_to_vec)
    .collect();
    for _ in 0..count {
        let mut session = session(&feed, &west);
        let mut bytes = honest[dice.below(honest.len())].clone();
        for _ in 0..=dice.below(5) {
            let at = dice.below(bytes.len());
            match dice.below(3) {
                0 => bytes[at] = dice.byte(),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, dice.byte()),
            }
        }
        let Ok(spoilt) = v1::FollowResponse::decode(Bytes::from(bytes)) else {
            continue;
        };
        let taken = session.take(spoilt, NOW);
        let weight: usize = session.lanes().map(|(_, lane)| lane.weight()).sum();
        assert!(weight < QUEUE_BYTES_MAX);
        if let Ok(Event::Queued) = taken {
            let batch = session.lane(&feed).unwrap().batch(None).unwrap();
            let mut region = west.clone();
            let import = region.import(&batch, &TestKeys::default());
            let answer = region.apply(Command::ImportChanges(import));
            if let Err(rejection) = answer {
                assert!(!rejection.to_string().is_empty());
                assert_eq!(region.stands(&feed), west.stands(&feed));
            }
        }
    }
}
