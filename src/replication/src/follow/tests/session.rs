use std::time::Duration;

use bytes::Bytes;
use machine::{Cursor, FeedId, NodeId, Scope};
use wire::replication::v1;
use wire::replication::v1::follow_response::Message;

use super::support::{TestKeys, pair};
use crate::codec::{self, Malformed};
use crate::follow::lane::Landed;
use crate::follow::session::{Event, Primary, Session, StreamFault};
use crate::follow::trouble::Trouble;
use crate::kit::{CLUSTER, Kingdom, NORTH, WEST, epoch, home, name, replica};
use crate::limits::{ACKNOWLEDGE_GAP, ACKNOWLEDGE_INTERVAL, BATCH_CHANGES_MAX, QUEUE_BYTES_MAX};

const NOW: Duration = Duration::from_secs(100);

pub(super) fn origin() -> Option<v1::Origin> {
    Some(v1::Origin {
        cluster: Bytes::copy_from_slice(&CLUSTER.0),
        region: NORTH.to_owned(),
        node: 1,
        epochs: Vec::new(),
    })
}

pub(super) fn opened() -> v1::FollowResponse {
    message(Message::Opened(v1::Opened {
        origin: origin(),
        encapsulated: Bytes::from_static(b"half a key"),
        leader: 1,
    }))
}

pub(super) fn message(message: Message) -> v1::FollowResponse {
    v1::FollowResponse {
        message: Some(message),
    }
}

pub(super) fn primary() -> Primary {
    Primary {
        cluster: CLUSTER,
        region: name(NORTH),
        node: NodeId(1),
    }
}

fn changes(feed: &FeedId, changes: Vec<v1::Change>) -> v1::FollowResponse {
    let feed = feed.to_string();
    message(Message::Changes(v1::Changes { feed, changes }))
}

fn alive(number: u64, feeds: &[(FeedId, Cursor)]) -> v1::FollowResponse {
    let feeds = feeds.iter().map(|(feed, at)| codec::cursor(feed, at));
    message(Message::Alive(v1::Alive {
        origin: origin(),
        number,
        feeds: feeds.collect(),
        leader: 1,
    }))
}

fn not_served(feed: &FeedId, reason: v1::NotServedReason) -> v1::FollowResponse {
    message(Message::NotServed(v1::NotServed {
        feed: feed.to_string(),
        reason: reason.into(),
        primary: WEST.to_owned(),
    }))
}

/// An open stream for the home feed of north, of which west has nothing.
fn rig() -> (Session, FeedId, Kingdom, Kingdom) {
    let (mut north, west) = pair(Scope::Selected);
    north.create(1, vec![replica(WEST, None)]);
    let feed = home(NORTH);
    let feeds = vec![(feed.clone(), west.stands(&feed))];
    let mut session = Session::new(primary(), feeds, NOW);
    let event = session.take(opened(), NOW).unwrap();
    assert!(matches!(event, Event::Opened { .. }));
    (session, feed, north, west)
}

#[test]
fn a_stream_is_opened_by_its_first_message_and_by_no_other() {
    let (mut session, feed, north, west) = rig();
    assert_eq!(session.take(opened(), NOW), Err(StreamFault::OutOfTurn));
    let feeds = vec![(feed.clone(), west.stands(&feed))];
    let mut closed = Session::new(primary(), feeds, NOW);
    let early = changes(&feed, north.changes(&feed, &west));
    assert_eq!(closed.take(early, NOW), Err(StreamFault::OutOfTurn));
    let nothing = v1::FollowResponse { message: None };
    assert_eq!(closed.take(nothing, NOW), Err(StreamFault::Empty));
}

#[test]
fn a_message_of_another_cluster_region_or_node_is_refused() {
    let others = [
        v1::Origin {
            cluster: Bytes::from_static(&[8; 16]),
            ..origin().unwrap()
        },
        v1::Origin {
            region: WEST.to_owned(),
            ..origin().unwrap()
        },
        v1::Origin {
            node: 2,
            ..origin().unwrap()
        },
    ];
    for other in others {
        let (mut session, ..) = rig();
        let alive = message(Message::Alive(v1::Alive {
            origin: Some(other),
            ..v1::Alive::default()
        }));
        assert_eq!(session.take(alive, NOW), Err(StreamFault::OtherSender));
    }
    let (mut session, ..) = rig();
    let nobody = message(Message::Alive(v1::Alive::default()));
    let missing = StreamFault::Malformed(Malformed::Missing("origin"));
    assert_eq!(session.take(nobody, NOW), Err(missing));
}

