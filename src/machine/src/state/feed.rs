//! Feeds as the state holds them: where they stand, their epochs, journal and sums.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use thiserror::Error;

use crate::command::{Cursor, StagedRow};
use crate::hash::BucketSums;
use crate::ids::{Hash, Ordinal, Revision, Stamp, Uid};
use crate::limits::{FEED_BYTES_MAX, FEED_ROWS_MAX};
use crate::position::{Epoch, FeedId, Position, Token};
use crate::row::{BeginEpoch, FeedCheckpoint, FeedState, JournalRow, Kept, Staging};
use crate::state::State;

/// One feed: the rows of one history.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    pub(super) state: Option<Arc<Kept<FeedState>>>,
    pub(super) epochs: OrdMap<Ordinal, Arc<Kept<BeginEpoch>>>,
    pub(super) checkpoint: Option<Arc<Kept<FeedCheckpoint>>>,
    pub(super) journal: OrdMap<Revision, Arc<Kept<JournalRow>>>,
    pub(super) sums: BucketSums,
    pub(super) staging: Option<Arc<Kept<Staging>>>,
    pub(super) staged: OrdMap<Ordinal, Arc<Kept<StagedRow>>>,
    /// Tombstones, by when their secret was purged.
    pub(super) by_purge: OrdSet<(Stamp, Uid)>,
    pub(super) weight: Weight,
}

/// How much a feed holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weight {
    /// Its rows, with their bodies here or not.
    pub rows: u64,
    /// What these take of memory in bytes, without values.
    pub bytes: u64,
}

impl Weight {
    /// Says whether a feed of that weight takes nothing more. Who follows it lets it grow a little
    /// further than its primary does, which checks before an entry and not in it.
    pub fn is_full(&self, is_ours: bool) -> bool {
        let slack = |max: u64| {
            if is_ours {
                max
            } else {
                max.saturating_add(max / 8)
            }
        };
        self.rows >= slack(FEED_ROWS_MAX) || self.bytes >= slack(FEED_BYTES_MAX)
    }
}

/// Why a state cannot serve a position.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotHeld {
    /// The position is of a history that was set aside: reading on from it would go back in time.
    #[error("position {position} is not part of the feed's history; it stands at {now}")]
    PositionLost {
        /// The position asked for.
        position: Position,
        /// Where the feed stands.
        now: Position,
    },
    /// The feed is not known here.
    #[error("feed {0} is not known in this region")]
    FeedUnknown(FeedId),
    /// The position is not reached yet: wait for it, or ask another node.
    #[error("position {position} is ahead of this node")]
    Ahead {
        /// The position to wait for.
        position: Position,
    },
}

impl Feed {
    /// Gives where the feed stands; none before its first change.
    pub fn state(&self) -> Option<&FeedState> {
        self.state.as_ref().map(|kept| kept.body.as_ref())
    }

    /// Gives the position of the last change.
    pub fn position(&self) -> Option<Position> {
        let FeedState {
            feed,
            epoch,
            revision,
            ..
        } = self.state()?;
        Some(Position {
            feed: feed.clone(),
            epoch: epoch.clone(),
            revision: *revision,
        })
    }

