//! One stream from a primary, without its I/O: what its messages mean, what is to be acknowledged,
//! and when it is dead. Nothing a message says makes it panic, or hold more than is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use machine::{ClusterId, Cursor, Epoch, FeedId, NodeId, RegionName};
use thiserror::Error;
use wire::replication::v1;
use wire::replication::v1::follow_response::Message;

use crate::codec::{self, Malformed};
use crate::follow::lane::{Landed, Lane};
use crate::follow::pulse::{Dead, Pulse};
use crate::follow::staleness::Questions;
use crate::follow::trouble::Trouble;
use crate::limits::{ACKNOWLEDGE_GAP, ACKNOWLEDGE_INTERVAL, BATCH_CHANGES_MAX, QUEUE_BYTES_MAX};

/// Who is at the other end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Primary {
    pub(crate) cluster: ClusterId,
    pub(crate) region: RegionName,
    pub(crate) node: NodeId,
}

/// A message that no primary sends. The stream is ended, and its node left alone for a while.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum StreamFault {
    /// The first message does not open the stream, or a later one does.
    #[error("the stream is not opened by its first message, or opened twice")]
    OutOfTurn,
    /// A message is empty, or of a kind that is not known.
    #[error("a message holds nothing that is known")]
    Empty,
    /// A message is somebody else's.
    #[error("a message is of another cluster, region or node than the one that was dialled")]
    OtherSender,
    /// A message cannot be read.
    #[error("a message cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// A message is about a feed that was not asked for.
    #[error("feed {0} was not asked for")]
    NotAsked(FeedId),
    /// A message has no changes, or too many.
    #[error("a message has {0} changes, not 1 to {BATCH_CHANGES_MAX}")]
    ChangeCount(usize),
    /// A sign of life answers what was never asked.
    #[error("question {0} is answered, which was never asked")]
    NeverAsked(u64),
    /// No key for the stream comes of what was sent.
    #[error("the stream has no key: {0}")]
    NoKey(String),
    /// The two ends of the stream have not the same key.
    #[error("no data key that came opens under the stream's key")]
    KeyUnfit,
}

/// What a message brings.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// The stream is open.
    Opened {
        encapsulated: Bytes,
        claims: Vec<(FeedId, Epoch)>,
    },
    /// Changes are queued.
    Queued,
    /// A sign of life: where the feeds stand that the region is primary of, and since when this
    /// region has feeds as they were then.
    Alive {
        claims: Vec<(FeedId, Epoch)>,
        places: Vec<(FeedId, Cursor)>,
        /// When the question was sent that is answered: nothing was acknowledged before then that
        /// is not in the places. None if nothing is answered.
        asked: Option<Duration>,
        confirmed: Vec<(FeedId, Duration)>,
    },
    /// A feed does not go on.
    Stopped(FeedId, Trouble),
    /// Nothing that counts.
    Nothing,
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Session {
    primary: Primary,
    asked: BTreeSet<FeedId>,
    lanes: BTreeMap<FeedId, Lane>,
    is_open: bool,
    pulse: Pulse,
    questions: Questions,
    acknowledged: Duration,
    /// Whether a feed moved since.
    moved: bool,
}

impl Session {
    /// A stream that is opened now, from where the feeds stand.
    pub(crate) fn new(primary: Primary, feeds: Vec<(FeedId, Cursor)>, now: Duration) -> Session {
        Session {
            asked: feeds.iter().map(|(feed, _)| feed.clone()).collect(),
            lanes: feeds
                .into_iter()
                .map(|(feed, cursor)| (feed.clone(), Lane::new(feed, cursor)))
                .collect(),
            is_open: false,
            pulse: Pulse::new(primary.node, now),
            questions: Questions::default(),
            acknowledged: now,
            moved: false,
            primary,
        }
    }

    /// The feeds that go on.
    pub(crate) fn lanes(&mut self) -> impl Iterator<Item = (&FeedId, &mut Lane)> {
        self.lanes.iter_mut()
    }

    /// Finds a feed that goes on.
    pub(crate) fn lane(&mut self, feed: &FeedId) -> Option<&mut Lane> {
        self.lanes.get_mut(feed)
    }

    /// What the queues of all feeds take in memory, about.
    pub(crate) fn weight(&self) -> usize {
        self.lanes.values().map(Lane::weight).sum()
    }

    /// Whether there is room for another message.
    pub(crate) fn has_room(&self) -> bool {
        self.weight() < QUEUE_BYTES_MAX
    }

    /// Takes that no message was read until now, for want of room: silence is none then.
    pub(crate) fn paused(&mut self, now: Duration) {
        self.pulse.heard(now);
    }

    /// Whether the stream is to be given up.
    pub(crate) fn dead(&self, now: Duration, may_go: impl Fn(NodeId) -> bool) -> Option<Dead> {
        self.pulse.dead(now, may_go)
    }

    /// Takes a message.
    pub(crate) fn take(
        &mut self,
        message: v1::FollowResponse,
        now: Duration,
    ) -> Result<Event, StreamFault> {
        let message = message.message.ok_or(StreamFault::Empty)?;
        if matches!(message, Message::Opened(_)) == self.is_open {
            return Err(StreamFault::OutOfTurn);
        }
        self.pulse.heard(now);
        match message {
            Message::Opened(opened) => {
                let claims = self.sent_by(opened.origin)?;
                self.is_open = true;
                self.pulse.leader(opened.leader, now);
                let encapsulated = opened.encapsulated;
                Ok(Event::Opened {
                    encapsulated,
                    claims,
                })
            }
            Message::Changes(changes) => self.changes(changes),
            Message::Alive(alive) => self.alive(alive, now),
            Message::NotServed(not_served) => self.not_served(&not_served),
        }
    }

