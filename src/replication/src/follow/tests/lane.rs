use machine::{Cursor, FeedId, Flaw, Revision, Scope};
use wire::replication::v1;

use super::support::{TestKeys, pair};
use crate::follow::lane::{Landed, Lane};
use crate::follow::trouble::Trouble;
use crate::kit::{Kingdom, NORTH, WEST, home, replica};
use crate::limits::IMPORT_CHANGES_MAX;

/// A feed of many changes that the follower has nothing of, and the states of both.
fn rig(secrets: u8) -> (FeedId, Vec<v1::Change>, Kingdom, Kingdom) {
    let (mut north, west) = pair(Scope::Selected);
    for number in 1..=secrets {
        north.create(number, vec![replica(WEST, None)]);
    }
    let feed = home(NORTH);
    let changes = north.changes(&feed, &west);
    (feed, changes, north, west)
}

fn import(west: &mut Kingdom, lane: &mut Lane, hold: Option<Revision>) -> usize {
    let batch = lane.batch(hold).expect("a batch");
    let count = batch.changes.len();
    let import = west.import(&batch, &TestKeys::default());
    west.done(machine::Command::ImportChanges(import));
    let landed = lane.landed(west.stands(&batch.feed));
    assert_eq!(landed, Landed::GoesOn);
    count
}

#[test]
fn changes_are_imported_in_order_one_batch_at_a_time() {
    let (feed, changes, north, mut west) = rig(20);
    let mut lane = Lane::new(feed.clone(), west.stands(&feed));
    let (first, rest) = changes.split_at(5);
    lane.take(first.to_vec()).unwrap();
    let batch = lane.batch(None).unwrap();
    assert_eq!(batch.changes.len(), 5);
    lane.take(rest.to_vec()).unwrap();
    assert!(lane.batch(None).is_none(), "one is under way");
    let command = west.import(&batch, &TestKeys::default());
    west.done(machine::Command::ImportChanges(command));
    assert_eq!(lane.landed(west.stands(&feed)), Landed::GoesOn);
    assert_eq!(import(&mut west, &mut lane, None), rest.len());
    assert!(lane.is_idle() && lane.weight() == 0);
    assert_eq!(west.stands(&feed), north.stands(&feed));
}

#[test]
fn a_batch_has_no_more_than_an_import_may() {
    let (feed, changes, _, west) = rig(20);
    let mut lane = Lane::new(feed.clone(), west.stands(&feed));
    lane.take(changes).unwrap();
    let batch = lane.batch(None).unwrap();
    assert!(batch.changes.len() <= IMPORT_CHANGES_MAX);
    assert!(lane.weight() > 0);
}

#[test]
fn a_version_at_the_end_of_a_batch_sees_the_secret_that_comes_after_it() {
    let (feed, changes, _, west) = rig(1);
    let mut lane = Lane::new(feed.clone(), west.stands(&feed));
    let version = changes.len() - 1;
    lane.take(changes).unwrap();
    let hold = Revision(version as u64);
    let batch = lane.batch(Some(hold)).unwrap();
    assert_eq!((batch.changes.len(), batch.ahead.len()), (version, 1));
}

#[test]
fn a_feed_that_is_held_does_not_go_beyond_that_place() {
    let (feed, changes, _, mut west) = rig(4);
    let last = changes.len() as u64;
    let mut lane = Lane::new(feed.clone(), west.stands(&feed));
    lane.take(changes).unwrap();
    let hold = Some(Revision(3));
    assert_eq!(import(&mut west, &mut lane, hold), 3);
    assert!(lane.batch(hold).is_none());
    assert_eq!(import(&mut west, &mut lane, None) as u64, last - 3);
}

#[test]
fn what_was_not_written_is_proposed_again() {
    let (feed, changes, _, west) = rig(1);
    let mut lane = Lane::new(feed.clone(), west.stands(&feed));
    lane.take(changes).unwrap();
    let first = lane.batch(None).unwrap();
    assert_eq!(lane.landed(west.stands(&feed)), Landed::GoesOn);
    assert_eq!(lane.batch(None).unwrap().changes, first.changes);
}

#[test]
fn what_another_proposal_brought_is_passed_over() {
    let (feed, changes, north, mut west) = rig(4);
    let mut lane = Lane::new(feed.clone(), west.stands(&feed));
    let (first, rest) = changes.split_at(4);
    lane.take(first.to_vec()).unwrap();
    // An entry of an earlier stream comes in late, with more than is queued here.
    let batch = west.batch(&feed, changes[..6].to_vec());
    let command = west.import(&batch, &TestKeys::default());
    west.done(machine::Command::ImportChanges(command));
    assert_eq!(lane.landed(west.stands(&feed)), Landed::GoesOn);
    assert!(lane.is_idle());
    lane.take(rest.to_vec()).unwrap();
    import(&mut west, &mut lane, None);
    assert_eq!(west.stands(&feed), north.stands(&feed));
}

#[test]
fn a_feed_that_stands_where_the_stream_never_was_needs_another_stream() {
    let (feed, changes, _, west) = rig(2);
    let stands = west.stands(&feed);
    let mut lane = Lane::new(feed.clone(), stands.clone());
    lane.take(changes).unwrap();
    let elsewhere = Cursor {
        epoch: Some(crate::kit::epoch(7, WEST)),
        revision: Revision(2),
        ..stands
    };
    assert_eq!(lane.landed(elsewhere), Landed::Reopen);
}

#[test]
fn a_gap_a_repetition_and_another_feed_are_named_and_nothing_is_queued() {
    let (feed, changes, north, west) = rig(2);
    let broken = |at, flaw| Trouble::Broken {
        feed: feed.clone(),
        at: Revision(at),
        flaw,
    };
    let taken = |changes: Vec<v1::Change>| {
        let mut lane = Lane::new(feed.clone(), west.stands(&feed));
        let taken = lane.take(changes);
        assert!(taken.is_ok() || (lane.is_idle() && lane.weight() == 0));
        taken
    };
    let gap = [&changes[..1], &changes[2..3]].concat();
    assert_eq!(taken(gap), Err(broken(2, Flaw::Gap)));
    let repeated = [&changes[..1], &changes[..1]].concat();
    assert_eq!(taken(repeated), Err(broken(2, Flaw::Gap)));
    let root = north.changes(&FeedId::Root, &Kingdom::linked(WEST, Scope::Selected));
    assert_eq!(taken(root[..1].to_vec()), Err(broken(1, Flaw::OtherFeed)));
    let mut cut = changes[0].clone();
    cut.header = cut.header.slice(..cut.header.len() - 3);
    assert_eq!(taken(vec![cut]), Err(broken(1, Flaw::Malformed)));
    assert_eq!(taken(changes), Ok(()));
}
