//! What nodes of other regions say, read without a node: for tests that have the bytes only.
//! Nothing is known here but how a receiver reads them.

use machine::{Header, Revision};
use prost::Message;
use wire::replication::v1;

use crate::codec::{self, Malformed, ReceivedBody, ReceivedRow};
use crate::follow::incoming::{Incoming, received};
use crate::limits::FETCH_ROWS_MAX;

/// What bytes are said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// An `Origin`: the ballots that its sender knows.
    Origin,
    /// An `Acknowledge`: where feeds stand.
    Acknowledge,
    /// `Changes` of a feed.
    Changes,
    /// A `FetchRowsRequest`: the keys of rows.
    Keys,
    /// A `FetchRowsResponse`: rows.
    Rows,
    /// A `CompareResponse`: the sums of all buckets.
    Sums,
    /// An `AnnounceRequest`: the nodes of a region.
    Nodes,
    /// A `ReportRequest`: how far copies are.
    Reports,
}

impl MessageKind {
    /// Every kind there is.
    pub const ALL: [MessageKind; 8] = [
        MessageKind::Origin,
        MessageKind::Acknowledge,
        MessageKind::Changes,
        MessageKind::Keys,
        MessageKind::Rows,
        MessageKind::Sums,
        MessageKind::Nodes,
        MessageKind::Reports,
    ];
}

/// Reads a message as its receiver does, and writes down what was understood.
///
/// # Errors
/// When the receiver would refuse it.
pub fn reread(kind: MessageKind, bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    Ok(match kind {
        MessageKind::Origin => {
            let origin: v1::Origin = decode(bytes)?;
            let epochs = codec::claims(&codec::from_claims(origin.epochs)?);
            let origin = v1::Origin { epochs, ..origin };
            origin.encode_to_vec()
        }
        MessageKind::Acknowledge => {
            let said: v1::Acknowledge = decode(bytes)?;
            let feeds = codec::from_cursors(said.feeds)?;
            let feeds = feeds.iter().map(|(feed, at)| codec::cursor(feed, at));
            let feeds = feeds.collect();
            v1::Acknowledge { feeds, ..said }.encode_to_vec()
        }
        MessageKind::Changes => changes(decode(bytes)?)?.encode_to_vec(),
        MessageKind::Keys => {
            let asked: v1::FetchRowsRequest = decode(bytes)?;
            let stream = codec::from_stream(&asked.stream)?.to_vec().into();
            let keys = codec::from_keys(asked.keys)?;
            let keys = keys.iter().map(|key| key.encode().into()).collect();
            v1::FetchRowsRequest {
                stream,
                keys,
                ..asked
            }
            .encode_to_vec()
        }
        MessageKind::Rows => {
            let sent: v1::FetchRowsResponse = decode(bytes)?;
            let rows = received(sent.rows, FETCH_ROWS_MAX)?;
            let rows = rows.into_iter().map(row).collect();
            v1::FetchRowsResponse { rows, ..sent }.encode_to_vec()
        }
        MessageKind::Sums => {
            let sent: v1::CompareResponse = decode(bytes)?;
            let sums = codec::from_sums(&sent.sums)?.concat().into_iter();
            let sums: Vec<u8> = sums.flat_map(u64::to_le_bytes).collect();
            let sums = sums.into();
            v1::CompareResponse { sums, ..sent }.encode_to_vec()
        }
        MessageKind::Nodes => {
            let said: v1::AnnounceRequest = decode(bytes)?;
            let nodes = said.nodes.into_iter().map(codec::from_node);
            let nodes: Result<Vec<_>, _> = nodes.collect();
            let nodes = nodes?.iter().map(codec::node).collect();
            v1::AnnounceRequest { nodes, ..said }.encode_to_vec()
        }
        MessageKind::Reports => {
            let said: v1::ReportRequest = decode(bytes)?;
            let replicas = codec::from_reports(said.replicas)?;
            let replicas = replicas.iter().map(codec::report).collect();
            v1::ReportRequest { replicas, ..said }.encode_to_vec()
        }
    })
}

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, Malformed> {
    M::decode(bytes).map_err(|_error| Malformed::Form("message"))
}

/// Each as if it were the one that is due.
fn changes(sent: v1::Changes) -> Result<v1::Changes, Malformed> {
    let feed = codec::from_feed(&sent.feed)?;
    let changes = sent.changes.into_iter().map(|change| {
        let header = Header::decode(change.header.clone());
        let due = header.map_or(Revision(1), |header| header.revision);
        let read = Incoming::read(&feed, due, change);
        let read = read.map_err(|_trouble| Malformed::Form("change"))?;
        Ok(v1::Change {
            header: read.bytes,
            body: read.body.map(body),
        })
    });
    let changes: Result<_, Malformed> = changes.collect();
    Ok(v1::Changes {
        changes: changes?,
        ..sent
    })
}

fn row(read: ReceivedRow) -> v1::Row {
    v1::Row {
        key: read.key.encode().into(),
        revision: read.revision.0,
        commitment: read.commitment.0.to_vec().into(),
        body: read.body.map(body),
    }
}

fn body(read: ReceivedBody) -> v1::RowBody {
    codec::body(&read.framed, Some(read.wrapped_dek.into()))
}
