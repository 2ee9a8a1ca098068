//! What a region is sent of a feed: headers always, a body if the region holds the row (R3, R23).

use bytes::Bytes;
use prost::Message as _;
use thiserror::Error;

use crate::change::{Header, Op};
use crate::codec::DecodeError;
use crate::command::Cursor;
use crate::ids::{Hash, Revision, Uid};
use crate::names::RegionName;
use crate::position::{FeedId, Position};
use crate::region::{Region, Scope};
use crate::row::{JournalRow, Row, RowKey};
use crate::state::{Feed, NotHeld, State};
use crate::storage;

/// Why a feed cannot be served from where a region stands.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotServed {
    /// The feed is not known here.
    #[error("feed {0} is not known in this region")]
    FeedUnknown(FeedId),
    /// The region is not linked.
    #[error("region {0} is not linked")]
    RegionUnknown(RegionName),
    /// The region's history is not this one's, or no part of it.
    #[error("the follower's history of feed {feed} is not that of its primary from revision {at}")]
    Diverged {
        /// The feed.
        feed: FeedId,
        /// Where the follower stands.
        at: Revision,
    },
    /// This region has not got as far itself.
    #[error("feed {feed} is only at revision {now}")]
    Ahead {
        /// The feed.
        feed: FeedId,
        /// Where it stands.
        now: Revision,
    },
    /// The changes are not kept any more: the region needs a snapshot.
    #[error("the changes of feed {feed} are kept from revision {first} on")]
    Trimmed {
        /// The feed.
        feed: FeedId,
        /// The first revision that is kept.
        first: Revision,
    },
}

/// A change as a region is sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its revision.
    pub revision: Revision,
    /// The row.
    pub key: RowKey,
    /// The exact bytes of the header.
    pub header: Bytes,
    /// The chain hash after it.
    pub chain: Hash,
    /// The body, if the region is to have it.
    pub body: Body,
    /// Whether it is the last change of its entry: what is sent up to here shows no half of one.
    pub is_last: bool,
}

/// A row as a region is sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It is not for the region, or there is none.
    Withheld,
    /// It is in memory.
    Here(Framed),
    /// Only the store has it, under the row's key.
    Evicted,
}

/// A row's body with what hides it behind its commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Framed {
    /// The blind.
    pub blind: Hash,
    /// The exact bytes.
    pub bytes: Bytes,
}

impl Row {
    /// Takes a feed row out of its frame; none of a local row, and of one whose body is kept from
    /// this region.
    pub fn framed_body(&self) -> Option<Framed> {
        let origin = self.origin().filter(|_| !self.is_withheld())?;
        let frame = storage::FeedRow::decode(self.stored().clone()).ok()?;
        let blind = frame.blind.as_ref().try_into().ok()?;
        Some(Framed {
            blind: Hash(blind),
            bytes: origin.bytes.clone(),
        })
    }

    /// Makes what stands for this feed row where its body is not known.
    pub fn without_body(&self) -> Option<Row> {
        let origin = self.origin()?;
        Some(Row::hidden(
            &origin.feed,
            origin.revision,
            self.commitment(),
        ))
    }

    /// Puts a feed row together that another region sent: with its body, which must be what was
    /// committed to, or without.
    pub fn received(
        key: &RowKey,
        feed: &FeedId,
        revision: Revision,
        commitment: Hash,
        body: Option<&Framed>,
    ) -> Result<Row, DecodeError> {
        match body {
            None => Ok(Row::hidden(feed, revision, commitment)),
            Some(Framed { blind, bytes }) => {
                Row::framed(key, feed, revision, commitment, blind, bytes)
            }
        }
    }
}

