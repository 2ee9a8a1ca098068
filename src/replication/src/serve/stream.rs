//! A follower's stream: changes as they are applied here, and signs of life between them.
//!
//! Four things go on at once, and the first that ends ends the stream: the caller is looked up with
//! every entry applied, what it says is heard, signs of life are given, changes are sent. Feeds
//! take turns batch by batch, and a batch is made only when there is room for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use consensus::View;
use machine::{Cursor, FeedId, NotServed, Position, Token};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tonic::{Request, Status, Streaming};
use wire::replication::v1;
use wire::replication::v1::follow_request::Message as Said;
use wire::replication::v1::follow_response::Message;

use crate::codec::{self, Malformed};
use crate::context::Context;
use crate::error::Refused;
use crate::limits::{
    ACKNOWLEDGE_PAUSE, ALIVE_INTERVAL, CONFIRM_TIMEOUT, FOLLOWER_SILENCE_MAX, OPEN_TIMEOUT,
    RETRY_PAUSE,
};
use crate::serve::Rows;
use crate::serve::batch::{self, Batch, NoBatch};
use crate::serve::door::{Caller, Door};
use crate::serve::outlet::{Inlet, outlet};
use crate::serve::packer::Packer;
use crate::work;

/// One stream.
struct Stream {
    context: Arc<Context>,
    door: Arc<Door>,
    caller: Caller,
    packer: Arc<Packer>,
    /// The feeds that are served on it, and up to where they were sent.
    served: Mutex<BTreeMap<FeedId, Cursor>>,
    _place: OwnedSemaphorePermit,
}

/// Lets a follower in and begins its stream.
pub(super) async fn open(
    context: &Arc<Context>,
    door: &Arc<Door>,
    request: Request<Streaming<v1::FollowRequest>>,
) -> Result<Rows<v1::FollowResponse>, Refused> {
    let (_, extensions, mut requests) = request.into_parts();
    let caller = door.identify(&extensions)?;
    let place = door.stream(&caller)?;
    let open = first(&mut requests).await?;
    door.hear(&caller, open.origin)?;
    let feeds = codec::from_cursors(open.feeds)?;
    let region = &caller.region;
    let (packer, encapsulated) = Packer::agree(context, region, &open.stream, &open.public_key)?;
    let view = context.options.consensus.local_view();
    let (inlet, outlet) = outlet(Message::Opened(v1::Opened {
        origin: Some(context.origin(&view)),
        encapsulated,
        leader: context.leader(),
    }));
    let stream = Stream {
        context: Arc::clone(context),
        door: Arc::clone(door),
        caller,
        packer: Arc::new(packer),
        served: Mutex::new(feeds.into_iter().collect()),
        _place: place,
    };
    tokio::spawn(stream.drive(requests, inlet));
    Ok(outlet)
}

async fn first(requests: &mut Streaming<v1::FollowRequest>) -> Result<v1::Open, Refused> {
    let first = timeout(OPEN_TIMEOUT, requests.message()).await;
    match first.map_err(|_late| Refused::Silent)? {
        Ok(Some(v1::FollowRequest {
            message: Some(Said::Open(open)),
        })) => Ok(open),
        _ => Err(Malformed::Missing("open").into()),
    }
}

impl Stream {
    async fn drive(self, requests: Streaming<v1::FollowRequest>, inlet: Inlet) {
        let Inlet {
            end,
            alive,
            changes,
        } = inlet;
        let (context, region) = (&self.context, &self.caller.region);
        context.followers.opened(region);
        let (asked, numbers) = watch::channel(0);
        let word = tokio::select! {
            biased;
            () = context.options.stop.cancelled() => Some(Refused::Stopping),
            () = changes.closed() => None,
            refused = self.guard() => Some(refused),
            heard = self.listen(requests, &asked) => heard.err(),
            () = self.confirm(&alive, numbers) => None,
            () = self.beat(&alive) => None,
            () = self.send(&changes) => None,
        };
        context.followers.closed(region);
        if let Some(refused) = &word {
            tracing::info!(%region, node = self.caller.node, %refused, "ended a region's stream");
        }
        // Whoever read may be gone.
        let _ = end.send(word.map(Status::from));
    }

