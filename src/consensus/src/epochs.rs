//! The ballots that this node has heard of from other regions (R28).
//!
//! A region that leads a feed goes on until it hears that another one took the feed over. What a
//! node hears is kept in memory, told to its peers with every message, and looked at just before a
//! write or a read is answered. `FenceFeed` then makes it durable.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use machine::{Epoch, FeedId, State};
use tokio::sync::watch;

use crate::limits::CLAIMS_MAX;

/// The highest ballot heard of for each feed, where it is above the one that is held. Shared by all
/// who hear of ballots on one node, and all who answer. At most one for each feed there can be.
#[derive(Debug, Default)]
pub struct Epochs {
    heard: Mutex<BTreeMap<FeedId, Epoch>>,
    /// How many there are: usually none, which is found out without the lock.
    count: AtomicUsize,
    changed: watch::Sender<u64>,
}

impl Epochs {
    /// Takes what another region, or a node of this one, says of who leads which feed; `state` is
    /// this node's newest. Passed over is what is not above the ballot held, by a region that is
    /// not linked, that may not lead the feed, or that is this one, and what is further above than
    /// one claim may go.
    pub fn hear(&self, state: &State, claims: &[(FeedId, Epoch)]) {
        let credible = claims
            .iter()
            .take(CLAIMS_MAX)
            .filter(|(feed, epoch)| is_news(state, feed, epoch));
        let mut heard = self.lock();
        let mut has_changed = false;
        for (feed, epoch) in credible {
            let known = heard.get(feed);
            if known.is_none_or(|known| known < epoch || !is_news(state, feed, known)) {
                heard.insert(feed.clone(), epoch.clone());
                has_changed = true;
            }
        }
        if has_changed {
            self.prune(&mut heard, state);
            drop(heard);
            self.changed.send_modify(|times| *times += 1);
        }
    }

    /// Answers the ballot that ends this region's right to write to a feed, and to answer for it:
    /// above the one it holds, heard of or noted in the state. None while it leads, and of a feed
    /// that it does not lead by its table. Cheap: it is asked before every answer.
    pub fn fenced(&self, state: &State, feed: &FeedId) -> Option<Epoch> {
        let noted = state.fence(feed).cloned();
        let highest = noted.max(self.above(state, feed))?;
        state.is_primary(feed).then_some(highest)
    }

    /// Answers the ballot of every feed, for messages to other regions: the one held, or the
    /// highest above it that was heard of or noted in the state, also before this node started.
    pub fn claims(&self, state: &State) -> Vec<(FeedId, Epoch)> {
        let known = state.epochs().map(|(feed, held)| {
            let known = state.fence(feed).unwrap_or(held);
            (feed.clone(), known.clone())
        });
        let mut claims: BTreeMap<FeedId, Epoch> = known.collect();
        for (feed, heard) in self.news(state) {
            let known = claims.entry(feed).or_insert_with(|| heard.clone());
            *known = heard.max(known.clone());
        }
        claims.into_iter().collect()
    }

    /// Answers what was heard of above the ballots held, for messages within the region, whose
    /// nodes all hold the same: usually nothing.
    pub(crate) fn news(&self, state: &State) -> Vec<(FeedId, Epoch)> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut heard = self.lock();
        self.prune(&mut heard, state);
        let told = heard.iter();
        told.map(|(feed, epoch)| (feed.clone(), epoch.clone()))
            .collect()
    }

    /// Answers the feeds of this region that another one leads by what was heard, and of which the
    /// state does not know it: for each a `FenceFeed` is due.
    pub fn unnoted(&self, state: &State) -> Vec<(FeedId, Epoch)> {
        let mut news = self.news(state);
        news.retain(|(feed, epoch)| {
            state.is_primary(feed) && state.fence(feed).is_none_or(|noted| noted < epoch)
        });
        news
    }

    /// Tells each time that something new was heard.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether nothing above the ballots held was heard lately.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    fn above(&self, state: &State, feed: &FeedId) -> Option<Epoch> {
        if self.is_empty() {
            return None;
        }
        let heard = self.lock().get(feed).cloned();
        heard.filter(|epoch| is_news(state, feed, epoch))
    }

    /// Forgets what a state holds by now, and what does not count in it any more.
    fn prune(&self, heard: &mut BTreeMap<FeedId, Epoch>, state: &State) {
        heard.retain(|feed, epoch| is_news(state, feed, epoch));
        self.count.store(heard.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FeedId, Epoch>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a claim counts, and says more than the state.
fn is_news(state: &State, feed: &FeedId, claim: &Epoch) -> bool {
    let is_known = match feed {
        FeedId::Root => true,
        FeedId::Home(region) => state.knows_region(region),
    };
    let held = state.feed(feed).and_then(machine::Feed::state);
    let held = held.map(|state| &state.epoch);
    let number = held.map_or(0, |held| held.number);
    let most = number.saturating_add(machine::limits::BALLOT_STEP_MAX);
    let is_other = state.region().is_some_and(|own| *own != claim.region);
    is_known
        && is_other
        && held.is_none_or(|held| claim > held)
        && claim.number <= most
        && state.linked(&claim.region).is_some()
        && state.may_lead(&claim.region, feed)
}
