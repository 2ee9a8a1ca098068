//! What goes from one region without nodes to another.

use std::sync::Arc;

use bytes::Bytes;
use envelope::{LinkBinding, LinkKey, LinkOffer};
use machine::{
    Body, Command, FeedId, FillRows, ImportChanges, RowKey, Scope, State, Uid, VersionId, Wrap,
};
use wire::replication::v1;

use crate::codec::{self, ReceivedBody};
use crate::follow::incoming::Incoming;
use crate::follow::key::StreamKey;
use crate::follow::lane::Batch;
use crate::follow::wraps::{Named, Place, Wraps};
use crate::kit::{CLUSTER, KEY, Kingdom, NORTH, WEST};
use crate::options::{Keys, TakeFailed};

/// What a data key looks like under the stream's key.
pub(super) const LINKED: &[u8] = b"linked";

impl Kingdom {
    /// What this region sends to another one of a feed, from where that one stands.
    pub(super) fn changes(&self, feed: &FeedId, to: &Kingdom) -> Vec<v1::Change> {
        let region = to.state.region().unwrap();
        let outgoing = self.state.outgoing(feed, &to.stands(feed), region);
        let outgoing = outgoing.unwrap().map(|change| {
            let wrapped = change.key.is_immutable().then(|| LINKED.to_vec());
            let body = match &change.body {
                Body::Here(framed) => Some(codec::body(framed, wrapped)),
                Body::Withheld | Body::Evicted => None,
            };
            v1::Change {
                header: change.header,
                body,
            }
        });
        outgoing.collect()
    }

    /// Takes all of a feed from its primary.
    pub(super) fn follow(&mut self, feed: &FeedId, from: &Kingdom, keys: &dyn Keys) {
        let batch = self.batch(feed, from.changes(feed, self));
        if !batch.changes.is_empty() {
            let import = self.import(&batch, keys);
            self.done(Command::ImportChanges(import));
        }
    }

    pub(super) fn batch(&self, feed: &FeedId, changes: Vec<v1::Change>) -> Batch {
        let after = self.stands(feed);
        let revisions = (after.revision.0 + 1..).map(machine::Revision);
        let read = changes.into_iter().zip(revisions);
        let read = read.map(|(change, next)| Incoming::read(feed, next, change).unwrap());
        Batch {
            feed: feed.clone(),
            after,
            changes: read.map(Arc::new).collect(),
            ahead: Vec::new(),
        }
    }

    pub(super) fn import(&self, batch: &Batch, keys: &dyn Keys) -> ImportChanges {
        self.wraps(&batch.feed, keys, |wraps| wraps.import(batch))
    }

    /// Takes rows of a feed from its primary by their keys.
    pub(super) fn fill(&mut self, feed: &FeedId, from: &Kingdom, keys: &[RowKey], with: &dyn Keys) {
        let rows = keys.iter().filter_map(|key| {
            let row = match from.state.row(key)? {
                machine::RowRef::Here(row) => row,
                machine::RowRef::Evicted => return None,
            };
            let body = ReceivedBody {
                framed: row.framed_body()?,
                wrapped_dek: Bytes::from_static(LINKED),
            };
            let place = Place {
                key: *key,
                revision: row.origin()?.revision,
                commitment: row.commitment(),
            };
            let sent = |wraps: &Wraps<'_>| wraps.sent(place, &body, &Named::default());
            Some((*key, self.wraps(feed, with, sent)))
        });
        let rows: Vec<_> = rows.collect();
        let feed = feed.clone();
        self.done(Command::FillRows(FillRows { feed, rows }));
    }

    pub(super) fn wraps<T>(
        &self,
        feed: &FeedId,
        keys: &dyn Keys,
        use_them: impl FnOnce(&Wraps<'_>) -> T,
    ) -> T {
        use_them(&Wraps {
            keys,
            state: &self.state,
            own: self.state.region().unwrap(),
            feed,
            key: &stream_key(),
        })
    }
}

/// Two linked regions: the second follows the first's root feed.
pub(super) fn pair(scope: Scope) -> (Kingdom, Kingdom) {
    let mut north = Kingdom::founder();
    north.link(WEST, scope);
    let mut west = Kingdom::linked(WEST, scope);
    west.follow(&FeedId::Root, &north, &TestKeys::default());
    (north, west)
}

pub(super) fn wrapped(key_name: &str) -> Wrap {
    Wrap {
        key_id: KEY,
        key_version: 1,
        wrapped_dek: Bytes::copy_from_slice(key_name.as_bytes()),
    }
}

pub(super) fn stream_key() -> StreamKey {
    StreamKey::new(link_key(), &Arc::default())
}

pub(super) fn link_key() -> LinkKey {
    let binding = LinkBinding {
        cluster: CLUSTER.0,
        from: NORTH.to_owned(),
        to: WEST.to_owned(),
        stream: [3; 16],
    };
    let offer = LinkOffer::generate().unwrap();
    LinkKey::encapsulate(offer.public_key(), &binding)
        .unwrap()
        .0
}

/// Keys whose wraps are the name of the key they are under.
#[derive(Default)]
pub(super) struct TestKeys {
    /// A key name that does not wrap.
    pub(super) broken: Option<&'static str>,
}

impl Keys for TestKeys {
    fn send(&self, _: &State, _: &Uid, _: &VersionId, _: &Wrap, _: &LinkKey) -> Option<Vec<u8>> {
        Some(LINKED.to_vec())
    }

    fn take(
        &self,
        _: &State,
        key_name: Option<&str>,
        _: &Uid,
        _: &VersionId,
        _: &LinkKey,
        wrapped_dek: &[u8],
    ) -> Result<Wrap, TakeFailed> {
        if key_name.is_some() && key_name == self.broken {
            return Err(TakeFailed::Key("The key can't be used.".to_owned()));
        }
        if wrapped_dek != LINKED {
            return Err(TakeFailed::Link);
        }
        Ok(wrapped(key_name.unwrap_or("default")))
    }

    fn rewrap(
        &self,
        _: &State,
        key_name: Option<&str>,
        _: &Uid,
        _: &VersionId,
        wrap: &Wrap,
    ) -> Result<Option<Wrap>, String> {
        if key_name.is_some() && key_name == self.broken {
            return Err("The key can't be used.".to_owned());
        }
        let wanted = wrapped(key_name.unwrap_or("default"));
        Ok((*wrap != wanted).then_some(wanted))
    }
}

/// Numbers that follow from a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}
