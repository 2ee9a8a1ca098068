//! The task of one stream: reads messages while there is room, proposes what is queued, and
//! acknowledges what the quorum has. What any of it means is for [`Session`] to say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use envelope::LinkKey;
use machine::{Cursor, FeedId, Node};
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use wire::replication::v1;
use wire::replication::v1::follow_request::Message;

use crate::codec;
use crate::follow::Following;
use crate::follow::closed::Closed;
use crate::follow::import::{Imported, Outcome, cursor, import};
use crate::follow::lane::Landed;
use crate::follow::line::{Line, Offer, client};
use crate::follow::route::Route;
use crate::follow::session::{Event, Primary, Session, StreamFault};
use crate::follow::trouble::Trouble;
use crate::limits::{
    IMPORT_PAUSE_MAX, IMPORT_PAUSE_MIN, OUTBOX_MAX, STREAM_OPEN_TIMEOUT, STREAM_TICK, TROUBLE_PAUSE,
};

/// A stream that is open, or about to be.
pub(crate) struct Stream<'a> {
    following: &'a Arc<Following>,
    line: &'a Arc<Line>,
    route: &'a Route,
    node: Node,
    session: Session,
    /// This region's half of the agreement on a key, until the other one is here.
    offer: Option<Offer>,
    link: Option<Arc<LinkKey>>,
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
    let offer = match Offer::make(&following.context, &line.region) {
        Ok(offer) => offer,
        Err(error) => return Closed::NoKey(error.to_string()),
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
    let mut stream = Stream {
        session: Session::new(primary, feeds, following.now()),
        following,
        line,
        route,
        node,
        offer: Some(offer),
        link: None,
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
        let regions = &self.following.context.options.regions;
        let channel = regions.channel(&self.line.region, &self.node);
        let mut client = client(channel.map_err(Closed::NotDialled)?);
        let first = v1::FollowRequest {
            message: Some(Message::Open(open)),
        };
        // The outbox is empty: there is room for it.
        let _ = self.outbox.try_send(first);
        let opening = client.follow(ReceiverStream::new(requests));
        match timeout(STREAM_OPEN_TIMEOUT, opening).await {
            Ok(Ok(opened)) => Ok(opened.into_inner()),
            Ok(Err(status)) => Err(Closed::Refused(status)),
            Err(_late) => Err(Closed::Late),
        }
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
                _ = ticks.tick() => self.tick(has_room),
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
                    Err(status) => Err(Closed::Refused(status)),
                },
            };
            if let Err(closed) = done {
                return closed;
            }
        }
    }

    /// Proposes a batch of each feed of which none is under way.
    fn propose(&mut self) {
        let Some(link) = &self.link else {
            return;
        };
        let now = self.following.now();
        for (feed, lane) in self.session.lanes() {
            if lane.is_idle() || lane.is_under_way() {
                continue;
            }
            let hold = self.line.notes().held(feed);
            if let Some(batch) = lane.batch(hold, now) {
                let following = Arc::clone(self.following);
                self.imports
                    .spawn(import(following, batch, Arc::clone(link)));
            }
        }
    }

    fn take(&mut self, message: v1::FollowResponse) -> Result<(), Closed> {
        let Following {
            context, progress, ..
        } = &**self.following;
        let region = &self.line.region;
        let (bytes, now) = (message.encoded_len(), self.following.now());
        let event = self.session.take(message, now).map_err(Closed::Fault)?;
        context.heard.hear(region);
        let changes = match event {
            Event::Queued { changes } => changes,
            _ => 0,
        };
        progress.received(region, bytes, changes);
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
            Event::Stopped {
                feed,
                trouble,
                primary,
            } => {
                if let Some(primary) = primary {
                    self.line.notes().hint(&feed, primary);
                }
                self.trouble(&feed, trouble);
            }
            Event::Queued { .. } | Event::Nothing => {}
        }
        Ok(())
    }

    fn opened(&mut self, encapsulated: &[u8]) -> Result<(), Closed> {
        let Some(offer) = self.offer.take() else {
            return Err(Closed::Fault(StreamFault::OutOfTurn));
        };
        let link = offer.accept(encapsulated);
        let link = link.map_err(|error| Closed::Fault(StreamFault::NoKey(error.to_string())))?;
        self.link = Some(Arc::new(link));
        let Stream { line, node, .. } = self;
        self.following.progress.opened(&line.region, node.id);
        line.opened(node.clone(), self.is_first);
        let (region, node) = (&line.region, node.id);
        match self.is_first {
            true => tracing::info!(%region, %node, "a region is followed"),
            false => tracing::debug!(%region, %node, "a stream is opened anew"),
        }
        if self.is_first {
            self.following.touched.reportable(None);
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
            Outcome::At { cursor, changes } => {
                self.following.progress.imported(&self.line.region, changes);
                self.line.lacking.notify_one();
                // What came behind it may have been wrong, and have stopped the feed meanwhile.
                if self.session.lane(&feed).is_some() {
                    self.line.notes().resolved(&feed);
                }
                self.landed(&feed, cursor)
            }
            Outcome::Again => {
                let now = self.following.now();
                if let Some(lane) = self.session.lane(&feed) {
                    lane.failed(now, pause);
                }
                Ok(())
            }
            Outcome::Trouble(trouble) => {
                self.session.stop(&feed);
                self.trouble(&feed, trouble);
                Ok(())
            }
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
        let route = self.route;
        if let Some(dead) = self.session.dead(now, |node| route.may_go(node, now)) {
            return Err(Closed::Dead(dead));
        }
        let view = self.following.view();
        let region = view.linked(&self.line.region);
        let mut nodes = region.into_iter().flat_map(|region| &region.nodes);
        if !nodes.any(|node| *node == self.node) {
            return Err(Closed::Removed);
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

fn pause(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    IMPORT_PAUSE_MIN
        .saturating_mul(doubled)
        .min(IMPORT_PAUSE_MAX)
}
