//! Rows as they come in answers: read, counted, and copied out of their messages.

use std::collections::BTreeSet;

use machine::RowKey;
use wire::replication::v1;

use crate::codec::{self, Malformed, ReceivedRow};
use crate::follow::incoming::kept;
use crate::limits::FETCH_ROWS_MAX;

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
