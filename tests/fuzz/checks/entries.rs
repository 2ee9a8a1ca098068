//! Entries of the log, or that a peer forwards: those that decode are written back the same, and
//! applied in turn to a founded region. Whatever they say, the rows that come out load to a state
//! of the same sums and hash (I4).

use machine::{Answer, Entry, LogIndex, RowRef, State};

use crate::{founded, is_thorough, parts};

/// Takes entries.
pub fn check(input: &[u8]) {
    applied_to(founded(), input);
}

/// Applies entries to a region whose log has one.
pub(super) fn applied_to(mut state: State, input: &[u8]) {
    let mut index = 2;
    for part in parts(input) {
        let Ok(entry) = Entry::decode(part) else {
            continue;
        };
        let again = Entry::decode(&entry.encode());
        assert_eq!(again.map(|entry| entry.encode()), Ok(entry.encode()));
        let applied = machine::apply(&mut state, LogIndex(index), &entry);
        let answer = Answer(applied.answer);
        assert_eq!(Answer::decode(&answer.encode()).as_ref(), Ok(&answer));
        index += 1;
    }
    let rows = state.rows().map(|(key, row)| match row {
        RowRef::Here(row) => (key.encode(), row.encode()),
        RowRef::Evicted => unreachable!("nothing is evicted here"),
    });
    let again = State::load(rows).expect("rows of a state load");
    assert_eq!(again.positions(), state.positions());
    for position in state.positions() {
        let sums = |state: &State| state.feed(&position.feed).map(|feed| feed.sums().clone());
        assert!(sums(&again) == sums(&state), "{:?}", position.feed);
    }
    if is_thorough(input) {
        assert_eq!(again.node_hash(), state.node_hash());
    }
}
