//! Entries.

use bytes::Bytes;

use crate::codec::{DecodeError, array, copied, request_id, required};
use crate::command::{Command, Seen, SeenAs, SeenRow};
use crate::entry::{Audit, Entry};
use crate::ids::{Hash, Revision, Stamp};
use crate::row::RowKey;
use crate::storage;
use crate::storage::entry::Command as Wire;

impl From<&Entry> for storage::Entry {
    fn from(entry: &Entry) -> storage::Entry {
        storage::Entry {
            stamp_ms: entry.stamp.0,
            audit: Some(storage::Audit {
                caller: entry.audit.caller.clone(),
                request_id: copied(&entry.audit.request_id.0),
            }),
            seed: copied(&entry.seed),
            command: Some(Wire::from(&entry.command)),
        }
    }
}

impl TryFrom<storage::Entry> for Entry {
    type Error = DecodeError;

    fn try_from(entry: storage::Entry) -> Result<Entry, DecodeError> {
        let audit = required("audit", entry.audit)?;
        let request_id = request_id(&audit.request_id)?;
        let command = entry.command.ok_or(DecodeError::UnknownCommand)?;
        Ok(Entry {
            stamp: Stamp(entry.stamp_ms),
            audit: Audit {
                caller: audit.caller,
                request_id,
            },
            seed: array("seed", &entry.seed)?,
            command: Command::try_from(command)?,
        })
    }
}

pub(super) fn seen_rows(seen: &Seen) -> Vec<storage::SeenRow> {
    let rows = seen.0.iter();
    rows.map(|row| {
        let (revision, grounds) = match row.seen {
            SeenAs::Revision(revision) => (revision.0, Bytes::new()),
            SeenAs::Grounds(hash) => (0, Bytes::copy_from_slice(&hash.0)),
        };
        storage::SeenRow {
            key: row.key.encode().into(),
            revision,
            grounds,
        }
    })
    .collect()
}

pub(super) fn seen(rows: Vec<storage::SeenRow>) -> Result<Seen, DecodeError> {
    let rows = rows.into_iter().map(|row| {
        let key = RowKey::decode(&row.key)?;
        let seen = match row.grounds.is_empty() {
            true => SeenAs::Revision(Revision(row.revision)),
            false => SeenAs::Grounds(Hash(array("grounds", &row.grounds)?)),
        };
        Ok(SeenRow { key, seen })
    });
    rows.collect::<Result<_, _>>().map(Seen)
}
