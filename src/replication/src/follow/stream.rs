//! The task of one stream: reads messages while there is room, proposes what is queued, and
//! acknowledges what the quorum has. What any of it means is for [`Session`] to say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use machine::{Cursor, FeedId, Node};
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use wire::replication::v1;
use wire::replication::v1::follow_request::Message;

use crate::codec;
use crate::follow::Following;
use crate::follow::closed::Closed;
use crate::follow::failed::{Failed, within};
use crate::follow::import::{Imported, cursor, import};
use crate::follow::key::StreamKey;
use crate::follow::lane::Landed;
use crate::follow::line::{Line, Offer, client};
use crate::follow::route::Route;
use crate::follow::session::{Event, Primary, Session, StreamFault};
use crate::follow::trouble::Trouble;
use crate::limits::{OUTBOX_MAX, STREAM_AGE_MAX, STREAM_OPEN_TIMEOUT, STREAM_TICK, TROUBLE_PAUSE};

/// A stream that is open, or about to be.
pub(crate) struct Stream<'a> {
    following: &'a Arc<Following>,
    line: &'a Arc<Line>,
    route: &'a Route,
    node: Node,
    session: Session,
    /// This region's half of the agreement on a key, until the other one is here.
    offer: Option<Offer>,
    key: Option<Arc<StreamKey>>,
    /// When it was begun.
    since: Duration,
    imports: JoinSet<Imported>,
    outbox: mpsc::Sender<v1::FollowRequest>,
    /// Whether the first stream to this end, and not one for other feeds only.
    is_first: bool,
}

/// Follows the feeds that `line` is asked for at `node`, until the stream ends.
pub(crate) async fn follow(
    following: &Arc<Following>,
    line: &Arc<Line>,
    route: &Route,
    node: Node,
    is_first: bool,
) -> Closed {
    let mut asked = line.asked.subscribe();
    let view = following.view();
    let feeds = asked.borrow_and_update().clone();
    let feeds: Vec<(FeedId, Cursor)> = feeds
        .into_iter()
        .map(|feed| (feed.clone(), cursor(&view, &feed)))
        .collect();
    let [doubts, _] = &line.doubts;
    let offer = match Offer::make(&following.context, &line.region, doubts) {
        Ok(offer) => offer,
        Err(error) => return Failed::lost(error).into(),
    };
    let open = v1::Open {
        origin: Some(following.context.origin(&view)),
        stream: offer.stream(),
        public_key: offer.public_key(),
        feeds: feeds
            .iter()
            .map(|(feed, at)| codec::cursor(feed, at))
            .collect(),
    };
    drop(view);
    let (outbox, requests) = mpsc::channel(OUTBOX_MAX);
    let primary = Primary {
        cluster: following.context.options.cluster,
        region: line.region.clone(),
        node: node.id,
    };
    let since = following.now();
    let mut stream = Stream {
        session: Session::new(primary, feeds, since),
        following,
        line,
        route,
        node,
        offer: Some(offer),
        key: None,
        since,
        imports: JoinSet::new(),
        outbox,
        is_first,
    };
    match stream.open(open, requests).await {
        Ok(messages) => stream.run(messages, asked).await,
        Err(closed) => closed,
    }
}