    /// Gives what the next change has to follow.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.state().map(|state| state.epoch.clone()),
            revision: self.revision(),
            chain: self.chain(),
        }
    }

    /// Gives how much of a snapshot is kept beside the feed.
    pub fn staging(&self) -> Option<&Staging> {
        self.staging.as_ref().map(|kept| kept.body.as_ref())
    }

    /// Gives the rows of that snapshot, in the order of their keys.
    pub fn staged(&self) -> impl DoubleEndedIterator<Item = &StagedRow> {
        self.staged.values().map(|kept| kept.body.as_ref())
    }

    /// Gives the last revision; 0 before the first.
    pub fn revision(&self) -> Revision {
        self.state().map(|state| state.revision).unwrap_or_default()
    }

    /// Gives the chain hash at the last revision.
    pub fn chain(&self) -> Hash {
        self.state().map_or(Hash::ZERO, |state| state.chain)
    }

    /// Gives the feed hash: the hash of all its rows' commitments (R4).
    pub fn hash(&self) -> Hash {
        self.sums.hash()
    }

    /// Gives the sums behind the feed hash, to find where two states differ.
    pub fn sums(&self) -> &BucketSums {
        &self.sums
    }

    /// Gives how much it holds.
    pub fn weight(&self) -> Weight {
        self.weight
    }

    /// Gives the epoch table, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = &BeginEpoch> {
        self.epochs.values().map(|kept| kept.body.as_ref())
    }

    /// Gives the last checkpoint.
    pub fn checkpoint(&self) -> Option<&FeedCheckpoint> {
        self.checkpoint.as_ref().map(|kept| kept.body.as_ref())
    }

    /// Gives the journal rows after a revision, oldest first; none if some of them were trimmed.
    pub fn journal_after(&self, after: Revision) -> Option<impl Iterator<Item = &JournalRow>> {
        let first = self
            .state()
            .map(|state| state.journal_first)
            .unwrap_or_default();
        let next = Revision(after.0.saturating_add(1));
        let reaches = next >= first || after >= self.revision();
        let rows = self.journal.range(next..);
        reaches.then(|| rows.map(|(_, kept)| kept.body.as_ref()))
    }

    /// Gives the chain hash at a revision, as far back as the journal and the epochs know.
    pub(crate) fn chain_at(&self, revision: Revision) -> Option<Hash> {
        if revision == self.revision() {
            return Some(self.chain());
        }
        let row = self.journal.get(&revision).map(|kept| kept.body.chain);
        row.or_else(|| {
            let mut begun = self.epochs();
            let next = begun.find(|begun| begun.last_revision == revision)?;
            Some(next.chain)
        })
    }

    /// Gives the revisions the journal holds.
    pub(crate) fn journal_revisions(&self) -> impl Iterator<Item = Revision> {
        self.journal.keys().copied()
    }

    /// Gives the size of a journal row that is held.
    pub(crate) fn journal_row_bytes(&self, revision: Revision) -> Option<u64> {
        self.journal
            .get(&revision)
            .map(|kept| kept.stored.len() as u64)
    }

    pub(crate) fn holds(&self, position: &Position) -> Result<(), NotHeld> {
        let Some(now) = self.position() else {
            return Err(NotHeld::FeedUnknown(position.feed.clone()));
        };
        let Epoch { number, region } = &position.epoch;
        let lost = || NotHeld::PositionLost {
            position: position.clone(),
            now: now.clone(),
        };
        let ahead = || NotHeld::Ahead {
            position: position.clone(),
        };
        if *number > now.epoch.number {
            return Err(ahead());
        }
        let begun = self.epochs.get(&Ordinal(*number));
        if begun.is_none_or(|begun| begun.body.epoch.region != *region) {
            return Err(lost());
        }
        let next = Ordinal(number.saturating_add(1));
        let ended = self
            .epochs
            .range(next..)
            .next()
            .map(|(_, begun)| begun.body.last_revision);
        match ended {
            Some(last) if position.revision > last => Err(lost()),
            None if position.revision > now.revision => Err(ahead()),
            _ => Ok(()),
        }
    }
}

impl State {
    /// Finds a feed.
    pub fn feed(&self, feed: &FeedId) -> Option<&Feed> {
        self.feeds.get(&feed.uid())
    }

    /// Finds a feed by its uid.
    pub(crate) fn feed_of(&self, uid: &Uid) -> Option<&Feed> {
        self.feeds.get(uid)
    }

    /// Gives all feeds.
    pub fn feeds(&self) -> impl Iterator<Item = &Feed> {
        self.feeds.values()
    }

    /// Gives where all feeds stand.
    pub fn positions(&self) -> Vec<Position> {
        self.feeds.values().filter_map(Feed::position).collect()
    }

    /// Gives the journal of a feed after a revision: what [`Feed::journal_after`] gives.
    pub fn journal<'a>(
        &'a self,
        feed: &FeedId,
        after: Revision,
    ) -> Option<impl Iterator<Item = &'a JournalRow> + use<'a>> {
        self.feed(feed)?.journal_after(after)
    }

    /// Says whether every position of a token is part of the histories held here (R7).
    pub fn holds(&self, token: &Token) -> Result<(), NotHeld> {
        for position in &token.positions {
            let feed = self.feed(&position.feed);
            let unknown = || NotHeld::FeedUnknown(position.feed.clone());
            feed.ok_or_else(unknown)?.holds(position)?;
        }
        Ok(())
    }

    /// Makes the token of this state.
    pub fn token(&self) -> Token {
        Token {
            positions: self.positions(),
        }
    }
}
