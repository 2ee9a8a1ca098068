//! A change as it came, read as far as is needed to keep it in order. What it says is for the
//! machine to judge: only what would cost memory, or an entry for nothing, is refused here.

use bytes::Bytes;
use machine::limits::{HEADER_BYTES_MAX, IMPORTED_ROW_BYTES_MAX, WRAPPED_KEY_BYTES_MAX};
use machine::{FeedId, Flaw, Framed, Header, Revision, RowKey};
use wire::replication::v1;

use crate::codec::{self, ReceivedBody};
use crate::follow::trouble::Trouble;
use crate::limits::CHANGE_BYTES_USUAL;

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
        let unreadable = |source| Trouble::Unreadable {
            feed: feed.clone(),
            source,
        };
        let change = codec::from_change(change).map_err(unreadable)?;
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

/// Copies a body out of the message it came in: a short piece of a long message would keep all of
/// it, and what is kept would be more than is counted.
///
/// A body that is too long is one the machine finds wrong, without it: one bad row does not stop a
/// feed (R22).
pub(crate) fn kept(body: ReceivedBody) -> ReceivedBody {
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
