//! Rows from disk or a peer: keys and rows decode or are refused, and what decodes encodes to a
//! form that decodes to the same; a set of them loads as a state, or is refused.

use machine::{Answer, Row, RowKey, State};

use crate::{is_thorough, parts};

/// Takes keys and rows in turn.
pub fn check(input: &[u8]) {
    if let Ok(answer) = Answer::decode(input) {
        assert_eq!(Answer::decode(&answer.encode()).as_ref(), Ok(&answer));
    }
    let parts: Vec<Vec<u8>> = parts(input).map(<[u8]>::to_vec).collect();
    let (pairs, _odd) = parts.as_chunks::<2>();
    let rows: Vec<(Vec<u8>, Vec<u8>)> = pairs
        .iter()
        .map(|[key, row]| (key.clone(), row.clone()))
        .collect();
    for (key, row) in &rows {
        let Ok(key) = RowKey::decode(key) else {
            continue;
        };
        assert_eq!(RowKey::decode(&key.encode()).as_ref(), Ok(&key));
        if let Ok(row) = Row::decode(&key, row) {
            let again = Row::decode(&key, &row.encode());
            assert_eq!(again.map(|row| row.encode()), Ok(row.encode()));
        }
    }
    if let Ok(state) = State::load(rows.into_iter())
        && is_thorough(input)
    {
        let _hash = state.node_hash();
    }
}