impl Stream<'_> {
    async fn open(
        &self,
        open: v1::Open,
        requests: mpsc::Receiver<v1::FollowRequest>,
    ) -> Result<Streaming<v1::FollowResponse>, Closed> {
        let mut client = client(&self.following.context, &self.line.region, &self.node)?;
        let first = v1::FollowRequest {
            message: Some(Message::Open(open)),
        };
        // The outbox is empty: there is room for it.
        let _ = self.outbox.try_send(first);
        let opening = client.follow(ReceiverStream::new(requests));
        Ok(within(STREAM_OPEN_TIMEOUT, opening).await?.into_inner())
    }

    async fn run(
        &mut self,
        mut messages: Streaming<v1::FollowResponse>,
        mut asked: watch::Receiver<BTreeSet<FeedId>>,
    ) -> Closed {
        let mut ticks = interval(STREAM_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.propose();
            let has_room = self.session.has_room();
            let done = tokio::select! {
                biased;
                // A feed that was stopped may be good again before the plan has seen that it was.
                _ = ticks.tick() => self.tick(has_room).and_then(|()| self.asked(&asked.borrow())),
                changed = asked.changed() => match changed {
                    Ok(()) => self.asked(&asked.borrow_and_update()),
                    Err(_gone) => Err(Closed::Renewed),
                },
                Some(imported) = self.imports.join_next() => match imported {
                    Ok(imported) => self.imported(imported),
                    // It panicked, which ends the process, or the runtime stops.
                    Err(_) => Err(Closed::Renewed),
                },
                message = messages.message(), if has_room => match message {
                    Ok(Some(message)) => self.take(message),
                    Ok(None) => Err(Closed::Ended),
                    Err(status) => Err(Failed::from(status).into()),
                },
            };
            if let Err(closed) = done {
                return closed;
            }
        }
    }

    /// Proposes a batch of each feed of which none is under way.
    fn propose(&mut self) {
        let Some(key) = &self.key else {
            return;
        };
        for (feed, lane) in self.session.lanes() {
            if lane.is_idle() || lane.is_under_way() {
                continue;
            }
            let hold = self.line.notes().held(feed);
            if let Some(batch) = lane.batch(hold) {
                let (following, line) = (Arc::clone(self.following), Arc::clone(self.line));
                let importing = import(following, line, batch, Arc::clone(key));
                self.imports.spawn(importing);
            }
        }
    }

    fn take(&mut self, message: v1::FollowResponse) -> Result<(), Closed> {
        let Following {
            context, progress, ..
        } = &**self.following;
        let region = &self.line.region;
        let (bytes, now) = (message.encoded_len(), self.following.now());
        let event = self.session.take(message, now)?;
        context.heard.hear(region);
        progress.received(region, bytes);
        match event {
            Event::Opened {
                encapsulated,
                claims,
            } => {
                self.opened(&encapsulated)?;
                self.hear(&claims);
            }
            Event::Alive {
                claims,
                places,
                asked,
                confirmed,
            } => {
                self.hear(&claims);
                let age = asked.map(|asked| now.saturating_sub(asked));
                for (feed, at) in &places {
                    context.heard.announce(region, feed, at, age);
                }
                for (feed, at) in confirmed {
                    self.following.staleness().confirm(&feed, at);
                }
            }
            Event::Stopped(feed, trouble) => self.trouble(&feed, trouble),
            Event::Queued | Event::Nothing => {}
        }
        Ok(())
    }

    fn opened(&mut self, encapsulated: &[u8]) -> Result<(), Closed> {
        let Some(offer) = self.offer.take() else {
            return Err(StreamFault::OutOfTurn.into());
        };
        let key = offer.accept(encapsulated);
        let key = key.map_err(|error| StreamFault::NoKey(error.to_string()))?;
        self.key = Some(key);
        let (region, node) = (&self.line.region, self.node.id);
        self.following.progress.opened(region, node);
        self.line.node.send_replace(Some(self.node.clone()));
        match self.is_first {
            true => {
                tracing::info!(%region, %node, "a region is followed");
                self.following.touched.begun(region);
            }
            false => tracing::debug!(%region, %node, "a stream is opened anew"),
        }
        Ok(())
    }

    fn hear(&self, claims: &[(FeedId, machine::Epoch)]) {
        let epochs = &self.following.context.options.epochs;
        epochs.hear(&self.following.view(), claims);
        self.line.notes().tell(&self.line.region, claims);
    }

    fn imported(&mut self, imported: Imported) -> Result<(), Closed> {
        let Imported { feed, outcome } = imported;
        match outcome {
            Ok((cursor, changes)) => {
                self.following.progress.imported(&self.line.region, changes);
                // What came behind it may have been wrong, and have stopped the feed meanwhile.
                if self.session.lane(&feed).is_some() {
                    self.line.notes().resolved(&feed);
                }
                self.landed(&feed, cursor)
            }
            Err(Failed::Trouble(trouble)) => {
                self.session.stop(&feed);
                self.trouble(&feed, trouble);
                Ok(())
            }
            Err(Failed::KeyUnfit) => Err(StreamFault::KeyUnfit.into()),
            // The runtime stops: a panic has ended the process.
            Err(_) => Err(Closed::Renewed),
        }
    }

    fn landed(&mut self, feed: &FeedId, at: Cursor) -> Result<(), Closed> {
        let (landed, confirmed) = self.session.landed(feed, at);
        if let Some(at) = confirmed {
            self.following.staleness().confirm(feed, at);
        }
        match landed {
            Landed::GoesOn => Ok(()),
            Landed::Reopen => Err(Closed::Renewed),
        }
    }

    fn trouble(&self, feed: &FeedId, trouble: Trouble) {
        let region = &self.line.region;
        match trouble.is_expected() {
            true => tracing::info!(%region, %feed, reason = %trouble, "a feed is not followed yet"),
            false => tracing::warn!(%region, %feed, reason = %trouble, "a feed is not followed"),
        }
        // A snapshot says itself when it is done.
        let is_trimmed = matches!(trouble, Trouble::Trimmed(_));
        let until = match is_trimmed {
            true => Duration::MAX,
            false => self.following.now().saturating_add(TROUBLE_PAUSE),
        };
        self.line.notes().trouble(feed, trouble, until);
        if is_trimmed {
            self.line.trimmed.notify_one();
        }
    }

    /// Goes on with the feeds that are asked for now; those that are new need another stream.
    fn asked(&mut self, asked: &BTreeSet<FeedId>) -> Result<(), Closed> {
        let known: BTreeSet<FeedId> = self.session.lanes().map(|(feed, _)| feed.clone()).collect();
        for feed in known.difference(asked) {
            self.session.stop(feed);
        }
        let now = self.following.now();
        let notes = self.line.notes();
        let mut new = asked.difference(&known);
        // The plan may not have seen yet what stopped a feed.
        match new.any(|feed| notes.blocked(feed, now).is_none()) {
            true => Err(Closed::Renewed),
            false => Ok(()),
        }
    }

    fn tick(&mut self, has_room: bool) -> Result<(), Closed> {
        let now = self.following.now();
        if !has_room {
            self.session.paused(now);
        }
        let (region, queued) = (&self.line.region, self.session.weight());
        self.following.progress.queued(region, queued);
        let view = self.following.view();
        let region = view.linked(&self.line.region);
        let nodes = region.map_or(&[][..], |region| &region.nodes);
        if !nodes.contains(&self.node) {
            return Err(Closed::Removed);
        }
        let route = self.route;
        let may_go = |id| nodes.iter().any(|node| node.id == id) && route.may_go(id, now);
        if let Some(dead) = self.session.dead(now, may_go) {
            return Err(dead.into());
        }
        // Whoever breaks into this process later finds the key of no older stream.
        if now.saturating_sub(self.since) >= STREAM_AGE_MAX {
            return Err(Closed::Renewed);
        }
        // An import of an earlier stream may have come in late.
        let idle = self
            .session
            .lanes()
            .filter(|(_, lane)| !lane.is_under_way());
        let moved: Vec<(FeedId, Cursor)> = idle
            .filter_map(|(feed, lane)| {
                let at = cursor(&view, feed);
                (*lane.cursor() != at).then(|| (feed.clone(), at))
            })
            .collect();
        for (feed, at) in moved {
            self.landed(&feed, at)?;
        }
        if self.outbox.capacity() > 0
            && let Some((number, feeds)) = self.session.acknowledge(now)
        {
            let acknowledge = v1::Acknowledge {
                origin: Some(self.following.context.origin(&view)),
                number,
                feeds,
            };
            let message = Some(Message::Acknowledge(acknowledge));
            let _ = self.outbox.try_send(v1::FollowRequest { message });
        }
        Ok(())
    }
}
