//! Entries of the log: those that decode are applied in turn to a founded region. Whatever they
//! say, the rows that come out load to a state of the same hash (I4).
#![no_main]

use libfuzzer_sys::fuzz_target;
use machine::{Answer, Entry, LogIndex, RowRef, State};
use strongroom_fuzz::{founded, parts};

fuzz_target!(|input: &[u8]| {
    let mut state = founded();
    let mut index = 2;
    for part in parts(input) {
        let Ok(entry) = Entry::decode(part) else {
            continue;
        };
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
    assert_eq!(again.node_hash(), state.node_hash());
    assert_eq!(again.positions(), state.positions());
});