#[test]
fn changes_come_in_and_out_and_the_age_counts_from_the_question() {
    let (mut session, feed, north, mut west) = rig();
    let asked = NOW + ACKNOWLEDGE_INTERVAL;
    let (number, cursors) = session.acknowledge(asked).unwrap();
    assert_eq!(cursors.len(), 1);
    let sent = north.changes(&feed, &west);
    let event = session.take(changes(&feed, sent), NOW).unwrap();
    assert_eq!(event, Event::Queued);
    let places = [(feed.clone(), north.stands(&feed))];
    let event = session.take(alive(number, &places), NOW).unwrap();
    let Event::Alive {
        places, confirmed, ..
    } = event
    else {
        panic!("not a sign of life: {event:?}");
    };
    assert_eq!(places, [(feed.clone(), north.stands(&feed))]);
    assert!(confirmed.is_empty(), "nothing is imported yet");
    let batch = session.lane(&feed).unwrap().batch(None).unwrap();
    let command = west.import(&batch, &TestKeys::default());
    west.done(machine::Command::ImportChanges(command));
    let landed = session.landed(&feed, west.stands(&feed));
    assert_eq!(landed, (Landed::GoesOn, Some(asked)));
}

#[test]
fn moved_feeds_are_acknowledged_sooner() {
    let (mut session, feed, north, mut west) = rig();
    assert!(session.acknowledge(NOW + ACKNOWLEDGE_GAP).is_none());
    let sent = north.changes(&feed, &west);
    session.take(changes(&feed, sent), NOW).unwrap();
    let batch = session.lane(&feed).unwrap().batch(None).unwrap();
    let command = west.import(&batch, &TestKeys::default());
    west.done(machine::Command::ImportChanges(command));
    session.landed(&feed, west.stands(&feed));
    let now = NOW + ACKNOWLEDGE_GAP;
    let (number, cursors) = session.acknowledge(now).unwrap();
    assert_eq!(number, 1);
    assert_eq!(cursors, [codec::cursor(&feed, &west.stands(&feed))]);
    assert!(session.acknowledge(now + ACKNOWLEDGE_GAP).is_none());
    let (number, _) = session.acknowledge(now + ACKNOWLEDGE_INTERVAL).unwrap();
    assert_eq!(number, 2);
}

#[test]
fn a_feed_that_was_not_asked_for_ends_the_stream() {
    let (mut session, _, north, _) = rig();
    let nothing = Kingdom::linked(WEST, Scope::Selected);
    let root = changes(&FeedId::Root, north.changes(&FeedId::Root, &nothing));
    let fault = StreamFault::NotAsked(FeedId::Root);
    assert_eq!(session.take(root, NOW), Err(fault));
    let (mut session, ..) = rig();
    let unknown = changes(&home("eu-south-9"), Vec::new());
    let fault = StreamFault::NotAsked(home("eu-south-9"));
    assert_eq!(session.take(unknown, NOW), Err(fault));
    let (mut session, ..) = rig();
    let nonsense = message(Message::Changes(v1::Changes {
        feed: "home/../etc".to_owned(),
        changes: Vec::new(),
    }));
    let fault = StreamFault::Malformed(Malformed::Form("feed"));
    assert_eq!(session.take(nonsense, NOW), Err(fault));
}

#[test]
fn a_message_of_no_or_too_many_changes_ends_the_stream() {
    let (mut session, feed, ..) = rig();
    let none = session.take(changes(&feed, Vec::new()), NOW);
    assert_eq!(none, Err(StreamFault::ChangeCount(0)));
    let many = vec![v1::Change::default(); BATCH_CHANGES_MAX + 1];
    let many = session.take(changes(&feed, many), NOW);
    assert_eq!(many, Err(StreamFault::ChangeCount(BATCH_CHANGES_MAX + 1)));
}

#[test]
fn a_broken_feed_stops_and_the_stream_goes_on() {
    let (mut session, feed, north, west) = rig();
    let sent = north.changes(&feed, &west);
    let event = session
        .take(changes(&feed, sent[1..].to_vec()), NOW)
        .unwrap();
    let Event::Stopped(_, trouble) = event else {
        panic!("it goes on: {event:?}");
    };
    assert!(matches!(trouble, Trouble::Broken { .. }), "{trouble}");
    // What was on its way is dropped.
    let event = session.take(changes(&feed, sent), NOW).unwrap();
    assert_eq!(event, Event::Nothing);
    assert!(session.lane(&feed).is_none());
    assert!(session.take(alive(0, &[]), NOW).is_ok());
}