    /// Looks the caller up with each entry that is applied, until it is known no more.
    async fn guard(&self) -> Refused {
        let mut applied = self.context.options.consensus.applied();
        loop {
            applied.borrow_and_update();
            if let Err(refused) = self.caller.stands(&self.view()) {
                return refused;
            }
            if applied.changed().await.is_err() {
                return Refused::Stopping;
            }
        }
    }

    /// Hears the follower until it hangs up.
    async fn listen(
        &self,
        mut requests: Streaming<v1::FollowRequest>,
        asked: &watch::Sender<u64>,
    ) -> Result<(), Refused> {
        loop {
            let message = timeout(FOLLOWER_SILENCE_MAX, requests.message()).await;
            let message = match message.map_err(|_late| Refused::Silent)? {
                Ok(Some(message)) => message,
                Ok(None) | Err(_) => return Ok(()),
            };
            let Some(Said::Acknowledge(said)) = message.message else {
                return Err(Malformed::Missing("acknowledge").into());
            };
            self.door.hear(&self.caller, said.origin)?;
            if said.number <= *asked.borrow() {
                return Err(Malformed::Form("number").into());
            }
            let feeds = codec::from_cursors(said.feeds)?;
            self.acknowledged(feeds);
            asked.send_replace(said.number);
            sleep(ACKNOWLEDGE_PAUSE).await;
        }
    }

    /// Takes note of the places that are of feeds served here, and of their history.
    fn acknowledged(&self, feeds: Vec<(FeedId, Cursor)>) {
        let view = self.view();
        let is_held = |feed: &FeedId, cursor: &Cursor| {
            let position = cursor.epoch.clone().map(|epoch| Position {
                feed: feed.clone(),
                epoch,
                revision: cursor.revision,
            });
            let token = position.map(|position| Token {
                positions: vec![position],
            });
            token.is_some_and(|token| view.holds(&token).is_ok())
        };
        let served = self.served();
        let feeds = feeds.into_iter();
        let known =
            feeds.filter(|(feed, cursor)| served.contains_key(feed) && is_held(feed, cursor));
        let region = &self.caller.region;
        self.context.followers.acknowledge(region, known.collect());
    }

