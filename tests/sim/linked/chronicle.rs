//! Every change of every feed that any node was seen with, as a tree: each follows on the one whose
//! chain hash it names. Histories that part have a common beginning, and their chains differ from
//! then on. It is read from the journals of all nodes, and knows nothing of how these decide.

use std::collections::BTreeMap;
use std::sync::Arc;

use consensus::View;
use machine::{Cursor, Epoch, FeedId, Hash, Header, Op, Position, RegionName, RowKey, Secret, Uid};

use crate::invariants::{ballots, prefix};
use crate::region;
use crate::violation::{Violation, violation};

#[derive(Default)]
pub struct Chronicle {
    feeds: BTreeMap<FeedId, BTreeMap<Hash, Link>>,
    /// The chain hash at each place of each epoch.
    places: BTreeMap<(FeedId, Epoch, u64), Hash>,
    /// The secrets that rows commit to.
    secrets: BTreeMap<Hash, Arc<Secret>>,
    /// The regions that each such row was for.
    members: BTreeMap<Hash, Arc<[RegionName]>>,
}

/// One change.
#[derive(Debug, Clone)]
pub struct Link {
    pub header: Arc<Header>,
    /// The chain hash before it.
    pub before: Hash,
    /// Whether the region whose epoch it is was seen with it.
    pub is_primarys: bool,
}

impl Chronicle {
    /// Takes the changes of a feed that a node of a region has beyond a revision at which it was
    /// seen last. What the journal does not have any more is passed over, and what follows on it
    /// too, but for an epoch, which says what it follows on.
    pub fn see(
        &mut self,
        region: u64,
        view: &View,
        feed: &FeedId,
        last: &Cursor,
    ) -> Result<(), Violation> {
        let held = view.feed(feed).expect("a feed of the view");
        let begun = held
            .epochs()
            .map(|begun| (begun.last_revision, begun.chain));
        let begun = begun.filter(|(revision, _)| *revision > last.revision);
        let mut known = std::iter::once((last.revision, last.chain)).chain(begun);
        let rows = known.find_map(|(after, chain)| Some((held.journal_after(after)?, chain)));
        let Some((rows, mut before)) = rows else {
            return Ok(());
        };
        for row in rows {
            if let Some(secret) = row.secret() {
                self.secrets.insert(row.header.commitment, Arc::new(secret));
            }
            if row.header.op == Op::Put {
                let members = Arc::clone(&row.header.members);
                self.members.insert(row.header.commitment, members);
            }
            let is_primarys = row.header.epoch.region == region::name(region);
            self.add(feed, row.chain, before, &row.header, is_primarys)?;
            before = row.chain;
        }
        Ok(())
    }

    fn add(
        &mut self,
        feed: &FeedId,
        chain: Hash,
        before: Hash,
        header: &Arc<Header>,
        is_primarys: bool,
    ) -> Result<(), Violation> {
        let links = self.feeds.entry(feed.clone()).or_default();
        let link = links.entry(chain).or_insert_with(|| Link {
            header: Arc::clone(header),
            before,
            is_primarys,
        });
        if link.before != before || link.header != *header {
            let how = format!("feed {feed} has two changes of chain {chain}: {header:?}");
            return Err(violation(prefix::NAME, how));
        }
        link.is_primarys |= is_primarys;
        let place = (feed.clone(), header.epoch.clone(), header.revision.0);
        let known = *self.places.entry(place).or_insert(chain);
        if known != chain {
            let (epoch, revision) = (&header.epoch, header.revision);
            let how = format!("feed {feed} has two changes {revision} in epoch {epoch}");
            return Err(violation(ballots::NAME, how));
        }
        Ok(())
    }

    /// The change of a chain hash.
    pub fn link(&self, feed: &FeedId, chain: Hash) -> Option<&Link> {
        self.feeds.get(feed)?.get(&chain)
    }

    /// The history of a feed from a place back to its beginning.
    pub fn back<'a>(
        &'a self,
        feed: &'a FeedId,
        chain: Hash,
    ) -> impl Iterator<Item = (Hash, &'a Link)> {
        let first = self.link(feed, chain).map(|link| (chain, link));
        std::iter::successors(first, move |(_, link)| {
            let before = self.link(feed, link.before)?;
            Some((link.before, before))
        })
    }

    /// Whether the history up to one place is the beginning of that up to another; none while
    /// nobody was seen with a part of it.
    pub fn is_beginning(&self, feed: &FeedId, early: &Cursor, late: &Cursor) -> Option<bool> {
        let mut at = late.chain;
        loop {
            if at == early.chain || early.chain == Hash::ZERO {
                return Some(true);
            }
            if at == Hash::ZERO {
                return Some(false);
            }
            let link = self.link(feed, at)?;
            if link.header.revision <= early.revision {
                return Some(false);
            }
            at = link.before;
        }
    }

    /// The place at a position; none if nobody was ever seen there.
    pub fn cursor_at(&self, position: &Position) -> Option<Cursor> {
        let Position {
            feed,
            epoch,
            revision,
        } = position;
        let place = (feed.clone(), epoch.clone(), revision.0);
        let chain = *self.places.get(&place)?;
        Some(Cursor {
            epoch: Some(epoch.clone()),
            revision: *revision,
            chain,
        })
    }

    /// The last revision that anybody was seen with of an epoch, and of those that a region began
    /// after it.
    pub fn last_since(&self, feed: &FeedId, epoch: &Epoch, by: &RegionName) -> u64 {
        let first = (feed.clone(), epoch.clone(), 0);
        let later = self.places.range(first..);
        let later = later.take_while(|((of, ..), _)| of == feed);
        let later = later.filter(|((_, of, _), _)| of == epoch || of.region == *by);
        later
            .map(|((.., revision), _)| *revision)
            .max()
            .unwrap_or(0)
    }

    /// What stands for a secret's row at a place of its feed; none if it has none there.
    pub fn row_at(&self, feed: &FeedId, chain: Hash, uid: Uid) -> Option<Hash> {
        let key = RowKey::Secret(uid);
        let mut history = self.back(feed, chain);
        let (_, last) = history.find(|(_, link)| link.header.key() == Some(key))?;
        (last.header.op == Op::Put).then_some(last.header.commitment)
    }

    /// The secret that a row commits to, as its row lists it.
    pub fn secret(&self, commitment: &Hash) -> Option<&Arc<Secret>> {
        self.secrets.get(commitment)
    }

    /// The regions that a row was for when it was written.
    pub fn members(&self, commitment: &Hash) -> Option<&[RegionName]> {
        self.members.get(commitment).map(|members| &**members)
    }

    /// All changes that only others than their primary were seen with.
    pub fn unproven(&self) -> impl Iterator<Item = (&FeedId, &Link)> {
        let all = self.feeds.iter();
        let all = all.flat_map(|(feed, links)| links.values().map(move |link| (feed, link)));
        all.filter(|(_, link)| !link.is_primarys)
    }
}