impl State {
    /// Gives the changes of a feed after a place, as a region is to have them.
    pub fn outgoing<'a>(
        &'a self,
        feed: &FeedId,
        after: &Cursor,
        to: &RegionName,
    ) -> Result<impl Iterator<Item = Outgoing> + use<'a>, NotServed> {
        let region = self.linked(to);
        let region = region.ok_or_else(|| NotServed::RegionUnknown(to.clone()))?;
        let held = self.feed(feed).filter(|held| held.state().is_some());
        let held = held.ok_or_else(|| NotServed::FeedUnknown(feed.clone()))?;
        continues(held, feed, after)?;
        let first = held.state().map(|state| state.journal_first);
        let first = first.unwrap_or_default();
        let trimmed = || NotServed::Trimmed {
            feed: feed.clone(),
            first,
        };
        if let Some(first) = passed_over(held, after, to) {
            let feed = feed.clone();
            return Err(NotServed::Trimmed { feed, first });
        }
        let mut rows = held
            .journal_after(after.revision)
            .ok_or_else(trimmed)?
            .peekable();
        Ok(std::iter::from_fn(move || {
            let row = rows.next()?;
            let entry = |row: &JournalRow| (row.header.stamp, row.header.epoch.number);
            let is_last = rows.peek().is_none_or(|next| entry(next) != entry(row));
            self.sent(region, row, is_last)
        }))
    }

    fn sent(&self, region: &Region, row: &JournalRow, is_last: bool) -> Option<Outgoing> {
        let header = &row.header;
        let key = RowKey::of_header(header.kind, header.uid, header.ordinal)?;
        let body = match header.op {
            Op::Delete => Body::Withheld,
            Op::Put if !self.was_for(region, &key, header) || !self.is_for(region, &key) => {
                Body::Withheld
            }
            Op::Put => match (&row.body, row.blind) {
                (Some(bytes), Some(blind)) => Body::Here(Framed {
                    blind,
                    bytes: bytes.clone(),
                }),
                // A value, or what this region followed before it led: as it was then or not at
                // all.
                _ if self.commitment_of(&key) == Some(header.commitment) => self.body_of(&key),
                _ => Body::Withheld,
            },
        };
        Some(Outgoing {
            revision: header.revision,
            key,
            header: row.header_bytes.clone(),
            chain: row.chain,
            body,
            is_last,
        })
    }

    fn body_of(&self, key: &RowKey) -> Body {
        match self.row(key) {
            Some(crate::state::RowRef::Here(row)) => {
                row.framed_body().map_or(Body::Withheld, Body::Here)
            }
            Some(crate::state::RowRef::Evicted) => Body::Evicted,
            None => Body::Withheld,
        }
    }

    /// Gives the body of a row that a region asks for by its key: it must hold the row now.
    pub fn body_for(&self, key: &RowKey, to: &RegionName) -> Body {
        match self.linked(to) {
            Some(region) if key.is_fed() && self.is_for(region, key) => self.body_of(key),
            _ => Body::Withheld,
        }
    }

    fn was_for(&self, region: &Region, key: &RowKey, header: &Header) -> bool {
        let is_home = matches!(&header.feed, FeedId::Home(home) if *home == region.name);
        !key.is_of_secret()
            || is_home
            || region.scope == Scope::All
            || header.members.contains(&region.name)
    }

    /// Says whether a region holds a row, as the secret is now.
    pub fn is_for(&self, region: &Region, key: &RowKey) -> bool {
        let holds = |uid: &Uid| {
            let feed = self.feed_of_secret(uid);
            let secret = feed.zip(self.secret(uid));
            secret.is_some_and(|(feed, secret)| self.is_holder(region, feed, secret))
        };
        match key {
            RowKey::Secret(uid) | RowKey::Version(uid, _) => holds(uid),
            key => key.is_fed(),
        }
    }
}

/// Finds the revision after the last change that a region made itself, of those it lacks: it takes
/// them from nobody, who could make it lead by them, but in a snapshot.
fn passed_over(held: &Feed, after: &Cursor, to: &RegionName) -> Option<Revision> {
    let ends = held.epochs().skip(1).map(|next| next.last_revision);
    let ends = ends.chain([held.revision()]);
    let own = held.epochs().zip(ends);
    let own = own.filter(|(begun, last)| begun.epoch.region == *to && *last > after.revision);
    let (_, last) = own.last()?;
    Some(Revision(last.0.saturating_add(1)))
}

/// Checks that a follower's history is the beginning of this one.
fn continues(held: &Feed, feed: &FeedId, after: &Cursor) -> Result<(), NotServed> {
    let diverged = || NotServed::Diverged {
        feed: feed.clone(),
        at: after.revision,
    };
    let Some(epoch) = &after.epoch else {
        return match after.revision {
            Revision(0) => Ok(()),
            _ => Err(diverged()),
        };
    };
    let position = Position {
        feed: feed.clone(),
        epoch: epoch.clone(),
        revision: after.revision,
    };
    match held.holds(&position) {
        Ok(()) => {}
        Err(NotHeld::Ahead { .. }) => {
            let (feed, now) = (feed.clone(), held.revision());
            return Err(NotServed::Ahead { feed, now });
        }
        Err(_) => return Err(diverged()),
    }
    let known = held.chain_at(after.revision);
    match known.is_none_or(|chain| chain == after.chain) {
        true => Ok(()),
        false => Err(diverged()),
    }
}

impl std::fmt::Debug for Framed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Framed({} bytes)", self.bytes.len())
    }
}
