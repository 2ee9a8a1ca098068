//! Turns the machine's types into the messages of `replication.proto` and back. Decoding refuses
//! what is missing, too long or too much rather than guess it; what a message says is then judged
//! by the machine.

use bytes::Bytes;
use machine::{
    BUCKETS, BucketSums, Cursor, Epoch, FeedId, Framed, Hash, Node, NodeId, RegionName,
    ReplicaReport, ReplicaState, Revision, RowKey, Uid, VerifyingKey,
};
use thiserror::Error;
use wire::replication::v1;

use crate::limits::{FEEDS_MAX, FETCH_ROWS_MAX, REPORTS_MAX};

/// A message that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A required field is absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field is not what its comment says.
    #[error("{0} has not the form it should have")]
    Form(&'static str),
    /// A list is longer than its bound.
    #[error("{field} has more than {max} entries")]
    TooMany {
        /// The list.
        field: &'static str,
        /// Its bound.
        max: usize,
    },
}

/// A row's body as it came: not checked against its commitment yet.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReceivedBody {
    /// The blind and the exact bytes.
    pub(crate) framed: Framed,
    /// Of what seals something: its data key under the stream's key; empty if it could not be
    /// wrapped.
    pub(crate) wrapped_dek: Bytes,
}

/// A change as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedChange {
    /// The exact bytes of the header.
    pub(crate) header: Bytes,
    /// The body, if one was sent.
    pub(crate) body: Option<ReceivedBody>,
}

/// A row as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedRow {
    pub(crate) key: RowKey,
    pub(crate) revision: Revision,
    pub(crate) commitment: Hash,
    pub(crate) body: Option<ReceivedBody>,
}

impl std::fmt::Debug for ReceivedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReceivedBody({} bytes)", self.framed.bytes.len())
    }
}

pub(crate) fn from_feed(text: &str) -> Result<FeedId, Malformed> {
    text.parse().map_err(|_error| Malformed::Form("feed"))
}

pub(crate) fn from_region(text: &str) -> Result<RegionName, Malformed> {
    RegionName::new(text).map_err(|_error| Malformed::Form("region"))
}

fn from_hash(field: &'static str, bytes: &[u8]) -> Result<Hash, Malformed> {
    let bytes = bytes.try_into();
    bytes.map(Hash).map_err(|_error| Malformed::Form(field))
}

/// Sixteen random bytes that name a stream.
pub(crate) fn from_stream(bytes: &[u8]) -> Result<[u8; 16], Malformed> {
    bytes.try_into().map_err(|_error| Malformed::Form("stream"))
}

/// Takes a list that is no longer than its bound.
pub(crate) fn bounded<T>(
    field: &'static str,
    list: Vec<T>,
    max: usize,
) -> Result<Vec<T>, Malformed> {
    match list.len() <= max {
        true => Ok(list),
        false => Err(Malformed::TooMany { field, max }),
    }
}

pub(crate) fn claims(claims: &[(FeedId, Epoch)]) -> Vec<v1::Claim> {
    let claims = claims.iter().map(|(feed, epoch)| v1::Claim {
        feed: feed.to_string(),
        number: epoch.number,
        region: epoch.region.to_string(),
    });
    claims.collect()
}

pub(crate) fn from_claims(claims: Vec<v1::Claim>) -> Result<Vec<(FeedId, Epoch)>, Malformed> {
    let claims = bounded("epochs", claims, FEEDS_MAX)?.into_iter();
    let claims = claims.map(|claim| {
        let epoch = Epoch {
            number: claim.number,
            region: from_region(&claim.region)?,
        };
        Ok((from_feed(&claim.feed)?, epoch))
    });
    claims.collect()
}

pub(crate) fn cursor(feed: &FeedId, cursor: &Cursor) -> v1::FeedCursor {
    let epoch = cursor.epoch.as_ref();
    v1::FeedCursor {
        feed: feed.to_string(),
        epoch: epoch.map_or(0, |epoch| epoch.number),
        epoch_region: epoch.map_or_else(String::new, |epoch| epoch.region.to_string()),
        revision: cursor.revision.0,
        chain: Bytes::copy_from_slice(&cursor.chain.0),
    }
}

pub(crate) fn from_cursor(cursor: &v1::FeedCursor) -> Result<(FeedId, Cursor), Malformed> {
    let feed = from_feed(&cursor.feed)?;
    let chain = from_hash("chain", &cursor.chain)?;
    let revision = Revision(cursor.revision);
    let is_before = cursor.epoch == 0 && cursor.epoch_region.is_empty();
    let epoch = match is_before {
        true if revision != Revision(0) => return Err(Malformed::Form("epoch")),
        true => None,
        false => Some(Epoch {
            number: cursor.epoch,
            region: from_region(&cursor.epoch_region)?,
        }),
    };
    let cursor = Cursor {
        epoch,
        revision,
        chain,
    };
    Ok((feed, cursor))
}

/// Takes the cursors of a message; of several of one feed, the last.
pub(crate) fn from_cursors(
    cursors: Vec<v1::FeedCursor>,
) -> Result<Vec<(FeedId, Cursor)>, Malformed> {
    let cursors = bounded("feeds", cursors, FEEDS_MAX)?;
    cursors.iter().map(from_cursor).collect()
}

