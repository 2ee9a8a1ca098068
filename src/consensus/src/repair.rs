//! Good copies of bad rows: asked of every peer at once, checked, and given to peers that ask.
//!
//! Only rows of values go this way: all others are in memory. What comes is believed only if it is
//! the row the asking state commits to. Its value is sealed, as everywhere but in a caller's hands.

use std::sync::{Arc, Weak};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use machine::{Row, RowKey, RowRef};
use tokio::sync::{Semaphore, mpsc, oneshot};
use wire::raft::v1;

use crate::Inner;
use crate::core;
use crate::limits::{FETCH_ROWS_MAX, FETCH_TIMEOUT, FETCHES_MAX};
use crate::links::Lane;
use crate::values::Values;
use crate::view::Root;

/// A row of `root` that this node has lost. Dropping `answer` says that no peer has it.
pub(crate) struct Wanted {
    pub(crate) key: RowKey,
    pub(crate) root: Arc<Root>,
    pub(crate) answer: oneshot::Sender<Row>,
}

/// Asks peers for rows until the node is gone.
pub(crate) async fn fetch_wanted(inner: Weak<Inner>, mut wanted: mpsc::Receiver<Wanted>) {
    let free = Arc::new(Semaphore::new(FETCHES_MAX));
    while let Some(wanted) = wanted.recv().await {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let Some(inner) = inner.upgrade() else {
            return;
        };
        tokio::spawn(async move {
            let found = fetch(&inner, &wanted.key, &wanted.root);
            if let Ok(Some(row)) = tokio::time::timeout(FETCH_TIMEOUT, found).await {
                // Whoever asked may have gone.
                let _ = wanted.answer.send(row);
            }
            drop(permit);
        });
    }
}

/// The first good copy that a peer has.
async fn fetch(inner: &Inner, key: &RowKey, root: &Root) -> Option<Row> {
    let members = core::metrics(&inner.raft, |metrics| {
        let members = metrics.membership_config.membership().nodes();
        let members = members.map(|(node, member)| (*node, member.peer_address.clone()));
        members.collect::<Vec<_>>()
    });
    let peers = members.into_iter().filter(|(node, _)| *node != inner.node);
    let mut answers: FuturesUnordered<_> = peers
        .map(|(node, address)| async move { ask(inner, node, &address, key, root).await })
        .collect();
    while let Some(answer) = answers.next().await {
        if answer.is_some() {
            return answer;
        }
    }
    None
}

async fn ask(inner: &Inner, node: u64, address: &str, key: &RowKey, root: &Root) -> Option<Row> {
    let message = v1::FetchRowsRequest {
        origin: Some(inner.links.origin()),
        keys: vec![key.encode().into()],
    };
    let mut client = inner.links.client(node, address, Lane::Forward).ok()?;
    let answer = match client.fetch_rows(message).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            tracing::debug!(node, code = ?status.code(), "a peer did not answer for a row");
            return None;
        }
    };
    let row = Row::decode(key, &answer.rows.first()?.row).ok()?;
    let is_good = root.state.has_row(key, &row);
    if !is_good {
        tracing::warn!(node, "a peer's copy of a row is not the one that was lost");
    }
    is_good.then_some(row)
}

/// The keys a peer asks for; refused when they are too many, or none of values.
pub(crate) fn keys_of(message: &v1::FetchRowsRequest) -> Result<Vec<RowKey>, &'static str> {
    if message.keys.len() > FETCH_ROWS_MAX {
        return Err("too many keys");
    }
    let keys = message.keys.iter().map(|key| match RowKey::decode(key) {
        Ok(key @ RowKey::Version(..)) => Ok(key),
        _ => Err("a key is none of a value's row"),
    });
    keys.collect()
}

/// The rows of which this node has good copies, as its state has them now: not those whose values
/// are kept from this region. Blocks.
pub(crate) fn own_rows(values: &Values, root: &Root, keys: &[RowKey]) -> Vec<v1::FetchedRow> {
    let found = keys.iter().filter_map(|key| {
        let row = match root.state.row(key)? {
            RowRef::Here(row) if row.is_withheld() => return None,
            RowRef::Here(row) => row,
            RowRef::Evicted => values.own(&root.state, key).ok()?,
        };
        Some(v1::FetchedRow {
            key: key.encode().into(),
            row: row.encode().into(),
        })
    });
    found.collect()
}
