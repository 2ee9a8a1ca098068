//! Rebuilds a state from stored rows.

use bytes::Bytes;
use thiserror::Error;

use crate::change::Change;
use crate::codec::DecodeError;
use crate::decide::MACHINE_VERSION;
use crate::row::{Row, RowKey};
use crate::state::State;

/// Why rows are not a state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// A key cannot be read.
    #[error("a row's key cannot be read")]
    Key(#[source] DecodeError),
    /// A row cannot be read, or is not what it should be.
    #[error("a row of kind {kind:#04x} cannot be read")]
    Row {
        /// The row's kind.
        kind: u8,
        /// Why.
        source: DecodeError,
    },
    /// The rows were made by rules this build does not know.
    #[error("the rows need a newer build")]
    FutureVersion(#[source] DecodeError),
    /// There are rows, but not the one every founded region has.
    #[error("the rows of this region are incomplete: the machine row is missing")]
    Incomplete,
}

impl LoadError {
    /// Says whether a newer build would understand these rows: then they are no damage.
    pub fn needs_newer_build(&self) -> bool {
        match self {
            LoadError::Key(source) | LoadError::Row { source, .. } => {
                matches!(source, DecodeError::UnknownRow(_))
            }
            LoadError::FutureVersion(_) => true,
            LoadError::Incomplete => false,
        }
    }
}

impl State {
    /// Loads a state from stored rows, in any order.
    pub fn load(rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<State, LoadError> {
        State::load_within(rows, u64::MAX)
    }

    /// Loads a state from stored rows and keeps at most so many bytes of values in memory.
    pub fn load_within(
        rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
        resident_value_bytes_max: u64,
    ) -> Result<State, LoadError> {
        let mut state = State::new();
        for (key, row) in rows {
            let key = RowKey::decode(&key).map_err(LoadError::Key)?;
            let row =
                Row::decode_bytes(&key, Bytes::from(row)).map_err(|source| LoadError::Row {
                    kind: key.kind(),
                    source,
                })?;
            state.evolve(&Change {
                key,
                row: Some(row),
                header: None,
            });
            if let RowKey::Version(uid, ordinal) = key
                && state.derived.resident_value_bytes > resident_value_bytes_max
            {
                state.evict_value(uid, ordinal);
            }
        }
        state.checked()
    }

    fn checked(self) -> Result<State, LoadError> {
        let Some(machine) = &self.machine else {
            let is_empty = self.rows().next().is_none();
            return if is_empty {
                Ok(self)
            } else {
                Err(LoadError::Incomplete)
            };
        };
        let (wanted, known) = (machine.body.version.0, MACHINE_VERSION.0);
        if wanted > known {
            return Err(LoadError::FutureVersion(DecodeError::FutureVersion {
                wanted,
                known,
            }));
        }
        Ok(self)
    }
}
