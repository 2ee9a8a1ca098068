//! Changes and rows as they came, read as far as is needed to keep them in order, and copied out of
//! their messages. What they say is for the machine to judge: only what would cost memory, or an
//! entry for nothing, is refused here.

use std::collections::BTreeSet;

use bytes::Bytes;
use machine::limits::{HEADER_BYTES_MAX, IMPORTED_ROW_BYTES_MAX, WRAPPED_KEY_BYTES_MAX};
use machine::{FeedId, Flaw, Framed, Header, Revision, RowKey};
use wire::replication::v1;

use crate::codec::{self, Malformed, ReceivedBody, ReceivedRow};
use crate::follow::trouble::Trouble;
use crate::limits::{CHANGE_BYTES_USUAL, FETCH_ROWS_MAX};

/// A change of a feed, ready to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) key: RowKey,
    pub(crate) header: Header,
    /// The header's exact bytes.
    pub(crate) bytes: Bytes,
    pub(crate) body: Option<ReceivedBody>,
}

impl Incoming {
    /// Reads the change that must be the one with revision `next` of `feed`.
    pub(crate) fn read(
        feed: &FeedId,
        next: Revision,
        change: v1::Change,
    ) -> Result<Incoming, Trouble> {
        let broken = |flaw| Trouble::Broken {
            feed: feed.clone(),
            at: next,
            flaw,
        };
        if change.header.len() > HEADER_BYTES_MAX {
            return Err(broken(Flaw::Malformed));
        }
        let change = codec::from_change(change);
        let change = change.map_err(|source| Trouble::unreadable(feed, source))?;
        let bytes = copied(&change.header);
        let header = Header::decode(bytes.clone()).map_err(|_error| broken(Flaw::Malformed))?;
        if header.feed != *feed {
            return Err(broken(Flaw::OtherFeed));
        }
        if header.revision != next {
            return Err(broken(Flaw::Gap));
        }
        let key = header.key().ok_or_else(|| broken(Flaw::Kind))?;
        Ok(Incoming {
            key,
            header,
            bytes,
            body: change.body.map(kept),
        })
    }

    /// What the change takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        let body = self.body.as_ref();
        let body = body.map_or(0, |body| body.framed.bytes.len() + body.wrapped_dek.len());
        // The header is here as bytes and as what they say.
        CHANGE_BYTES_USUAL + 2 * self.bytes.len() + body
    }
}

/// Reads the rows of one message.
pub(crate) fn received(rows: Vec<v1::Row>, max: usize) -> Result<Vec<ReceivedRow>, Malformed> {
    let rows = codec::bounded("rows", rows, max)?.into_iter();
    let rows = rows.map(|row| {
        let row = codec::from_row(row)?;
        Ok(ReceivedRow {
            body: row.body.map(kept),
            ..row
        })
    });
    rows.collect()
}

/// Reads rows that were asked for by their keys: each may come once, and no other.
pub(crate) fn asked_for(
    wanted: &mut BTreeSet<RowKey>,
    rows: Vec<v1::Row>,
) -> Result<Vec<ReceivedRow>, Malformed> {
    let rows = received(rows, FETCH_ROWS_MAX)?;
    match rows.iter().all(|row| wanted.remove(&row.key)) {
        true => Ok(rows),
        false => Err(Malformed::Form("rows")),
    }
}

/// Copies a body out of the message it came in: a short piece of a long message would keep all of
/// it, and what is kept would be more than is counted.
///
/// A body that is too long is one the machine finds wrong, without it: one bad row does not stop a
/// feed (R22).
fn kept(body: ReceivedBody) -> ReceivedBody {
    let ReceivedBody {
        framed: Framed { blind, bytes },
        wrapped_dek,
    } = body;
    ReceivedBody {
        framed: Framed {
            blind,
            bytes: within(&bytes, IMPORTED_ROW_BYTES_MAX),
        },
        wrapped_dek: within(&wrapped_dek, WRAPPED_KEY_BYTES_MAX),
    }
}

fn within(bytes: &Bytes, max: usize) -> Bytes {
    match bytes.len() <= max {
        true => copied(bytes),
        false => Bytes::new(),
    }
}

fn copied(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use machine::{Ordinal, Uid};

    use super::*;

    fn row(n: u64) -> v1::Row {
        let key = RowKey::Version(Uid([7; 16]), Ordinal(n));
        v1::Row {
            key: key.encode().into(),
            revision: 1,
            commitment: Bytes::from_static(&[1; 32]),
            body: None,
        }
    }

    #[test]
    fn a_row_that_was_not_asked_for_or_comes_twice_is_refused() {
        let key = |n| RowKey::Version(Uid([7; 16]), Ordinal(n));
        let mut wanted = BTreeSet::from([key(1), key(2), key(3)]);
        assert_eq!(asked_for(&mut wanted, vec![row(1)]).unwrap().len(), 1);
        let refused = Err(Malformed::Form("rows"));
        assert_eq!(asked_for(&mut wanted, vec![row(1)]), refused);
        assert_eq!(asked_for(&mut wanted, vec![row(9)]), refused);
        assert_eq!(asked_for(&mut wanted, vec![row(2), row(2)]), refused);
    }

    #[test]
    fn too_many_rows_of_one_message_are_refused() {
        let rows = (0..=FETCH_ROWS_MAX as u64).map(row).collect();
        let too_many = Malformed::TooMany {
            field: "rows",
            max: FETCH_ROWS_MAX,
        };
        assert_eq!(received(rows, FETCH_ROWS_MAX), Err(too_many));
    }

    #[test]
    fn a_key_of_a_row_that_is_no_feeds_is_refused() {
        let local = v1::Row {
            key: RowKey::Machine.encode().into(),
            ..row(1)
        };
        assert_eq!(received(vec![local], 1), Err(Malformed::Form("key")));
    }
}