#[test]
fn a_feed_that_is_not_served_stops_with_the_reason() {
    let feed = home(NORTH);
    let not_primary = Trouble::NotPrimary {
        feed: feed.clone(),
        asked: name(NORTH),
    };
    let reasons = [
        (v1::NotServedReason::NotPrimary, not_primary),
        (v1::NotServedReason::Trimmed, Trouble::Trimmed(feed.clone())),
        (
            v1::NotServedReason::Diverged,
            Trouble::Diverged(feed.clone()),
        ),
        (v1::NotServedReason::Behind, Trouble::Behind(feed)),
    ];
    for (reason, wanted) in reasons {
        let (mut session, feed, ..) = rig();
        let event = session.take(not_served(&feed, reason), NOW).unwrap();
        assert_eq!(event, Event::Stopped(feed.clone(), wanted));
        let again = session.take(not_served(&feed, reason), NOW).unwrap();
        assert_eq!(again, Event::Nothing);
    }
    let (mut session, feed, ..) = rig();
    let unspecified = session.take(not_served(&feed, v1::NotServedReason::Unspecified), NOW);
    assert!(matches!(unspecified, Err(StreamFault::Malformed(_))));
}

#[test]
fn an_answer_to_what_was_never_asked_ends_the_stream() {
    let (mut session, ..) = rig();
    assert_eq!(
        session.take(alive(1, &[]), NOW),
        Err(StreamFault::NeverAsked(1))
    );
}

#[test]
fn a_region_speaks_for_the_feeds_it_leads_only() {
    let (mut session, feed, _, west) = rig();
    let (number, _) = session.acknowledge(NOW + ACKNOWLEDGE_INTERVAL).unwrap();
    // It says that the feed stands where west has it, in an epoch that is another region's.
    let foreign = Cursor {
        epoch: Some(epoch(1, WEST)),
        ..west.stands(&feed)
    };
    // And that it leads a feed that others are asked for.
    let other = Cursor {
        epoch: Some(epoch(9, NORTH)),
        ..west.stands(&feed)
    };
    let said = alive(number, &[(feed, foreign), (home(WEST), other)]);
    let event = session.take(said, NOW).unwrap();
    let Event::Alive {
        places, confirmed, ..
    } = event
    else {
        panic!("not a sign of life: {event:?}");
    };
    assert!(places.is_empty() && confirmed.is_empty());
}

#[test]
fn nothing_more_is_read_when_enough_is_queued_whatever_the_primary_sends() {
    let (mut session, feed, north, west) = rig();
    let sent = north.changes(&feed, &west);
    let is_version = |change: &v1::Change| {
        let header = machine::Header::decode(change.header.clone()).unwrap();
        header.key().unwrap().is_immutable()
    };
    let version = sent.iter().position(is_version).unwrap();
    let body = sent[version].body.clone().unwrap();
    session
        .take(changes(&feed, sent[..version].to_vec()), NOW)
        .unwrap();
    // The largest bodies that are kept, in changes whose revisions follow on each other.
    let mut revision = version as u64;
    while session.has_room() {
        revision += 1;
        let mut change = sent[version].clone();
        change.header = renumbered(&change.header, revision);
        let bytes = Bytes::from(vec![7; machine::limits::IMPORTED_ROW_BYTES_MAX]);
        let mut large = body.clone();
        large.bytes = bytes;
        change.body = Some(large);
        let event = session.take(changes(&feed, vec![change]), NOW).unwrap();
        assert_eq!(event, Event::Queued);
        assert!(revision < 100, "there is always room");
    }
    let weight: usize = session.lanes().map(|(_, lane)| lane.weight()).sum();
    assert!(
        weight < QUEUE_BYTES_MAX + (1 << 20),
        "{weight} bytes are queued"
    );
}

#[test]
fn a_body_that_is_too_long_is_not_kept() {
    let (mut session, feed, north, west) = rig();
    let mut sent = north.changes(&feed, &west);
    for change in &mut sent {
        if let Some(body) = &mut change.body {
            body.bytes = Bytes::from(vec![7; machine::limits::IMPORTED_ROW_BYTES_MAX + 1]);
        }
    }
    session.take(changes(&feed, sent), NOW).unwrap();
    assert!(session.lane(&feed).unwrap().weight() < 100_000);
}

/// The same header under another revision: the field has number 3 in its message.
fn renumbered(header: &Bytes, revision: u64) -> Bytes {
    let decoded = machine::Header::decode(header.clone()).unwrap();
    let old = [&[0x18][..], &varint(decoded.revision.0)].concat();
    let new = [&[0x18][..], &varint(revision)].concat();
    let at = header
        .windows(old.len())
        .position(|window| window == old)
        .expect("a revision");
    let (before, after) = (&header[..at], &header[at + old.len()..]);
    let renumbered = Bytes::from([before, &new, after].concat());
    let again = machine::Header::decode(renumbered.clone()).unwrap();
    assert_eq!(again.revision.0, revision);
    renumbered
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