    /// Answers the newest number with positions that a quorum confirmed after it was heard. Those
    /// that came while one was confirmed need no answer of their own.
    async fn confirm(&self, lane: &mpsc::Sender<Message>, mut numbers: watch::Receiver<u64>) {
        while numbers.changed().await.is_ok() {
            let number = *numbers.borrow_and_update();
            let deadline = Instant::now() + CONFIRM_TIMEOUT;
            match self.context.options.consensus.read(deadline).await {
                Ok(view) => {
                    let answer = self.alive(&view, number);
                    // A slow reader holds up no deletion here.
                    drop(view);
                    if lane.send(answer).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::debug!(%error, number, "did not confirm positions"),
            }
        }
    }

    /// Says regularly how far the feeds are, whether there is a quorum or not.
    async fn beat(&self, lane: &mpsc::Sender<Message>) {
        let mut beat = interval(ALIVE_INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let sign = self.alive(&self.view(), 0);
            // Where one waits already, the reader is slow, and another would say nothing more.
            let _ = lane.try_send(sign);
        }
    }

    /// A sign of life with the positions of the feeds that this region leads in a view.
    fn alive(&self, view: &View, number: u64) -> Message {
        let served = self.served();
        let led = served.keys();
        let led = led.filter(|feed| self.context.leads(view, feed).is_ok());
        let feeds = led.filter_map(|feed| {
            let held = view.feed(feed)?;
            Some(codec::cursor(feed, &held.cursor()))
        });
        Message::Alive(v1::Alive {
            origin: Some(self.context.origin(view)),
            number,
            feeds: feeds.collect(),
            leader: self.context.leader(),
        })
    }

    /// Sends what is new of each feed in turn, for as long as there is a reader.
    async fn send(&self, lane: &mpsc::Sender<Message>) {
        let options = &self.context.options;
        let (mut applied, mut heard) = (options.consensus.applied(), options.epochs.watch());
        loop {
            applied.borrow_and_update();
            heard.borrow_and_update();
            let mut has_moved = false;
            for (feed, cursor) in self.served() {
                has_moved |= self.turn(lane, &feed, &cursor).await;
            }
            if has_moved {
                continue;
            }
            let is_over = tokio::select! {
                moved = applied.changed() => moved.is_err(),
                more = heard.changed() => more.is_err(),
            };
            if is_over {
                return;
            }
        }
    }

    /// Sends the next batch of a feed, as soon as there is room for it. Says whether there may be
    /// more at once.
    async fn turn(&self, lane: &mpsc::Sender<Message>, feed: &FeedId, cursor: &Cursor) -> bool {
        let view = self.view();
        let held = view.feed(feed);
        let is_current = held.is_some_and(|held| held.cursor() == *cursor);
        if is_current && self.context.leads(&view, feed).is_ok() {
            return false;
        }
        drop(view);
        let Ok(room) = lane.reserve().await else {
            // Nobody reads: the stream is about to end.
            return false;
        };
        match self.batch(feed, cursor).await {
            Ok(batch) if batch.changes.is_empty() => return false,
            Ok(batch) => {
                let region = &self.caller.region;
                self.context.followers.sent(region, batch.sent);
                room.send(Message::Changes(v1::Changes {
                    feed: feed.to_string(),
                    changes: batch.changes,
                }));
                self.lock().insert(feed.clone(), batch.cursor);
            }
            Err(NoBatch::NotServed(reason)) => {
                room.send(self.not_served(feed, &reason));
                self.lock().remove(feed);
            }
            Err(NoBatch::Superseded) => {
                drop(room);
                sleep(RETRY_PAUSE).await;
            }
        }
        true
    }

    /// Makes the next batch of what is applied here. That a follower is ahead is believed only of a
    /// state that a quorum confirmed: this node may just be behind.
    async fn batch(&self, feed: &FeedId, cursor: &Cursor) -> Result<Batch, NoBatch> {
        let tried = self.batch_of(self.view(), feed, cursor).await;
        if !matches!(tried, Err(NoBatch::NotServed(NotServed::Ahead { .. }))) {
            return tried;
        }
        let deadline = Instant::now() + CONFIRM_TIMEOUT;
        match self.context.options.consensus.read(deadline).await {
            Ok(view) => self.batch_of(view, feed, cursor).await,
            Err(_unavailable) => Err(NoBatch::Superseded),
        }
    }

    async fn batch_of(&self, view: View, feed: &FeedId, cursor: &Cursor) -> Result<Batch, NoBatch> {
        let (feed, cursor) = (feed.clone(), cursor.clone());
        if self.context.leads(&view, &feed).is_err() {
            return Err(NoBatch::NotServed(NotServed::FeedUnknown(feed)));
        }
        let packer = Arc::clone(&self.packer);
        let made = work::run(move || batch::next(&view, &feed, &cursor, &packer)).await;
        made.unwrap_or(Err(NoBatch::Superseded))
    }

    fn not_served(&self, feed: &FeedId, reason: &NotServed) -> Message {
        let reason = match reason {
            NotServed::FeedUnknown(_) | NotServed::RegionUnknown(_) => {
                v1::NotServedReason::NotPrimary
            }
            NotServed::Diverged { .. } => v1::NotServedReason::Diverged,
            NotServed::Ahead { .. } => v1::NotServedReason::Behind,
            NotServed::Trimmed { .. } => v1::NotServedReason::Trimmed,
        };
        let view = self.view();
        let primary = match self.context.leads(&view, feed) {
            Ok(()) => view.region().cloned(),
            Err(Refused::NotPrimary { primary, .. }) => primary,
            Err(_) => None,
        };
        Message::NotServed(v1::NotServed {
            feed: feed.to_string(),
            reason: reason.into(),
            primary: primary.map_or_else(String::new, |primary| primary.to_string()),
        })
    }

    fn view(&self) -> View {
        self.context.options.consensus.local_view()
    }

    fn served(&self) -> BTreeMap<FeedId, Cursor> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FeedId, Cursor>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