    /// Takes where a feed stands now; gives since when it is so, if that is newly known.
    pub(crate) fn landed(&mut self, feed: &FeedId, at: Cursor) -> (Landed, Option<Duration>) {
        let Some(lane) = self.lanes.get_mut(feed) else {
            return (Landed::GoesOn, None);
        };
        self.moved |= *lane.cursor() != at;
        let landed = lane.landed(at);
        let confirmed = self.questions.reached(feed, lane.cursor());
        (landed, confirmed)
    }

    /// Gives a feed up; what is queued of it is dropped.
    pub(crate) fn stop(&mut self, feed: &FeedId) {
        self.lanes.remove(feed);
    }

    /// Gives what is to be acknowledged, if it is time to.
    pub(crate) fn acknowledge(&mut self, now: Duration) -> Option<(u64, Vec<v1::FeedCursor>)> {
        let pause = match self.moved {
            true => ACKNOWLEDGE_GAP,
            false => ACKNOWLEDGE_INTERVAL,
        };
        if !self.is_open || now < self.acknowledged.saturating_add(pause) {
            return None;
        }
        (self.acknowledged, self.moved) = (now, false);
        let cursors = self.lanes.iter();
        let cursors = cursors.map(|(feed, lane)| codec::cursor(feed, lane.cursor()));
        Some((self.questions.ask(now), cursors.collect()))
    }

    fn sent_by(&self, origin: Option<v1::Origin>) -> Result<Vec<(FeedId, Epoch)>, StreamFault> {
        let origin = origin.ok_or(Malformed::Missing("origin"))?;
        let is_primary = origin.cluster.as_ref() == self.primary.cluster.0
            && origin.region == self.primary.region.as_str()
            && origin.node == self.primary.node.0;
        if !is_primary {
            return Err(StreamFault::OtherSender);
        }
        Ok(codec::from_claims(origin.epochs)?)
    }

    fn asked(&self, feed: &str) -> Result<FeedId, StreamFault> {
        let feed = codec::from_feed(feed)?;
        match self.asked.contains(&feed) {
            true => Ok(feed),
            false => Err(StreamFault::NotAsked(feed)),
        }
    }

    fn changes(&mut self, changes: v1::Changes) -> Result<Event, StreamFault> {
        let feed = self.asked(&changes.feed)?;
        let count = changes.changes.len();
        if count == 0 || count > BATCH_CHANGES_MAX {
            return Err(StreamFault::ChangeCount(count));
        }
        // What was on its way when the feed was given up is dropped.
        let Some(lane) = self.lanes.get_mut(&feed) else {
            return Ok(Event::Nothing);
        };
        match lane.take(changes.changes) {
            Ok(()) => Ok(Event::Queued),
            Err(trouble) => {
                self.stop(&feed);
                Ok(Event::Stopped(feed, trouble))
            }
        }
    }

    fn alive(&mut self, alive: v1::Alive, now: Duration) -> Result<Event, StreamFault> {
        let claims = self.sent_by(alive.origin)?;
        self.pulse.leader(alive.leader, now);
        let mut places = codec::from_cursors(alive.feeds)?;
        // It speaks for itself only, and of what it is asked for: what others lead it would hide.
        let region = &self.primary.region;
        places.retain(|(feed, at)| {
            let by = at.epoch.as_ref().map(|epoch| &epoch.region);
            by == Some(region) && self.asked.contains(feed)
        });
        let mut asked = None;
        if alive.number > 0 {
            let followed = places
                .iter()
                .filter(|(feed, _)| self.lanes.contains_key(feed));
            let followed: Vec<(FeedId, Cursor)> = followed.cloned().collect();
            let answered = self.questions.answer(alive.number, &followed);
            asked = answered.map_err(|_never| StreamFault::NeverAsked(alive.number))?;
        }
        let mut confirmed = Vec::new();
        for (feed, lane) in &self.lanes {
            let reached = self.questions.reached(feed, lane.cursor());
            confirmed.extend(reached.map(|at| (feed.clone(), at)));
        }
        Ok(Event::Alive {
            claims,
            places,
            asked,
            confirmed,
        })
    }

    fn not_served(&mut self, not_served: &v1::NotServed) -> Result<Event, StreamFault> {
        let feed = self.asked(&not_served.feed)?;
        let trouble = match not_served.reason() {
            v1::NotServedReason::NotPrimary => Trouble::NotPrimary {
                feed: feed.clone(),
                asked: self.primary.region.clone(),
            },
            v1::NotServedReason::Trimmed => Trouble::Trimmed(feed.clone()),
            v1::NotServedReason::Diverged => Trouble::Diverged(feed.clone()),
            v1::NotServedReason::Behind => Trouble::Behind(feed.clone()),
            v1::NotServedReason::Unspecified => return Err(Malformed::Form("reason").into()),
        };
        match self.lanes.remove(&feed) {
            Some(_lane) => Ok(Event::Stopped(feed, trouble)),
            None => Ok(Event::Nothing),
        }
    }
}