pub(crate) fn body(framed: &Framed, wrapped_dek: Option<Vec<u8>>) -> v1::RowBody {
    v1::RowBody {
        blind: Bytes::copy_from_slice(&framed.blind.0),
        bytes: framed.bytes.clone(),
        wrapped_dek: wrapped_dek.unwrap_or_default().into(),
    }
}

pub(crate) fn from_body(body: v1::RowBody) -> Result<ReceivedBody, Malformed> {
    Ok(ReceivedBody {
        framed: Framed {
            blind: from_hash("blind", &body.blind)?,
            bytes: body.bytes,
        },
        wrapped_dek: body.wrapped_dek,
    })
}

pub(crate) fn from_change(change: v1::Change) -> Result<ReceivedChange, Malformed> {
    Ok(ReceivedChange {
        header: change.header,
        body: change.body.map(from_body).transpose()?,
    })
}

pub(crate) fn from_row(row: v1::Row) -> Result<ReceivedRow, Malformed> {
    Ok(ReceivedRow {
        key: from_key(&row.key)?,
        revision: Revision(row.revision),
        commitment: from_hash("commitment", &row.commitment)?,
        body: row.body.map(from_body).transpose()?,
    })
}

/// Takes the encoded key of a feed row.
pub(crate) fn from_key(bytes: &[u8]) -> Result<RowKey, Malformed> {
    let key = RowKey::decode(bytes).ok().filter(RowKey::is_fed);
    key.ok_or(Malformed::Form("key"))
}

/// Takes the keys of rows that are asked for.
pub(crate) fn from_keys(keys: Vec<Bytes>) -> Result<Vec<RowKey>, Malformed> {
    let keys = bounded("keys", keys, FETCH_ROWS_MAX)?;
    keys.iter().map(|key| from_key(key)).collect()
}

/// The sums of all buckets of a feed, each as four words, the lowest first, of eight bytes, the
/// lowest first.
pub(crate) fn sums(sums: &BucketSums) -> Bytes {
    let sums = (0..BUCKETS).filter_map(|bucket| sums.bucket(bucket));
    let words = sums.flatten().flat_map(u64::to_le_bytes);
    words.collect::<Vec<u8>>().into()
}

pub(crate) fn from_sums(bytes: &[u8]) -> Result<Vec<[u64; 4]>, Malformed> {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let (sums, odd) = words.as_chunks::<4>();
    match rest.is_empty() && odd.is_empty() && sums.len() == BUCKETS {
        true => Ok(sums.to_vec()),
        false => Err(Malformed::Form("sums")),
    }
}

pub(crate) fn node(node: &Node) -> v1::Node {
    v1::Node {
        id: node.id.0,
        peer_address: node.peer_address.clone(),
        api_address: node.api_address.clone(),
        public_key: Bytes::copy_from_slice(&node.public_key.0),
    }
}

pub(crate) fn from_node(node: v1::Node) -> Result<Node, Malformed> {
    Ok(Node {
        id: NodeId(node.id),
        public_key: from_hash("public_key", &node.public_key)?,
        peer_address: node.peer_address,
        api_address: node.api_address,
    })
}

/// The key of a region's signatures; nothing for none.
pub(crate) fn verifying_key(key: Option<&VerifyingKey>) -> Bytes {
    key.map(|key| Bytes::copy_from_slice(&key.0))
        .unwrap_or_default()
}

pub(crate) fn from_verifying_key(bytes: &[u8]) -> Result<Option<VerifyingKey>, Malformed> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let key = bytes.try_into();
    let key = key.map_err(|_| Malformed::Form("signing_key"))?;
    Ok(Some(VerifyingKey(key)))
}

pub(crate) fn report(report: &ReplicaReport) -> v1::ReplicaReport {
    let state = match report.state {
        ReplicaState::InProgress => v1::ReplicaState::InProgress,
        ReplicaState::InSync => v1::ReplicaState::InSync,
        ReplicaState::Failed => v1::ReplicaState::Failed,
        ReplicaState::Detached => v1::ReplicaState::Detached,
    };
    v1::ReplicaReport {
        uid: Bytes::copy_from_slice(&report.uid.0),
        state: state.into(),
        message: report.message.clone(),
        access_day: report.access_day,
    }
}

fn from_report(report: v1::ReplicaReport) -> Result<ReplicaReport, Malformed> {
    let state = match v1::ReplicaState::try_from(report.state) {
        Ok(v1::ReplicaState::InProgress) => ReplicaState::InProgress,
        Ok(v1::ReplicaState::InSync) => ReplicaState::InSync,
        Ok(v1::ReplicaState::Failed) => ReplicaState::Failed,
        Ok(v1::ReplicaState::Detached) => ReplicaState::Detached,
        Ok(v1::ReplicaState::Unspecified) | Err(_) => return Err(Malformed::Form("state")),
    };
    let uid = report.uid.as_ref().try_into();
    Ok(ReplicaReport {
        uid: uid.map(Uid).map_err(|_error| Malformed::Form("uid"))?,
        state,
        message: report.message,
        access_day: report.access_day,
    })
}

pub(crate) fn from_reports(
    reports: Vec<v1::ReplicaReport>,
) -> Result<Vec<ReplicaReport>, Malformed> {
    let reports = bounded("replicas", reports, REPORTS_MAX)?;
    reports.into_iter().map(from_report).collect()
}
