//! A state as rows, for whoever writes all of them, and rows as a state.

use std::sync::Arc;

use machine::{RowRef, State};
use store::Row;

use crate::values::Values;
use crate::view::{Root, ValueError};

/// Why a state could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("a row could not be read: {0}")]
    Unreadable(String),
    #[error("the rows are no state: {0}")]
    NoState(#[from] machine::LoadError),
    #[error("the hash of the rows is not the recorded one")]
    OtherHash,
}

/// The rows of a state, sorted by key; values that have left memory are read from the rows, or else
/// from a peer.
pub(crate) fn rows_of<'a>(
    root: &'a Arc<Root>,
    values: &'a Values,
) -> impl Iterator<Item = Result<Row, store::Fault>> + Send + 'a {
    root.state.rows().map(move |(key, row)| {
        let row = match row {
            RowRef::Here(row) => row,
            RowRef::Evicted => read_row(root, values, &key)?,
        };
        Ok((key.encode(), row.encode()))
    })
}

/// Reads a row of a value that has left memory.
fn read_row(
    root: &Arc<Root>,
    values: &Values,
    key: &machine::RowKey,
) -> Result<machine::Row, store::Fault> {
    values.read(root, key).map_err(|error| match error {
        ValueError::Damaged { source } => source,
        _ => store::Fault::Damaged {
            what: store::Block::Row(key.encode()),
        },
    })
}

/// Loads a state from its rows and checks it against the hash recorded with them.
pub(crate) fn load_state<E: std::fmt::Display>(
    rows: impl Iterator<Item = Result<Row, E>>,
    node_hash: &[u8],
    value_memory_bytes: u64,
) -> Result<State, LoadError> {
    let mut failed = None;
    let readable = rows.map_while(|row| match row {
        Ok(row) => Some(row),
        Err(error) => {
            failed = Some(error.to_string());
            None
        }
    });
    let state = State::load_within(readable, value_memory_bytes)?;
    if let Some(reason) = failed {
        return Err(LoadError::Unreadable(reason));
    }
    if state.node_hash().0.as_slice() != node_hash {
        return Err(LoadError::OtherHash);
    }
    Ok(state)
}
